import type { Admin, ConnectionRecord, NodeRecord } from './contract.ts'
import type { Revocations } from '../auth/revocations.ts'
import type { NodeRpc } from '../cluster/node-rpc.ts'
import { hasMembers, isCount, isListOf, isNullOr, isObject, isText, isTime, isUserId } from '../lib/received.ts'
import type { Commits } from '../chat/commit.ts'
import type { NewAuditEntry } from '../store/audit.ts'
import type { BanRecord } from '../store/bans.ts'
import type { EventLog } from '../store/event-log.ts'
import type { Store } from '../store/store.ts'
import type { Activity } from './activity.ts'
import type { TopicOnNode } from './node-answers.ts'

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

export interface AdminOptions {
  rpc: NodeRpc
  revocations: Revocations
  activity: Activity
  /** Applies a ban on this node. */
  applyBan: (ban: BanRecord) => void
  log: Pick<EventLog, 'heads'>
  commits: Pick<Commits, 'run'>
  store: Pick<Store, 'audit'>
  /** Logs an admin's action. */
  note: (adminId: number, action: string, details: Readonly<Record<string, unknown>>) => void
  /** Logs who starts a watch. */
  noteWatch: (watch: {
    adminId: number
    userId: number | undefined
    conversationId: string | undefined
    contents: boolean
  }) => void
}

/** What admins query and do, on all nodes. */
export function createAdmin(options: AdminOptions): Admin {
  const { rpc, revocations, activity, applyBan: applyHere, log: ownLog, commits, store, note, noteWatch } = options
  /** Functions that end the watches opened over a connection. */
  const watches = new Map<string | null, Set<() => void>>()

  function showEntry({ actorId, action, targetType, targetId, details }: NewAuditEntry): void {
    if (!activity.isWatched) return
    activity.record({
      kind: 'audit',
      userId: actorId,
      concerns: targetType === 'User' ? Number(targetId) : undefined,
      connectionId: null,
      name: action,
      code: null,
      conversationId: targetType === 'Conversation' ? targetId : null,
      content: () => ({ targetType, targetId, details }),
    })
  }

  const audited: Admin['audited'] = async (entry, act) => {
    let isWritten = false
    const result = await act(async (tx) => {
      await tx.audit.add(entry)
      isWritten = true
    })
    const { actorId, action, targetType, targetId, details } = entry
    if (isWritten) {
      note(actorId, action, { ...(targetId === null ? {} : { [idName(targetType)]: targetId }), ...details })
      showEntry(entry)
    }
    return result
  }

  return {
    audited,

    async noteReadings(entries) {
      for (const entry of await store.audit.addReadings(entries)) showEntry(entry)
    },

    showReport({ id, messageId, conversationId, senderId, reporterId, reason }) {
      if (!activity.isWatched) return
      activity.record({
        kind: 'report',
        userId: reporterId,
        concerns: senderId,
        connectionId: null,
        name: 'reportMessage',
        code: null,
        conversationId,
        content: () => ({ reportId: String(id), messageId: String(messageId), reason }),
      })
    },

    async disconnectUser(userId, reason, revokeBefore, also) {
      if (revokeBefore !== undefined) await revocations.revoke(userId, revokeBefore, also)
      else await commits.run(also)
      const counts = await rpc.request<number>('disconnectUser', { userId, reason, revokeBefore }, isCount)
      return [...counts.values()].reduce((sum, count) => sum + count, 0)
    },

    async enforceBan(ban) {
      // Works without Redis too.
      applyHere(ban)
      await rpc.request<number>('ban', ban, isCount)
    },

    async nodes() {
      const answers = await rpc.request<Omit<NodeRecord, 'id'>>('node', {}, isNode)
      return [...answers].map(([id, answer]) => ({ id, ...answer })).sort((a, b) => a.startedAt - b.startedAt)
    },

    async connections(userId) {
      const answers = await rpc.request<Omit<ConnectionRecord, 'node'>[]>('connections', { userId }, isListOf(isConnection))
      return [...answers].flatMap(([node, list]) => list.map((each) => ({ ...each, node }))).sort((a, b) => a.since - b.since)
    },

    async topic(name, log = ownLog) {
      const [heads, answers] = await Promise.all([
        log.heads([name]),
        rpc.request<TopicOnNode>('topic', { name }, isNullOr(isTopicOnNode)),
      ])
      const nodes = [...answers].flatMap(([node, answer]) => (answer ? [{ node, ...answer }] : []))
      const head = heads.get(name) ?? 0
      return head === 0 && nodes.length === 0 ? undefined : { name, head, nodes }
    },

    async watch({ adminId, connectionId, entry, ended }, filter) {
      if (filter.contents) {
        const { userId, conversationId } = filter
        const target =
          userId === undefined
            ? { targetType: 'Conversation', targetId: String(conversationId) }
            : { targetType: 'User', targetId: String(userId) }
        const details = { contents: true, ...(userId === undefined || conversationId === undefined ? {} : { conversationId }) }
        await audited({ actorId: adminId, action: 'activity', ...target, details }, (also) => commits.run(also))
      }
      noteWatch({ adminId, ...filter })
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

/** `User` -> `userId`. */
const idName = (type: string): string => `${type.charAt(0).toLowerCase()}${type.slice(1)}Id`
