import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Bans } from '../auth/bans.ts'
import type { Revocations } from '../auth/revocations.ts'
import type { BanRecord } from '../store/bans.ts'
import type { NodeRpc } from '../cluster/node-rpc.ts'
import { hasMembers, isAbsentOr, isFlag, isNullOr, isText, isTime, isUserId } from '../lib/received.ts'
import type { Connections } from '../live/connections.ts'
import type { Topics } from '../live/topics.ts'
import { version } from '../telemetry/version.ts'
import { isWatch, type Activity } from './activity.ts'
import type { ConnectionRecord, NodeRecord, TopicRecord } from './contract.ts'

export type TopicOnNode = Pick<TopicRecord['nodes'][number], 'subscribers' | 'position'> | null

/** Maximum length of a close frame's reason, in bytes (RFC 6455, section 5.5). */
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

const isBan = hasMembers<BanRecord>({ userId: isUserId, until: isNullOr(isTime), isErased: isFlag, changedAt: isTime })

/** Applies a ban, or the lifting of one, and closes the connections of a banned user; returns how many. */
export function applyBan({ bans, connections }: { bans: Bans; connections: Connections }, ban: BanRecord): number {
  bans.apply(ban)
  const text = bans.textOf(ban.userId)
  return text === undefined ? 0 : connections.disconnectUser(ban.userId, text, 'banned')
}

export interface NodeAnswersParts {
  rpc: NodeRpc
  connections: Connections
  topics: Topics
  revocations: Revocations
  bans: Bans
  activity: Activity
}

/** Handles admin requests from any node; returns a function that stops the measurements it needs. */
export function handleAdminRequests({ rpc, connections, topics, revocations, bans, activity }: NodeAnswersParts): () => void {
  const startedAt = Date.now()
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  let before = process.cpuUsage()
  let beforeAt = process.hrtime.bigint()

  /** CPU share of one core since the last reading. */
  function load(): number {
    const used = process.cpuUsage(before)
    const now = process.hrtime.bigint()
    const share = (used.user + used.system) / Math.max(1, Number(now - beforeAt) / 1000)
    before = process.cpuUsage()
    beforeAt = now
    return share
  }

  rpc.handle('disconnectUser', (request: unknown): number => {
    if (!isDisconnect(request)) return 0
    const { userId, reason, revokeBefore } = request
    if (revokeBefore !== undefined) revocations.apply(userId, revokeBefore)
    return connections.disconnectUser(userId, reason)
  })
  rpc.handle('ban', (ban: unknown): number => (isBan(ban) ? applyBan({ bans, connections }, ban) : 0))
  rpc.handle('node', (): Omit<NodeRecord, 'id'> => {
    // The monitor's own resolution is 20 ms.
    const lagMs = Math.max(0, delay.percentile(99) / 1e6 - 20)
    delay.reset()
    return { version, startedAt, protocols: connections.counts(), lagMs, load: load(), topics: topics.size() }
  })
  rpc.handle('connections', ({ userId }: { userId?: unknown }): Omit<ConnectionRecord, 'node'>[] =>
    isUserId(userId) ? connections.of(userId) : [],
  )
  rpc.handle('topic', ({ name }: { name?: unknown }): TopicOnNode => (isText(name) ? topics.inspect(name) : undefined) ?? null)
  rpc.handle('watch', (watch: unknown): true => {
    if (isWatch(watch)) activity.renew(watch)
    return true
  })
  return () => delay.disable()
}
