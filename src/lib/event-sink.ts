/**
 * The receiver of a stream of events on each part of its way: from a feed to its source, to a subscription, to a transport.
 * `About` is data that comes with each event, `Reason` is why the stream ended by itself.
 */
export interface EventSink<T, About, Reason> {
  /** Called with each event once, in order; must not throw. */
  event(event: T, about: About): void
  /** The stream ended by itself; nothing follows. */
  end(reason: Reason): void
  /** Resolves when the reader of a replay has room for more; undefined if it has now. */
  ready?(): Promise<void> | undefined
  /** Resolves when all events so far were passed on; undefined if they were. */
  settled?(): Promise<void> | undefined
}
