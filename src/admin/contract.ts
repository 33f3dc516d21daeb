import type { EventLog } from '../store/event-log.ts'
import type { ActivityFilter, WatchedActivity } from './activity.ts'

/** What admins do beyond the chat. */
export interface Admin {
  /** Writes a line to the log about something that an administrator did, without contents and tokens. */
  note(adminId: number, action: string, details: Readonly<Record<string, unknown>>): void
  /**
   * Closes the user's connections on every node; resolves with how many. With `revokeBefore`, in milliseconds since the epoch,
   * tokens that were issued earlier are no longer good.
   */
  disconnectUser(userId: number, reason: string | undefined, revokeBefore: number | undefined): Promise<number>
  /** The nodes that live, the oldest first. */
  nodes(): Promise<NodeRecord[]>
  /** The user's connections on all nodes, the oldest first. */
  connections(userId: number): Promise<ConnectionRecord[]>
  /** A topic by its name; undefined where the log does not know it and nobody listens to it. `log` is where its head is read. */
  topic(name: string, log?: Pick<EventLog, 'heads'>): Promise<TopicRecord | undefined>
  /** Shows what happens from now on; resolves with what ends that. It is noted in the log. */
  watch(watcher: Watcher, filter: ActivityFilter): Promise<() => void>
  /** Ends what is shown over a connection, whose new token is no administrator's. */
  endWatches(connectionId: string): void
}

/** Who is shown what happens. */
export interface Watcher {
  adminId: number
  connectionId: string | null
  entry(entry: WatchedActivity): void
  /** It was ended for them. */
  ended(): void
}

/** A node as it is now. */
export interface NodeRecord {
  id: string
  version: string
  /** In milliseconds since the epoch. */
  startedAt: number
  /** Open connections. */
  protocols: Readonly<Record<string, number>>
  /** How late its event loop was, the 99th percentile since it was asked before, in milliseconds. */
  lagMs: number
  /** The share of a core that it used since it was asked before. */
  load: number
  /** How many topics it listens to. */
  topics: number
}

export interface ConnectionRecord {
  id: string
  node: string
  userId: number
  protocol: string
  /** In milliseconds since the epoch. */
  since: number
  expiresAt: number
  address: string
  /** Bytes that wait for the client to read. */
  queuedBytes: number
}

export interface TopicRecord {
  name: string
  /** The last `seq` in the log. */
  head: number
  /** The nodes that listen; `position` is the last `seq` that one delivered, null until it knows. */
  nodes: { node: string; subscribers: number; position: number | null }[]
}
