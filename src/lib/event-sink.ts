/**
 * Where a stream of events goes, on each part of its way: from a feed to its source, from there to a subscription, and on to a transport.
 * `About` is what comes with each event, `Reason` is why the stream ended by itself.
 */
export interface EventSink<T, About, Reason> {
  /** Called with each event once, in order; must not throw. */
  event(event: T, about: About): void
  /** The stream ended by itself; nothing comes after it. */
  end(reason: Reason): void
  /** Resolves when the reader of a replay has room for more; undefined where it has now. */
  ready?(): Promise<void> | undefined
  /** Resolves when all events so far were passed on; undefined where they were. */
  settled?(): Promise<void> | undefined
}
