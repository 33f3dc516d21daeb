import { randomUUID } from 'node:crypto'
import type { PubSubEngine } from 'graphql-subscriptions'
import { hasMembers, isObject, isText } from '../lib/received.ts'

/** Requests between nodes: each node responds, and the caller gets all responses. */
export interface NodeRpc {
  /**
   * Sends a request to every node, this one included; resolves with the results by node, without late ones and those that
   * `accepts` rejects.
   */
  request<T>(kind: string, payload: object, accepts: (result: unknown) => boolean): Promise<Map<string, T>>
  /** Registers this node's handler for requests of a kind. Its input is unchecked; the result must be JSON. */
  handle(kind: string, handler: Handler): void
  stop(): void
}

type Handler = (payload: never) => unknown

export interface NodeRpcOptions {
  pubsub: PubSubEngine
  nodeId: string
  /** The live nodes; an empty list if there is only this one. */
  nodes: () => Promise<readonly string[]>
  onError: (error: unknown) => void
}

interface Request {
  id: string
  from: string
  kind: string
  payload: unknown
}

interface Response {
  id: string
  node: string
  result: unknown
}

const isRequest = hasMembers({ id: isText, from: isText, kind: isText, payload: isObject })
const isResponse = hasMembers({ id: isText, node: isText })

const REQUESTS = 'control'
const responsesTo = (nodeId: string): string => `control:${nodeId}`

/** A request is repeated until every node has answered, since a publish may be lost. */
const REPEAT_MS = 150
const TIMEOUT_MS = 900
/** How many responses are remembered for repeated requests. */
const REMEMBERED = 1000

/** Requests and responses over pub/sub. A repeated request is executed once. */
export async function createNodeRpc({ pubsub, nodeId, nodes, onError }: NodeRpcOptions): Promise<NodeRpc> {
  const handlers = new Map<string, Handler>()
  const pending = new Map<string, (response: Response) => void>()
  const answered = new Map<string, unknown>()

  const answer = ({ id, from, kind, payload }: Request): void => {
    let result = answered.get(id)
    if (result === undefined) {
      result = handlers.get(kind)?.(payload as never) ?? null
      answered.set(id, result)
      if (answered.size > REMEMBERED) answered.delete(answered.keys().next().value as string)
    }
    pubsub.publish(responsesTo(from), { id, node: nodeId, result } satisfies Response).catch(onError)
  }

  const subscriptions = [
    await pubsub.subscribe(REQUESTS, answer, { accepts: isRequest }),
    await pubsub.subscribe(responsesTo(nodeId), (response: Response) => pending.get(response.id)?.(response), {
      accepts: isResponse,
    }),
  ]

  return {
    handle: (kind, handler) => void handlers.set(kind, handler),

    async request<T>(kind: string, payload: object, accepts: (result: unknown) => boolean) {
      const request: Request = { id: randomUUID(), from: nodeId, kind, payload }
      const results = new Map<string, T>()
      const expected = new Set([nodeId, ...(await nodes().catch(() => []))])
      await new Promise<void>((resolve) => {
        const publish = (): void => void pubsub.publish(REQUESTS, request).catch(onError)
        const repeat = setInterval(publish, REPEAT_MS)
        const limit = setTimeout(finish, TIMEOUT_MS)
        function finish(): void {
          clearInterval(repeat)
          clearTimeout(limit)
          pending.delete(request.id)
          resolve()
        }
        pending.set(request.id, ({ node, result }) => {
          if (accepts(result)) results.set(node, result as T)
          expected.delete(node)
          if (expected.size === 0) finish()
        })
        publish()
      })
      return results
    },

    stop() {
      for (const subscription of subscriptions) pubsub.unsubscribe(subscription)
    },
  }
}
