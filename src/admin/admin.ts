import type { ConnectionRecord, NodeRecord, TopicRecord, Watcher } from './contract.ts'
import type { Revocations } from '../auth/revocations.ts'
import type { NodeRpc } from '../cluster/node-rpc.ts'
import { hasMembers, isCount, isListOf, isNullOr, isObject, isText, isTime, isUserId } from '../lib/received.ts'
import type { Also, Commits } from '../chat/commit.ts'
import type { NewAuditEntry } from '../store/audit.ts'
import type { BanRecord } from '../store/bans.ts'
import type { EventLog } from '../store/event-log.ts'
import type { Store } from '../store/store.ts'
import type { Activity, ActivityFilter } from './activity.ts'
import type { ReportRecord } from '../store/reports.ts'
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

/** What admins query and do beyond the chat, on all nodes. */
export class Admin {
  readonly #rpc: NodeRpc
  readonly #revocations: Revocations
  readonly #activity: Activity
  readonly #applyHere: (ban: BanRecord) => void
  readonly #ownLog: Pick<EventLog, 'heads'>
  readonly #commits: Pick<Commits, 'run'>
  readonly #store: Pick<Store, 'audit'>
  readonly #note: (adminId: number, action: string, details: Readonly<Record<string, unknown>>) => void
  readonly #noteWatch: (watch: {
    adminId: number
    userId: number | undefined
    conversationId: string | undefined
    contents: boolean
  }) => void
  /** Functions that end the watches opened over a connection. */
  readonly #watches = new Map<string | null, Set<() => void>>()

  constructor(options: AdminOptions) {
    const { rpc, revocations, activity, applyBan: applyHere, log: ownLog, commits, store, note, noteWatch } = options
    this.#rpc = rpc
    this.#revocations = revocations
    this.#activity = activity
    this.#applyHere = applyHere
    this.#ownLog = ownLog
    this.#commits = commits
    this.#store = store
    this.#note = note
    this.#noteWatch = noteWatch
  }

  /**
   * Runs an action that only admins may take: `act` commits the audit log entry with it. Afterwards it is logged, and shown in
   * watches.
   */
  async audited<T>(entry: NewAuditEntry, act: (also: Also) => Promise<T>): Promise<T> {
    let isWritten = false
    const result = await act(async (tx) => {
      await tx.audit.add(entry)
      isWritten = true
    })
    const { actorId, action, targetType, targetId, details } = entry
    if (isWritten) {
      this.#note(actorId, action, { ...(targetId === null ? {} : { [idName(targetType)]: targetId }), ...details })
      this.#showEntry(entry)
    }
    return result
  }

  /**
   * Stores what an admin looked at, each item once an hour. Rejects with UNAVAILABLE if the database does not answer; the data
   * must not be shown then.
   */
  async noteReadings(entries: readonly NewAuditEntry[]): Promise<void> {
    for (const entry of await this.#store.audit.addReadings(entries)) this.#showEntry(entry)
  }

  /** Shows a new report in watches. */
  showReport({ id, messageId, conversationId, senderId, reporterId, reason }: ReportRecord): void {
    if (!this.#activity.isWatched) return
    this.#activity.record({
      kind: 'report',
      userId: reporterId,
      concerns: senderId,
      connectionId: null,
      name: 'reportMessage',
      code: null,
      conversationId,
      content: () => ({ reportId: String(id), messageId: String(messageId), reason }),
    })
  }

  /**
   * Closes the user's connections on every node; resolves with their number. With `revokeBefore`, in milliseconds since the
   * epoch, tokens issued earlier are revoked.
   */
  async disconnectUser(
    userId: number,
    reason: string | undefined,
    revokeBefore: number | undefined,
    also: Also,
  ): Promise<number> {
    if (revokeBefore !== undefined) await this.#revocations.revoke(userId, revokeBefore, also)
    else await this.#commits.run(also)
    const counts = await this.#rpc.request<number>('disconnectUser', { userId, reason, revokeBefore }, isCount)
    return [...counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /**
   * Announces to every node that a ban was stored or lifted; a banned user's connections are closed. Resolves when the nodes
   * have answered, after a second at the latest.
   */
  async enforceBan(ban: BanRecord): Promise<void> {
    // Works without Redis too.
    this.#applyHere(ban)
    await this.#rpc.request<number>('ban', ban, isCount)
  }

  /** The live nodes, oldest first. */
  async nodes(): Promise<NodeRecord[]> {
    const answers = await this.#rpc.request<Omit<NodeRecord, 'id'>>('node', {}, isNode)
    return [...answers].map(([id, answer]) => ({ id, ...answer })).sort((a, b) => a.startedAt - b.startedAt)
  }

  /** The user's connections on all nodes, the oldest first. */
  async connections(userId: number): Promise<ConnectionRecord[]> {
    const answers = await this.#rpc.request<Omit<ConnectionRecord, 'node'>[]>('connections', { userId }, isListOf(isConnection))
    return [...answers].flatMap(([node, list]) => list.map((each) => ({ ...each, node }))).sort((a, b) => a.since - b.since)
  }

  /** A topic by its name; undefined if the log does not know it and nobody listens to it. `log` is where its head is read. */
  async topic(name: string, log: Pick<EventLog, 'heads'> = this.#ownLog): Promise<TopicRecord | undefined> {
    const [heads, answers] = await Promise.all([
      log.heads([name]),
      this.#rpc.request<TopicOnNode>('topic', { name }, isNullOr(isTopicOnNode)),
    ])
    const nodes = [...answers].flatMap(([node, answer]) => (answer ? [{ node, ...answer }] : []))
    const head = heads.get(name) ?? 0
    return head === 0 && nodes.length === 0 ? undefined : { name, head, nodes }
  }

  /**
   * Shows what happens from now on; resolves with a function that ends the watch. The watch is logged, and audited if it shows
   * contents.
   */
  async watch({ adminId, connectionId, entry, ended }: Watcher, filter: ActivityFilter): Promise<() => void> {
    if (filter.contents) {
      const { userId, conversationId } = filter
      const target =
        userId === undefined
          ? { targetType: 'Conversation', targetId: String(conversationId) }
          : { targetType: 'User', targetId: String(userId) }
      const details = { contents: true, ...(userId === undefined || conversationId === undefined ? {} : { conversationId }) }
      await this.audited({ actorId: adminId, action: 'activity', ...target, details }, (also) => this.#commits.run(also))
    }
    this.#noteWatch({ adminId, ...filter })
    const open = this.#watches.get(connectionId) ?? new Set()
    let isOver = false
    let stop = (): void => undefined
    const end = (): void => {
      isOver = true
      open.delete(endForThem)
      if (open.size === 0 && this.#watches.get(connectionId) === open) this.#watches.delete(connectionId)
      stop()
    }
    const endForThem = (): void => {
      end()
      ended()
    }
    this.#watches.set(connectionId, open.add(endForThem))
    try {
      stop = await this.#activity.watch(filter, entry)
    } catch (error) {
      end()
      throw error
    }
    if (isOver) stop()
    return end
  }

  /** Ends the watches of a connection whose new token is not an administrator's. */
  endWatches(connectionId: string): void {
    for (const end of [...(this.#watches.get(connectionId) ?? [])]) end()
  }

  #showEntry({ actorId, action, targetType, targetId, details }: NewAuditEntry): void {
    if (!this.#activity.isWatched) return
    this.#activity.record({
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
}

/** `User` -> `userId`. */
const idName = (type: string): string => `${type.charAt(0).toLowerCase()}${type.slice(1)}Id`
