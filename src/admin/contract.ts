import type { Also } from '../chat/commit.ts'
import type { NewAuditEntry } from '../store/audit.ts'
import type { BanRecord } from '../store/bans.ts'
import type { EventLog } from '../store/event-log.ts'
import type { ReportRecord } from '../store/reports.ts'
import type { ActivityFilter, WatchedActivity } from './activity.ts'

/** What admins do beyond the chat. */
export interface Admin {
  /**
   * Does something that only admins may do: `act` commits the entry of the audit log with it. It is logged, and shown to those who watch,
   * when it is done.
   */
  audited<T>(entry: NewAuditEntry, act: (also: Also) => Promise<T>): Promise<T>
  /**
   * Stores what an admin looked at, each thing once an hour. Rejects with UNAVAILABLE where the database does not answer: then it must not be
   * shown.
   */
  noteReadings(entries: readonly NewAuditEntry[]): Promise<void>
  /** Shows a new report to those who watch. */
  showReport(report: ReportRecord): void
  /**
   * Closes the user's connections on every node; resolves with how many. With `revokeBefore`, in milliseconds since the epoch,
   * tokens that were issued earlier are no longer good.
   */
  disconnectUser(userId: number, reason: string | undefined, revokeBefore: number | undefined, also: Also): Promise<number>
  /**
   * Tells every node of a ban that was stored, or that one was lifted: the connections of who is banned end. Resolves when the nodes have
   * answered, a second later at the latest.
   */
  enforceBan(ban: BanRecord): Promise<void>
  /** The nodes that live, the oldest first. */
  nodes(): Promise<NodeRecord[]>
  /** The user's connections on all nodes, the oldest first. */
  connections(userId: number): Promise<ConnectionRecord[]>
  /** A topic by its name; undefined where the log does not know it and nobody listens to it. `log` is where its head is read. */
  topic(name: string, log?: Pick<EventLog, 'heads'>): Promise<TopicRecord | undefined>
  /** Shows what happens from now on; resolves with what ends that. It is logged, and with contents noted in the audit log. */
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
