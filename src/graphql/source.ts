import { parseCursor, type Cursors, type ResumePoint, type UncheckedCursor } from '../chat/cursor.ts'
import { EVENTS, type ChatEvent, type EventType } from '../chat/events.ts'
import { ChatError } from '../errors.ts'
import type { EventSink } from '../lib/event-sink.ts'
import type { SourceEvent } from './delivery.ts'
import type { FeedEnd, FeedScope, Feeds, FeedSink } from '../live/feed.ts'
import type { GoesOnAfter } from '../live/replay-plan.ts'

/** What a subscription uses of the viewer's feed. */
export interface SourceOptions {
  feeds: Feeds
  cursors: Cursors
  userId: number
  scope: FeedScope
  /** The position to resume after. */
  after?: UncheckedCursor | undefined
  /** Which of the feed's events the subscription field emits. */
  accepts: (event: ChatEvent) => boolean
}

/** Ends with an error if it can't continue. `isFormer` is set for an event of an ended membership. */
export type SourceSink = EventSink<SourceEvent, boolean, ChatError | undefined>

/** The progress of a replay, for a transport that reports it to its client. */
export interface SourceHooks {
  /** Called before the first event of the replay. */
  begins?: () => void
  /** Which of the events delivered before are delivered again, because the transport has not sent them. None if absent. */
  again?: ((type: EventType, id: number | null) => boolean) | undefined
  replayed?: (replay: { replayed: number; complete: boolean }) => void
}

/** An open source stream. */
export interface OpenSource {
  /** Starts delivery. With an `after`, missed events come first. */
  start(hooks?: SourceHooks): Promise<void>
  /** Replays what was missed after another cursor, given as text, between the live events. */
  resume(after: string, hooks: SourceHooks): Promise<void>
  /** How many entries it holds of the viewer's blocks and memberships; none if absent. */
  readonly held?: number
  close(): void
}

/**
 * The source stream of a subscription (GraphQL specification, section 6.2.3.1) as a callback instead of an iterator: an event
 * reaches all of its subscribers in one turn, at the cost of a call for each. It is also an async iterable, so that graphql-js
 * accepts it; nothing iterates it.
 */
export class Source implements AsyncIterable<ChatEvent> {
  /** Attaches to what the subscription listens to; resolves when nothing can be missed any more. */
  readonly open: (sink: SourceSink) => Promise<OpenSource>

  constructor(open: Source['open']) {
    this.open = open
  }

  [Symbol.asyncIterator](): AsyncIterator<ChatEvent> {
    throw new Error('a source is opened, not iterated')
  }
}

/** A source that reads from a feed. */
export function feedSource(options: SourceOptions): Source {
  return new Source(async (sink) => {
    const stream = new FeedStream(options, sink)
    await stream.open(options)
    return stream
  })
}

/** An open source on a feed, whose events it passes on. */
class FeedStream implements FeedSink, OpenSource {
  readonly #sink: SourceSink
  readonly #accepts: SourceOptions['accepts']
  readonly #cursors: Cursors
  #point: ResumePoint | undefined
  #feed: Awaited<ReturnType<Feeds['open']>> | undefined

  constructor({ accepts, cursors }: SourceOptions, sink: SourceSink) {
    this.#sink = sink
    this.#accepts = accepts
    this.#cursors = cursors
  }

  async open({ feeds, userId, scope, after }: SourceOptions): Promise<void> {
    // Before the feed: what is committed from then on comes through it.
    if (after !== undefined) this.#point = await this.#cursors.resumePoint(after)
    this.#feed = await feeds.open({ userId, scope, sink: this })
  }

  event(event: ChatEvent, isFormer: boolean): void {
    if (this.#accepts(event)) this.#sink.event(event, isFormer)
  }

  end(reason: FeedEnd): void {
    this.#sink.end(ENDS[reason]())
  }

  ready(): Promise<void> | undefined {
    return this.#sink.ready?.()
  }

  settled(): Promise<void> | undefined {
    return this.#sink.settled?.()
  }

  get held(): number {
    return this.#feed?.held ?? 0
  }

  async start(hooks: SourceHooks = {}): Promise<void> {
    const point = this.#point
    this.#point = undefined
    if (point) await this.#resume(point, hooks)
    this.#feed?.start()
  }

  async resume(after: string, hooks: SourceHooks): Promise<void> {
    await this.#resume(await this.#cursors.resumePoint(parseCursor(after)), hooks)
  }

  async #resume(point: ResumePoint, { begins, again, replayed }: SourceHooks): Promise<void> {
    await this.#feed?.resume(point.after, {
      begin: (start) => {
        if (!start.complete) this.#deliverIncomplete(positionOf(start.goesOnAfter, point))
        begins?.()
      },
      again: again && (({ kind, id }) => again(EVENTS[kind].type, id)),
      ...(replayed ? { done: replayed } : {}),
    })
  }

  #deliverIncomplete(position: string): void {
    this.#sink.event({ id: null, at: Date.now(), kind: 'resume_incomplete', payload: { position } }, false)
  }

  close(): void {
    this.#feed?.close()
  }
}

/** The cursor after which a stream continues whose resume was incomplete. */
function positionOf(goesOnAfter: GoesOnAfter, point: ResumePoint): string {
  if (goesOnAfter.kind === 'event') return String(goesOnAfter.id)
  return point.positionBefore(goesOnAfter.kind === 'transactions' ? goesOnAfter.xid : undefined)
}

const ENDS: Record<FeedEnd, () => ChatError | undefined> = {
  left: () => undefined,
  overflow: () => new ChatError('UNAVAILABLE', 'too many events came while catching up: resume after the last event received'),
  failed: () => new ChatError('UNAVAILABLE', 'the events could not be read: resume after the last event received'),
}
