import type { WatchedActivity } from './activity.ts'

/** The admin who watches. */
export interface Watcher {
  adminId: number
  connectionId: string | null
  entry: (entry: WatchedActivity) => void
  /** Called when the server ended the watch. */
  ended: () => void
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
