import type { ExecutionResult } from 'graphql'
import type { Counts } from '../../counts.ts'
import { latestOf, type SourceEvent } from '../../graphql/source.ts'
import type { SubscriptionSink } from '../../graphql/subscription.ts'
import { encodeTextFrame } from '../frame.ts'
import type { SocketWriter } from '../socket-writer.ts'
import { encodeEvent, type FeedEvent } from './events.ts'

/** The reason of a close after which a client loses nothing that resumes. */
export const COME_BACK = 'come back with resume'

/** The last result that went out, and its bytes: the other connections that an event goes to get the same one right after. */
let last: { result: ExecutionResult; frame: Buffer | null } | undefined

/** The bytes of a feed's result, which all connections share; null for what this protocol does not tell. */
function frameOf(result: ExecutionResult): Buffer | null {
  if (last?.result !== result) {
    const text = encodeEvent((result.data as { events: FeedEvent }).events)
    last = { result, frame: text === null ? null : encodeTextFrame(text) }
  }
  return last.frame
}

/**
 * Where the feed of a connection goes: each result becomes a push (PROTOCOL.md, section 4). It is there before the socket is, for
 * whoever is accepted shall miss nothing.
 */
export class Pushes implements SubscriptionSink {
  readonly #delivered: Counts['deliveries']['legacy']
  #writer: SocketWriter | undefined
  #hasEnded = false

  constructor({ deliveries }: Counts) {
    this.#delivered = deliveries.legacy
  }

  /** Where they go from now on; before that there may be none. */
  attach(writer: SocketWriter): void {
    this.#writer = writer
    if (this.#hasEnded) this.end()
  }

  next(result: ExecutionResult, event: SourceEvent): void {
    // An event that could not be executed must not be left out in silence.
    if (result.errors) return this.end()
    const frame = frameOf(result)
    if (frame === null) return
    const keyOf = latestOf(event)
    if (keyOf) this.#delivered.unkept++
    else this.#delivered.durable++
    this.#writer?.write(frame, keyOf)
  }

  end(): void {
    this.#hasEnded = true
    this.#writer?.close(1012, COME_BACK)
  }

  ready(): Promise<void> | undefined {
    return this.#writer?.ready()
  }
}
