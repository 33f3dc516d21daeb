import type { ExecutionResult, GraphQLError } from 'graphql'
import type { Delivery } from '../../graphql/delivery.ts'
import type { OpenSubscription } from '../../graphql/operations.ts'
import type { SubscriptionSink } from '../../graphql/subscription.ts'
import { encodeTextFrameStart } from '../socket/frame.ts'
import { SharedMessage } from '../socket/shared-deflate.ts'
import type { SocketWriter } from '../socket/writer.ts'

/** A result in a `next` message, from the payload on. */
interface Next {
  readonly result: ExecutionResult
  readonly payload: Buffer
  /** Where it may be compressed for all of its subscribers together. */
  readonly message: SharedMessage | undefined
}

/** The last one: the other subscribers of an event get the same result right after, and it is encoded once for all of them. */
let lastNext: Next | undefined

function nextOf(result: ExecutionResult, scope: string | undefined): Next {
  if (lastNext?.result === result) return lastNext
  const text = `${JSON.stringify(result)}}`
  lastNext = { result, payload: Buffer.from(text), message: scope === undefined ? undefined : new SharedMessage(text, scope) }
  return lastNext
}

const DONE = { done: true, value: undefined } as const

/**
 * A subscription of one socket. Its results are written at once, bypassing the library's iteration, which is only notified when
 * the subscription ends.
 */
export class SocketSubscription implements SubscriptionSink, AsyncGenerator<never, undefined, void> {
  readonly protocol = 'graphql-ws'
  readonly #id: string
  readonly #writer: SocketWriter
  /** An error as clients may see it. */
  readonly #failure: (error: unknown) => GraphQLError
  /** Whether its subscribers all get the same result for an event, which then says nothing of one of them alone. */
  readonly #isShared: boolean
  #opened: OpenSubscription | undefined
  /** Why it ended before the library iterated it. */
  #ended: { error: GraphQLError | undefined } | undefined
  /** Notifies the library of the end. */
  #finish: ((error?: GraphQLError) => void) | undefined
  /**
   * The beginning of its messages, and the same with the header of a frame that has this many more bytes. Not created before
   * the first message: a small buffer may keep 8 KiB of Node's pool from being reused.
   */
  #beginning: Buffer | undefined
  #start: Buffer | undefined
  #payloadBytes = -1

  constructor(id: string, writer: SocketWriter, failure: (error: unknown) => GraphQLError, isShared: boolean) {
    this.#id = id
    this.#isShared = isShared
    this.#writer = writer
    this.#failure = failure
  }

  /** Call it before it is iterated. */
  attach(opened: OpenSubscription): this {
    this.#opened = opened
    return this
  }

  event(result: ExecutionResult, { key, history }: Delivery): true {
    const { payload, message } = nextOf(result, this.#isShared ? history : undefined)
    if (!this.#start || payload.length !== this.#payloadBytes) {
      this.#beginning ??= Buffer.from(`{"id":${JSON.stringify(this.#id)},"type":"next","payload":`)
      this.#payloadBytes = payload.length
      this.#start = encodeTextFrameStart(this.#beginning, payload.length)
    }
    if (message) this.#writer.writeShared(message, this.#start, payload, this.#id)
    else this.#writer.write(this.#start, key === undefined ? undefined : `${this.#id} ${key}`, payload)
    return true
  }

  end(error?: GraphQLError): void {
    this.#ended = { error }
    this.#finish?.(error)
  }

  ready(): Promise<void> | undefined {
    return this.#writer.ready()
  }

  /** The library awaits it once, until the subscription is over. */
  next(): Promise<IteratorReturnResult<undefined>> {
    return new Promise((resolve, reject) => {
      this.#finish = (error) => {
        this.#opened?.close()
        if (error) reject(error)
        else resolve(DONE)
      }
      if (this.#ended) this.#finish(this.#ended.error)
      else this.#opened?.start().catch((error: unknown) => this.#finish?.(this.#failure(error)))
    })
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#opened?.close()
    this.#finish?.()
    return Promise.resolve(DONE)
  }

  throw(error: unknown): Promise<never> {
    this.#opened?.close()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
