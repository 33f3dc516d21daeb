import type { SubscribePayload } from 'graphql-ws'
import { isDeeperThan } from '../../lib/depth.ts'

type Parameters = Pick<SubscribePayload, 'query' | 'operationName' | 'variables' | 'extensions'>

/**
 * The message reduced to fields of the protocol, since the library keeps it as long as its operation is open. Text that is not
 * a valid message is left to the library, which accepts objects too.
 */
export function withoutUnknown(text: string): string {
  let message: { id?: unknown; type?: unknown; payload?: unknown } | null
  try {
    message = JSON.parse(text) as typeof message
  } catch {
    return text
  }
  if (typeof message !== 'object' || message === null) return text
  const { id, type } = message
  let { payload } = message
  if (type === 'subscribe' && typeof payload === 'object' && payload !== null && !Array.isArray(payload)) {
    const { query, operationName, variables, extensions } = payload as Parameters
    payload = { query, operationName, variables, extensions }
  }
  return { id, type, payload } as unknown as string
}

/** Releases what is no longer needed, since the library keeps the rest. */
export function drop(payload: SubscribePayload): void {
  Object.assign(payload, { query: '', operationName: undefined, variables: undefined, extensions: undefined })
}

/** How deep the payload of a ping may be, which the pong repeats: writing JSON recurses. */
const DEPTH = 64

/** The answer to a ping; undefined for one that can't be answered. */
export function pongTo(payload: Record<string, unknown> | undefined): string | undefined {
  if (isDeeperThan(payload, DEPTH)) return undefined
  return JSON.stringify(payload ? { type: 'pong', payload } : { type: 'pong' })
}
