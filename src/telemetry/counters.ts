/**
 * A server's counters of its own work, as plain numbers: a delivery costs an addition. `metrics.ts` reads them at a scrape;
 * histograms are observed for each batch or message, never for each delivery.
 */
export interface Counts {
  /** Received frames and messages, by `<protocol> <type>`. */
  readonly frames: Map<string, number>
  /** Operations, by `<query, mutation or subscription> <ok or code>`. */
  readonly operations: Map<string, number>
  readonly deliveries: Readonly<Record<'legacy' | 'graphql-ws' | 'sse', { durable: number; ephemeral: number }>>
  /** Executions of subscriptions, and those saved by sharing. */
  executions: number
  executionsSaved: number
  /** Ephemeral frames for which a slow client had no room until a later one replaced them. */
  ephemeralDropped: number
  /** Sockets that were closed because their client was too slow. */
  tooSlow: number
  /** Events that a topic had to read from the log. */
  caughtUp: number
  /** Events delivered by resumes. */
  replayed: number
  readonly replays: { complete: number; incomplete: number }
  /** Events that could not be delivered: their message is gone, they lack what their kind needs, or their execution failed for a legacy client. */
  readonly leftOut: { messageGone: number; unreadable: number; executionFailed: number }
  /** Requests refused by the rate limit. */
  limited: number
  /** How many messages a statement stored. */
  batch(size: number): void
  /** Seconds from the receipt of a message until its commit. */
  acceptedToCommitted(seconds: number): void
  /** Seconds from the commit of a batch until its effects on this node were written. */
  committedToWritten(seconds: number): void
  /** Seconds from an event's time until a topic delivered it on this node. */
  lag(seconds: number): void
}

const nothing = (): undefined => undefined

export const createCounts = (
  observers: Partial<Pick<Counts, 'batch' | 'acceptedToCommitted' | 'committedToWritten' | 'lag'>> = {},
): Counts => ({
  frames: new Map(),
  operations: new Map(),
  deliveries: {
    legacy: { durable: 0, ephemeral: 0 },
    'graphql-ws': { durable: 0, ephemeral: 0 },
    sse: { durable: 0, ephemeral: 0 },
  },
  executions: 0,
  executionsSaved: 0,
  ephemeralDropped: 0,
  tooSlow: 0,
  caughtUp: 0,
  replayed: 0,
  replays: { complete: 0, incomplete: 0 },
  leftOut: { messageGone: 0, unreadable: 0, executionFailed: 0 },
  limited: 0,
  batch: nothing,
  acceptedToCommitted: nothing,
  committedToWritten: nothing,
  lag: nothing,
  ...observers,
})

export function countIn(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}
