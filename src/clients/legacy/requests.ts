/** Pending requests; a response repeats the `message_id` of its request. */
import type { ErrorFrame, RequestType, ResponseFrame } from '../../legacy-protocol/frames.ts'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { ConnectionLostError, RequestRefusedError, RequestTimeoutError } from './errors.ts'

export interface RequestOptions {
  /** The request's id, 1 to 64 characters; for a send it is the idempotency key. Random by default. */
  messageId?: string
  timeoutMs?: number
  /** Stops waiting; a request that was sent may still be executed. */
  signal?: AbortSignal
}

interface Waiting {
  readonly type: RequestType
  readonly text: string
  isSent: boolean
  resolve(data: unknown): void
  reject(error: unknown): void
}

/**
 * Idempotent in the protocol: a send by its id, the others by their content. Typing state ends with the connection, and a ping
 * concerns one connection only.
 */
const REPEATABLE: ReadonlySet<RequestType> = new Set([
  'message_sent',
  'message_read',
  'reaction_added',
  'reaction_removed',
  'message_edited',
  'message_deleted',
  'conversation_read',
])
const BAD_ID = /[\0\ud800-\udfff]/u

/** 32 hexadecimal digits; `crypto.randomUUID` is missing on pages served over plain HTTP. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export class Requests {
  /** In the order of the calls, in which they are also sent. */
  readonly #waiting = new Map<string, Waiting>()

  /** Returns the promise of the response's `data`; the next `flush` sends the request. */
  add(type: RequestType, data: unknown, timeoutMs: number, { messageId = randomId(), signal }: RequestOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (messageId === '' || [...messageId].length > 64 || BAD_ID.test(messageId)) {
        throw new TypeError('a messageId must be 1 to 64 characters of Unicode text')
      }
      if (this.#waiting.has(messageId)) throw new TypeError('a request with this messageId is waiting already')
      signal?.throwIfAborted()
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#waiting.delete(messageId)
      }
      const waiting: Waiting = {
        type,
        text: JSON.stringify({ type, data, message_id: messageId }),
        isSent: false,
        resolve(answer) {
          done()
          resolve(answer)
        },
        reject(error) {
          done()
          reject(error as Error)
        },
      }
      const abort = (): void => waiting.reject(signal?.reason)
      const timer = setTimeout(() => waiting.reject(new RequestTimeoutError(waiting.isSent, messageId)), timeoutMs)
      signal?.addEventListener('abort', abort)
      this.#waiting.set(messageId, waiting)
    })
  }

  /** Sends the requests not yet sent on this connection. */
  flush(send: (text: string) => void): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.isSent) continue
      waiting.isSent = true
      send(waiting.text)
    }
  }

  answer({ message_id, data }: ResponseFrame): void {
    if (message_id !== undefined) this.#waiting.get(message_id)?.resolve(data)
  }

  refuse({ message_id, data }: ErrorFrame): void {
    if (message_id !== undefined) this.#waiting.get(message_id)?.reject(new RequestRefusedError(data, message_id))
  }

  /** The connection broke: what is safe to repeat is sent by the next `flush`, the rest is rejected. */
  lost(code: number): void {
    const sent = [...this.#waiting].filter(([, { isSent }]) => isSent)
    // The frame that was too big is the biggest one; repeated, it would break every connection.
    const biggest = Math.max(...sent.map(([, { text }]) => text.length))
    for (const [messageId, waiting] of sent) {
      const isHarmful = code === CLOSE.tooLarge.code && waiting.text.length === biggest
      if (REPEATABLE.has(waiting.type) && !isHarmful) waiting.isSent = false
      else waiting.reject(new ConnectionLostError(code, messageId))
    }
  }

  close(error: unknown): void {
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error)
  }
}
