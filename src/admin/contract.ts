import type { Also } from '../chat/commit.ts'
import type { NewAuditEntry } from '../store/audit.ts'
import type { BanRecord } from '../store/bans.ts'
import type { EventLog } from '../store/event-log.ts'
import type { ReportRecord } from '../store/reports.ts'
import type { ActivityFilter, WatchedActivity } from './activity.ts'

/** Admin operations beyond the chat. */
export interface Admin {
  /**
   * Runs an action that only admins may take: `act` commits the audit log entry with it. Afterwards it is logged, and shown in
   * watches.
   */
  audited<T>(entry: NewAuditEntry, act: (also: Also) => Promise<T>): Promise<T>
  /**
   * Stores what an admin looked at, each item once an hour. Rejects with UNAVAILABLE if the database does not answer; the data
   * must not be shown then.
   */
  noteReadings(entries: readonly NewAuditEntry[]): Promise<void>
  /** Shows a new report in watches. */
  showReport(report: ReportRecord): void
  /**
   * Closes the user's connections on every node; resolves with their number. With `revokeBefore`, in milliseconds since the
   * epoch, tokens issued earlier are revoked.
   */
  disconnectUser(userId: number, reason: string | undefined, revokeBefore: number | undefined, also: Also): Promise<number>
  /**
   * Announces to every node that a ban was stored or lifted; a banned user's connections are closed. Resolves when the nodes
   * have answered, after a second at the latest.
   */
  enforceBan(ban: BanRecord): Promise<void>
  /** The live nodes, oldest first. */
  nodes(): Promise<NodeRecord[]>
  /** The user's connections on all nodes, the oldest first. */
  connections(userId: number): Promise<ConnectionRecord[]>
  /** A topic by its name; undefined if the log does not know it and nobody listens to it. `log` is where its head is read. */
  topic(name: string, log?: Pick<EventLog, 'heads'>): Promise<TopicRecord | undefined>
  /**
   * Shows what happens from now on; resolves with a function that ends the watch. The watch is logged, and audited if it shows
   * contents.
   */
  watch(watcher: Watcher, filter: ActivityFilter): Promise<() => void>
  /** Ends the watches of a connection whose new token is not an administrator's. */
  endWatches(connectionId: string): void
}

/** The admin who watches. */
export interface Watcher {
  adminId: number
  connectionId: string | null
  entry(entry: WatchedActivity): void
  /** Called when the server ended the watch. */
  ended(): void
}

/** A node's current state. */
export interface NodeRecord {
  id: string
  version: string
  /** In milliseconds since the epoch. */
  startedAt: number
  /** Open connections. */
  protocols: Readonly<Record<string, number>>
  /** Event loop delay since the last reading, 99th percentile, in milliseconds. */
  lagMs: number
  /** CPU use since the last reading, as a share of one core. */
  load: number
  /** Number of topics it listens to. */
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
  /** Bytes buffered because the client has not read them yet. */
  queuedBytes: number
}

export interface TopicRecord {
  name: string
  /** The last `seq` in the log. */
  head: number
  /** The nodes that listen; `position` is the last `seq` a node delivered, null until known. */
  nodes: { node: string; subscribers: number; position: number | null }[]
}
