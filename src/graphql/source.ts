import { parseCursor, type Cursors, type ResumePoint, type UncheckedCursor } from '../chat/cursor.ts'
import { EVENTS, type ChatEvent, type EventType } from '../chat/events.ts'
import { ChatError } from '../errors.ts'
import type { EventSink } from '../lib/event-sink.ts'
import type { SourceEvent } from './delivery.ts'
import type { FeedEnd, FeedScope, Feeds, FeedSink } from '../live/feed.ts'
import type { GoesOnAfter } from '../live/replay-plan.ts'

/** What a subscription takes from the viewer's feed. */
export interface SourceOptions {
  feeds: Feeds
  cursors: Cursors
  userId: number
  scope: FeedScope
  /** What to resume after. */
  after?: UncheckedCursor | undefined
  /** Which of the feed's events the subscription field tells of. */
  accepts: (event: ChatEvent) => boolean
}

/** The stream ends with an error where it could not go on. `isFormer` comes with an event of a membership that has ended. */
export type SourceSink = EventSink<SourceEvent, boolean, ChatError | undefined>

/** What a replay did, for a transport that tells its client so. */
export interface SourceHooks {
  /** Called before the first event of the replay. */
  begins?: () => void
  /** Which of the events that went through the stream before come again: the transport has not sent them. None if absent. */
  again?: ((type: EventType, id: number | null) => boolean) | undefined
  replayed?: (replay: { replayed: number; complete: boolean }) => void
}

/** An open source stream. */
export interface OpenSource {
  /** Lets events come; before that they wait. With an `after`, first what was missed. */
  start(hooks?: SourceHooks): Promise<void>
  /** Gives what was missed after another cursor, by its text, between the live ones. */
  resume(after: string, hooks: SourceHooks): Promise<void>
  close(): void
}

/**
 * The source stream of a subscription (GraphQL specification, section 6.2.3.1) as a callback instead of an iterator:
 * an event reaches all of its subscribers in one turn, at the cost of a call for each. It is also an async iterable, so that
 * graphql-js takes it for what it is; nothing iterates it.
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

/** A source that takes from a feed. */
export function feedSource(options: SourceOptions): Source {
  return new Source(async (sink) => {
    const stream = new FeedStream(options, sink)
    await stream.open(options)
    return stream
  })
}

/** An open source that takes from a feed, whose events it passes on. */
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

/** The cursor after which a stream goes on whose resume was not complete. */
function positionOf(goesOnAfter: GoesOnAfter, point: ResumePoint): string {
  if (goesOnAfter.kind === 'event') return String(goesOnAfter.id)
  return point.positionBefore(goesOnAfter.kind === 'transactions' ? goesOnAfter.xid : undefined)
}

const ENDS: Record<FeedEnd, () => ChatError | undefined> = {
  left: () => undefined,
  overflow: () => new ChatError('UNAVAILABLE', 'too many events came while catching up: resume after the last event received'),
  failed: () => new ChatError('UNAVAILABLE', 'the events could not be read: resume after the last event received'),
}
