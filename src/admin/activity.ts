import { randomUUID } from 'node:crypto'
import type { PubSubEngine } from 'graphql-subscriptions'
import type { SubscribeOptions } from '../pubsub/publisher.ts'
import { hasMembers, isAbsentOr, isCount, isFlag, isNullOr, isText, isTime, isUserId } from '../lib/received.ts'

/** What a live trace covers: one user, one conversation, or one user in one conversation. */
export interface ActivityFilter {
  userId: number | undefined
  conversationId: string | undefined
  /** Whether message contents are shown. */
  contents: boolean
}

/** Something that happened on a connection. */
export interface ActivityEntry {
  kind: 'opened' | 'closed' | 'frame' | 'operation' | 'delivery' | 'report' | 'audit'
  userId: number
  /** Another user it concerns; watches on that user show it too. */
  concerns?: number | undefined
  connectionId: string | null
  /** The frame's type, the operation's name, the event's kind, the protocol, the close code, or the field that an admin used. */
  name: string
  /** `ok` or the code of the error; null where nothing can fail. */
  code: string | null
  conversationId: string | null
  /** Computed only if a watch shows it. */
  content: () => unknown
}

/** An entry as sent to the admin who watches. `at` is in milliseconds since the epoch. */
export interface WatchedActivity extends Omit<ActivityEntry, 'content' | 'concerns'> {
  at: number
  node: string
  /** Null unless contents were requested. */
  content: unknown
  /** How many entries were dropped before this one because there were too many. */
  skipped: number
}

export interface Activity {
  /** Whether anybody watches; checked before an entry is built. */
  readonly isWatched: boolean
  record(entry: ActivityEntry): void
  /** Keeps showing a watch that any node holds, until it expires. */
  renew(watch: Watch): void
  /** Watches on all nodes; resolves with a function that ends the watch. */
  watch(filter: ActivityFilter, onEntry: (entry: WatchedActivity) => void): Promise<() => void>
  stop(): void
}

export interface Watch extends ActivityFilter {
  id: string
}

export interface ActivityOptions {
  pubsub: PubSubEngine
  nodeId: string
  /** Announces a watch to every node. */
  announce: (watch: Watch) => Promise<unknown>
  onError: (error: unknown) => void
}

/** Watches are announced again at this interval, and expire when that stops. */
const RENEW_MS = 5000
const LEASE_MS = 3 * RENEW_MS
const WATCH_LIMIT = 100
const KINDS: Readonly<Record<ActivityEntry['kind'], true>> = {
  opened: true,
  closed: true,
  frame: true,
  operation: true,
  delivery: true,
  report: true,
  audit: true,
}
/** More entries a second than anybody can read would cost the node more than serving its users. */
const ENTRIES_PER_SECOND = 500

interface Shown {
  watch: Watch
  until: number
  second: number
  count: number
  skipped: number
}

/** Whether an entry from another node is well formed. */
const isWatchedActivity = hasMembers({
  at: isTime,
  node: isText,
  kind: (kind) => isText(kind) && Object.hasOwn(KINDS, kind),
  userId: isUserId,
  connectionId: isNullOr(isText),
  name: isText,
  code: isNullOr(isText),
  conversationId: isNullOr(isText),
  skipped: isCount,
})

/** Whether another node's announcement is a watch. */
export const isWatch = hasMembers<Watch>({
  id: isText,
  userId: isAbsentOr(isUserId),
  conversationId: isAbsentOr(isText),
  contents: isFlag,
})

const channelOf = (watchId: string): string => `activity:${watchId}`

/** The live trace for support work: nothing is built or sent unless an administrator watches. */
export function createActivity({ pubsub, nodeId, announce, onError }: ActivityOptions): Activity {
  const shown = new Map<string, Shown>()
  const renewals = new Set<NodeJS.Timeout>()

  function show(each: Shown, entry: ActivityEntry, at: number): void {
    const second = Math.floor(at / 1000)
    if (each.second !== second) {
      each.second = second
      each.count = 0
    }
    if (++each.count > ENTRIES_PER_SECOND) {
      each.skipped++
      return
    }
    const { watch, skipped } = each
    each.skipped = 0
    const content = watch.contents ? (entry.content() ?? null) : null
    const { kind, userId, connectionId, name, code, conversationId } = entry
    const sent: WatchedActivity = { at, node: nodeId, kind, userId, connectionId, name, code, conversationId, content, skipped }
    pubsub.publish(channelOf(watch.id), sent).catch(onError)
  }

  return {
    get isWatched() {
      return shown.size > 0
    },

    record(entry) {
      const at = Date.now()
      for (const [id, each] of shown) {
        const { userId, conversationId } = each.watch
        if (each.until < at) shown.delete(id)
        else if (
          (userId === undefined || userId === entry.userId || userId === entry.concerns) &&
          (conversationId === undefined || conversationId === entry.conversationId)
        )
          show(each, entry, at)
      }
    },

    renew(watch) {
      const known = shown.get(watch.id)
      const until = Date.now() + LEASE_MS
      if (known) known.until = until
      else if (shown.size < WATCH_LIMIT) shown.set(watch.id, { watch, until, second: 0, count: 0, skipped: 0 })
    },

    async watch(filter, onEntry) {
      const watch: Watch = { id: randomUUID(), ...filter }
      const subscription = await pubsub.subscribe(channelOf(watch.id), onEntry, {
        accepts: isWatchedActivity,
      } satisfies SubscribeOptions)
      await announce(watch)
      const renewal = setInterval(() => void announce(watch).catch(onError), RENEW_MS)
      renewal.unref()
      renewals.add(renewal)
      return () => {
        if (!renewals.delete(renewal)) return
        clearInterval(renewal)
        shown.delete(watch.id)
        pubsub.unsubscribe(subscription)
      }
    },

    stop() {
      for (const renewal of renewals) clearInterval(renewal)
      renewals.clear()
      shown.clear()
    },
  }
}
