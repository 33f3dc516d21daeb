import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Admin, ConnectionRecord, NodeRecord, TopicRecord } from './contract.ts'
import type { Revocations } from '../auth/revocations.ts'
import { isWatch, type Activity } from './activity.ts'
import type { Topics } from '../live/topics.ts'
import type { Control } from '../cluster/node-rpc.ts'
import type { EventLog } from '../store/event-log.ts'
import type { Connections } from '../live/connections.ts'
import { hasMembers, isAbsentOr, isCount, isListOf, isNullOr, isObject, isText, isTime, isUserId } from '../lib/received.ts'
import { version } from '../telemetry/version.ts'

type TopicOnNode = Pick<TopicRecord['nodes'][number], 'subscribers' | 'position'> | null

/** The longest reason that a close frame holds, in bytes. */
const REASON_LIMIT = 123

interface Disconnect {
  userId: number
  reason?: string
  revokeBefore?: number
}
const isDisconnect = hasMembers<Disconnect>({
  userId: isUserId,
  reason: isAbsentOr((reason) => isText(reason) && Buffer.byteLength(reason) <= REASON_LIMIT),
  revokeBefore: isAbsentOr(isTime),
})

const isNumber = (value: unknown): boolean => typeof value === 'number'
const isNode = hasMembers({
  version: isText,
  startedAt: isTime,
  protocols: (protocols) => isObject(protocols) && Object.values(protocols).every(isCount),
  lagMs: isNumber,
  load: isNumber,
  topics: isCount,
})
const isConnection = hasMembers({
  id: isText,
  userId: isUserId,
  protocol: isText,
  since: isTime,
  expiresAt: isTime,
  address: isText,
  queuedBytes: isCount,
})
const isTopicOnNode = hasMembers({ subscribers: isCount, position: isNullOr(isCount) })

/** What this node answers when another one asks, by kind. */
export function createAnswers(parts: {
  connections: Connections
  topics: Topics
  revocations: Revocations
  activity: () => Activity
}) {
  const { connections, topics, revocations, activity } = parts
  const startedAt = Date.now()
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  let before = process.cpuUsage()
  let beforeAt = process.hrtime.bigint()

  /** The share of a core since the last time. */
  function load(): number {
    const used = process.cpuUsage(before)
    const now = process.hrtime.bigint()
    const share = (used.user + used.system) / Math.max(1, Number(now - beforeAt) / 1000)
    before = process.cpuUsage()
    beforeAt = now
    return share
  }

  return {
    stop: () => delay.disable(),
    handlers: {
      disconnectUser(asked: unknown): number {
        if (!isDisconnect(asked)) return 0
        const { userId, reason, revokeBefore } = asked
        if (revokeBefore !== undefined) revocations.learn(userId, revokeBefore)
        return connections.disconnectUser(userId, reason)
      },
      node(): Omit<NodeRecord, 'id'> {
        // Of the monitor's own 20 ms what is more.
        const lagMs = Math.max(0, delay.percentile(99) / 1e6 - 20)
        delay.reset()
        return { version, startedAt, protocols: connections.counts(), lagMs, load: load(), topics: topics.size() }
      },
      connections: (asked: { userId?: unknown }): Omit<ConnectionRecord, 'node'>[] =>
        isUserId(asked.userId) ? connections.of(asked.userId) : [],
      topic: (asked: { name?: unknown }): TopicOnNode => (isText(asked.name) ? topics.inspect(asked.name) : undefined) ?? null,
      watch(asked: unknown): true {
        if (isWatch(asked)) activity().learn(asked)
        return true
      },
    },
  }
}

export interface AdminOptions {
  control: Control
  revocations: Revocations
  activity: Activity
  log: Pick<EventLog, 'heads'>
  /** Where it is written who looked at what was said. */
  note: Admin['note']
  audit: (entry: { adminId: number; userId: number | undefined; conversationId: string | undefined; contents: boolean }) => void
}

/** What admins ask and do, on all nodes. */
export function createAdmin({ control, revocations, activity, log, note, audit }: AdminOptions): Admin {
  /** What ends the watches that are open over a connection. */
  const watches = new Map<string | null, Set<() => void>>()

  return {
    note,

    async disconnectUser(userId, reason, revokeBefore) {
      if (revokeBefore !== undefined) await revocations.revoke(userId, revokeBefore)
      const counts = await control.ask<number>('disconnectUser', { userId, reason, revokeBefore }, isCount)
      return [...counts.values()].reduce((sum, count) => sum + count, 0)
    },

    async nodes() {
      const answers = await control.ask<Omit<NodeRecord, 'id'>>('node', {}, isNode)
      return [...answers].map(([id, answer]) => ({ id, ...answer })).sort((a, b) => a.startedAt - b.startedAt)
    },

    async connections(userId) {
      const answers = await control.ask<Omit<ConnectionRecord, 'node'>[]>('connections', { userId }, isListOf(isConnection))
      return [...answers].flatMap(([node, list]) => list.map((each) => ({ ...each, node }))).sort((a, b) => a.since - b.since)
    },

    async topic(name) {
      const [heads, answers] = await Promise.all([
        log.heads([name]),
        control.ask<TopicOnNode>('topic', { name }, isNullOr(isTopicOnNode)),
      ])
      const nodes = [...answers].flatMap(([node, answer]) => (answer ? [{ node, ...answer }] : []))
      const head = heads.get(name) ?? 0
      return head === 0 && nodes.length === 0 ? undefined : { name, head, nodes }
    },

    async watch({ adminId, connectionId, entry, ended }, filter) {
      audit({ adminId, ...filter })
      const open = watches.get(connectionId) ?? new Set()
      watches.set(connectionId, open.add(endForThem))
      let isOver = false
      let stop = (): void => undefined
      function end(): void {
        isOver = true
        open.delete(endForThem)
        if (open.size === 0 && watches.get(connectionId) === open) watches.delete(connectionId)
        stop()
      }
      function endForThem(): void {
        end()
        ended()
      }
      try {
        stop = await activity.watch(filter, entry)
      } catch (error) {
        end()
        throw error
      }
      if (isOver) stop()
      return end
    },

    endWatches(connectionId) {
      for (const end of [...(watches.get(connectionId) ?? [])]) end()
    },
  }
}
