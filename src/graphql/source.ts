import { parseCursor, type Cursors, type ResumePoint, type UncheckedCursor } from '../chat/cursor.ts'
import { coalescingKeyOf, isDurable as isDurableEvent, type ChatEvent } from '../chat/events.ts'
import { ChatError } from '../errors.ts'
import type { ActivityEvent } from './models.ts'
import type { FeedEnd, FeedScope, Feeds, FeedSink } from '../live/feed.ts'
import type { GoesOnAfter } from '../live/replay-plan.ts'

/** What comes through a source: of the chat, or of what an administrator watches. */
export type SourceEvent = ChatEvent | ActivityEvent

/** Whether an event must not get lost on its way to a client. */
export const isDurable = (event: SourceEvent): boolean => event.kind !== 'activity' && isDurableEvent(event)

/** What an ephemeral event is coalesced by at a slow client; undefined for a durable one. */
export function latestOf(event: SourceEvent): (() => string) | undefined {
  if (isDurable(event)) return undefined
  // Each entry of the activity trace says something of its own.
  return () => (event.kind === 'activity' ? `activity ${++lastEntry}` : coalescingKeyOf(event))
}

let lastEntry = 0

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

export interface SourceListener {
  /** `isFormer` with an event of a membership that has ended. */
  event(event: SourceEvent, isFormer?: boolean): void
  /** The stream ended by itself; `error` where it could not go on. */
  end(error?: ChatError): void
  /** Resolves when the reader of a replay has room for more; undefined where it has now. */
  ready?: (() => Promise<void> | undefined) | undefined
  /** Resolves when all events so far were passed on; undefined where they were. */
  settled?: (() => Promise<void> | undefined) | undefined
}

/** What a replay did, for a transport that tells its client so. */
export interface SourceHooks {
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
  readonly open: (listener: SourceListener) => Promise<OpenSource>

  constructor(open: Source['open']) {
    this.open = open
  }

  [Symbol.asyncIterator](): AsyncIterator<ChatEvent> {
    throw new Error('a source is opened, not iterated')
  }
}

/** A source that takes from a feed. */
export function feedSource(options: SourceOptions): Source {
  return new Source(async (listener) => {
    const stream = new FeedStream(options, listener)
    await stream.open(options)
    return stream
  })
}

/** An open source that takes from a feed, whose events it passes on. */
class FeedStream implements FeedSink, OpenSource {
  readonly #listener: SourceListener
  readonly #accepts: SourceOptions['accepts']
  readonly #cursors: Cursors
  #point: ResumePoint | undefined
  #feed: Awaited<ReturnType<Feeds['open']>> | undefined

  constructor({ accepts, cursors }: SourceOptions, listener: SourceListener) {
    this.#listener = listener
    this.#accepts = accepts
    this.#cursors = cursors
  }

  async open({ feeds, userId, scope, after }: SourceOptions): Promise<void> {
    // Before the feed: what is committed from then on comes through it.
    if (after !== undefined) this.#point = await this.#cursors.resumePoint(after)
    this.#feed = await feeds.open({ userId, scope, sink: this })
  }

  event(event: ChatEvent, isFormer?: boolean): void {
    if (this.#accepts(event)) this.#listener.event(event, isFormer)
  }

  end(reason: FeedEnd): void {
    this.#listener.end(ENDS[reason]())
  }

  ready(): Promise<void> | undefined {
    return this.#listener.ready?.()
  }

  settled(): Promise<void> | undefined {
    return this.#listener.settled?.()
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

  async #resume(point: ResumePoint, { replayed }: SourceHooks): Promise<void> {
    await this.#feed?.resume(point.after, {
      begin: (start) => {
        if (!start.complete) this.#tellIncomplete(positionOf(start.goesOnAfter, point))
      },
      ...(replayed ? { done: replayed } : {}),
    })
  }

  #tellIncomplete(position: string): void {
    this.#listener.event({ id: null, at: Date.now(), kind: 'resume_incomplete', payload: { position } })
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
