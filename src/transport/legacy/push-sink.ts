import type { ExecutionResult, GraphQLError } from 'graphql'
import { statusOf } from '../../graphql/errors.ts'
import type { Delivery } from '../../graphql/delivery.ts'
import type { SourceHooks } from '../../graphql/source.ts'
import type { SubscriptionSink } from '../../graphql/subscription.ts'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { closeWith } from '../socket/close.ts'
import { encodeTextFrame } from '../socket/frame.ts'
import { SharedMessage } from '../socket/shared-deflate.ts'
import type { SocketWriter } from '../socket/writer.ts'
import { hasCapability, NO_CAPABILITIES, type CapabilitySet } from '../../legacy-protocol/capabilities.ts'
import { encodeEvent, neededBy, relevantTo, type FeedEvent } from '../../legacy-protocol/events.ts'
import type { LeftOut } from './left-out.ts'

/** How many events are remembered as pushed: as many as a resume brings, if RESUME_LIMIT is not set. */
const REMEMBERED = 1000

const eventOf = ({ data }: ExecutionResult): FeedEvent => (data as { events: FeedEvent }).events

/** A result as a push. */
interface Push {
  readonly frame: Buffer
  /** Where it may be compressed for all connections together. */
  readonly message: SharedMessage | undefined
}

/**
 * The last result that was pushed, and its push for each distinct set of capabilities: the other connections of an event get
 * the same one right after.
 */
let last: { result: ExecutionResult; event: FeedEvent; pushes: (Push | null | undefined)[] } | undefined

/** A feed's result as all connections with the same capabilities get it; null if it is not pushed to them. */
function pushOf(result: ExecutionResult, capabilities: CapabilitySet, scope: string | undefined): Push | null {
  if (last?.result !== result) last = { result, event: eventOf(result), pushes: [] }
  const { event, pushes } = last
  const relevant = relevantTo(event, capabilities)
  let push = pushes[relevant]
  if (push === undefined) {
    const text = encodeEvent(event, relevant)
    const message = text === null || scope === undefined ? undefined : new SharedMessage(text, scope)
    pushes[relevant] = push = text === null ? null : { frame: encodeTextFrame(text), message }
  }
  return push
}

/**
 * The receiver of a connection's feed: each result becomes a push (docs/protocol.md, section 4). It exists before the socket
 * does, so that an accepted client misses nothing.
 */
export class Pushes implements SubscriptionSink {
  readonly protocol = 'legacy'
  readonly #leftOut: LeftOut
  #capabilities: CapabilitySet
  /** Whether it was enabled in mid connection: events that need it may have been skipped before. */
  #wasExtended = false
  /** The latest events that were pushed because of a capability. */
  #pushed: Set<number> | undefined
  #writer: SocketWriter | undefined
  #hasEnded = false

  /** `capabilities` are those of the handshake. */
  constructor(leftOut: LeftOut, capabilities: CapabilitySet) {
    this.#leftOut = leftOut
    this.#capabilities = capabilities
  }

  /** The enabled capabilities. */
  get capabilities(): CapabilitySet {
    return this.#capabilities
  }

  enable(capabilities: CapabilitySet): void {
    if ((capabilities & ~this.#capabilities) !== 0) this.#wasExtended = true
    this.#capabilities = capabilities
  }

  /** Of skipped events, those that a resume brings because a capability they need has been enabled since. */
  again(): SourceHooks['again'] {
    if (!this.#wasExtended) return undefined
    return (type, id) => {
      const needed = neededBy(type)
      return needed !== undefined && hasCapability(this.#capabilities, needed) && !(id !== null && this.#pushed?.has(id))
    }
  }

  /** Where pushes are written from now on; before that none occur. */
  attach(writer: SocketWriter): void {
    this.#writer = writer
    if (this.#hasEnded) this.end()
  }

  event(result: ExecutionResult, delivery: Delivery): boolean {
    if (result.errors?.[0]) return this.#failed(result.errors[0], delivery)
    const push = pushOf(result, this.#capabilities, delivery.history)
    if (push === null) return false
    const { frame, message } = push
    if (message) this.#writer?.writeShared(message, frame)
    else this.#writer?.write(frame, delivery.key)
    if (this.#capabilities !== NO_CAPABILITIES) this.#remember(result, delivery)
    return true
  }

  #remember(result: ExecutionResult, { event: { id } }: Delivery): void {
    if (id === null || neededBy(eventOf(result).__typename) === undefined) return
    this.#pushed ??= new Set()
    this.#pushed.add(id)
    if (this.#pushed.size > REMEMBERED) for (const oldest of this.#pushed) return void this.#pushed.delete(oldest)
  }

  /**
   * What may succeed later comes with the client's next resume. Anything else would fail again and again, so it is left out and
   * the session goes on.
   */
  #failed(error: GraphQLError, delivery: Delivery): false {
    if (delivery.class === 'durable' && statusOf(error).code === 'UNAVAILABLE') this.end()
    else this.#leftOut.note(delivery.event, error)
    return false
  }

  end(): void {
    this.#hasEnded = true
    if (this.#writer) closeWith(this.#writer, CLOSE.interrupted)
  }

  ready(): Promise<void> | undefined {
    return this.#writer?.ready()
  }
}
