import type { ChatEvent } from '../chat/events.ts'
import { ChatError } from '../errors.ts'
import type { FeedEnd, FeedScope, Feeds } from '../live/feed.ts'

/** What a subscription takes from the viewer's feed. */
export interface SourceOptions {
  feeds: Feeds
  userId: number
  scope: FeedScope
  /** The event to resume after. */
  after?: number | undefined
  /** Which of the feed's events the subscription field tells of. */
  accepts: (event: ChatEvent) => boolean
}

export interface SourceListener {
  event(event: ChatEvent): void
  /** The stream ended by itself; `error` where it could not go on. */
  end(error?: ChatError): void
  /** Resolves when a replay may go on; undefined where it may right now. */
  ready?: (() => Promise<void> | undefined) | undefined
}

/** What a replay did, for a transport that tells its client so. */
export interface SourceHooks {
  replayed?: (replay: { replayed: number; complete: boolean }) => void
}

/** An open source stream. */
export interface OpenSource {
  /** Lets events come; before that they wait. With an `after`, first what was missed. */
  start(hooks?: SourceHooks): Promise<void>
  /** Gives what was missed since another event, between the live ones. */
  resume(after: number, hooks: SourceHooks): Promise<void>
  close(): void
}

/**
 * The source stream of a subscription (GraphQL specification, section 6.2.3.1) as a callback instead of an iterator:
 * an event reaches all of its subscribers in one turn, at the cost of a call for each. It is also an async iterable, so that
 * graphql-js takes it for what it is; nothing iterates it.
 */
export class Source implements AsyncIterable<ChatEvent> {
  readonly #options: SourceOptions

  constructor(options: SourceOptions) {
    this.#options = options
  }

  /** Attaches to what the subscription listens to; resolves when nothing can be missed any more. */
  async open(listener: SourceListener): Promise<OpenSource> {
    const { feeds, userId, scope, after, accepts } = this.#options
    const feed = await feeds.open({
      userId,
      scope,
      sink: {
        event(event) {
          if (accepts(event)) listener.event(event)
        },
        end: (reason) => listener.end(ENDS[reason]()),
        ready: () => listener.ready?.(),
      },
    })
    const resume = (from: number, { replayed }: SourceHooks): Promise<void> =>
      feed.resume(from, {
        begin({ complete }) {
          if (!complete) listener.event({ id: null, at: Date.now(), kind: 'resume_incomplete', payload: null })
        },
        ...(replayed ? { done: replayed } : {}),
      })
    return {
      async start(hooks = {}) {
        if (after !== undefined) await resume(after, hooks)
        feed.start()
      },
      resume,
      close: () => feed.close(),
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ChatEvent> {
    throw new Error('a source is opened, not iterated')
  }
}

const ENDS: Record<FeedEnd, () => ChatError | undefined> = {
  left: () => undefined,
  overflow: () => new ChatError('UNAVAILABLE', 'too many events came while catching up: resume after the last event received'),
  failed: () => new ChatError('UNAVAILABLE', 'the events could not be read: resume after the last event received'),
}
