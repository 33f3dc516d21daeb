/** Conversations, groups and memberships in the store's model. */
import type {
  ContactPage,
  ContactPageKey,
  ConversationRecord,
  MemberPageKey,
  Memberships,
} from '../../../src/store/conversations.ts'
import type { GroupInfo, GroupRecord, Role } from '../../../src/store/groups.ts'
import type { ModelTransaction } from './database.ts'
import { pairOf, type Run } from './messages.ts'
import { memberKey, type ConversationRow, type GroupRow, type MemberRow, type TopicRow } from './tables.ts'

const toConversation = ({ id, isGroup, groupId, pair }: ConversationRow): ConversationRecord => ({ id, isGroup, groupId, pair })

function toGroup(row: GroupRow): GroupRecord {
  const group: GroupRecord & { isClosed?: boolean } = { ...row }
  delete group.isClosed
  return group
}

const membersOf = (tx: ModelTransaction, conversationId: string): MemberRow[] =>
  tx
    .all(tx.database.tables.members)
    .filter((row) => row.conversationId === conversationId)
    .toSorted((a, b) => a.userId - b.userId)

function conversationOf(tx: ModelTransaction, id: string, withClosed: boolean): ConversationRow | undefined {
  const { conversations, groups } = tx.database.tables
  const row = tx.get(conversations, id)
  const isClosed = row?.groupId != null && tx.get(groups, String(row.groupId))?.isClosed === true
  return isClosed && !withClosed ? undefined : row
}

function membershipsOf(tx: ModelTransaction, userId: number): Memberships {
  const { members, conversations, groups, past, blocks, topics } = tx.database.tables
  const found: Memberships = { groups: [], former: [], blocked: [] }
  const hides = (historyAfter: number): { historyAfter?: number } => (historyAfter === 0 ? {} : { historyAfter })
  for (const member of tx.all(members)) {
    if (member.userId !== userId) continue
    const { groupId } = tx.get(conversations, member.conversationId) as ConversationRow
    if (groupId !== null) {
      const { memberCount } = tx.get(groups, String(groupId)) as GroupRow
      const topic = `group:${groupId}`
      const { seq: head } = tx.get(topics, topic) as TopicRow
      found.groups.push({ topic, sinceSeq: member.sinceSeq, ...hides(member.historyAfter), memberCount, head })
    }
  }
  // Never before an edit: the checker compares what is replayed with the message's latest content.
  for (const { userId: id, topic, sinceSeq, untilSeq, historyAfter } of tx.all(past))
    if (id === userId) found.former.push({ topic, sinceSeq, ...hides(historyAfter), untilSeq, endedAt: Infinity })
  for (const { blockerId, blockedId } of tx.all(blocks)) {
    if (blockerId === userId) found.blocked.push(blockedId)
    else if (blockedId === userId) found.blocked.push(blockerId)
  }
  return found
}

function contactPage(tx: ModelTransaction, { userId, after, limit }: ContactPageKey): ContactPage {
  const { members, conversations } = tx.database.tables
  const page = tx
    .all(members)
    .filter((row) => row.userId === userId && row.conversationId > after)
    .map((row) => tx.get(conversations, row.conversationId) as ConversationRow)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, limit)
  return {
    contacts: page.flatMap(({ pair }) => pair?.filter((id) => id !== userId) ?? []),
    next: page.length === limit ? page.at(-1)?.id : undefined,
  }
}

const memberPage = (tx: ModelTransaction, { conversationId, after, limit }: MemberPageKey) =>
  membersOf(tx, conversationId)
    .filter(({ userId }) => userId > after)
    .slice(0, limit)
    .map(({ userId, role, joinedAt }) => ({ userId, role, joinedAt }))

/** All in one page: a simulation has few. */
function listOf(tx: ModelTransaction, userId: number, limit: number) {
  const { members, messages } = tx.database.tables
  const own = tx.all(members).filter((row) => row.userId === userId)
  const rows = own.flatMap(({ conversationId, historyAfter, joinedAt }) => {
    const conversation = conversationOf(tx, conversationId, true)
    if (!conversation) return []
    const lastId = lastMessageOf(tx, conversationId)
    const last = lastId > historyAfter ? tx.get(messages, String(lastId)) : undefined
    const activityAt = last?.at ?? (historyAfter > 0 ? joinedAt : conversation.createdAt)
    const place = { pinned: false, activityAt, lastMessageId: last?.id ?? 0, horizon: historyAfter, asOf: 0 }
    return [{ ...toConversation(conversation), ...place }]
  })
  return rows.toSorted((a, b) => b.activityAt - a.activityAt || b.lastMessageId - a.lastMessageId).slice(0, limit)
}

export const createModelConversations = (run: Run) => {
  const byIds = (ids: readonly string[], withClosed = false): Promise<Map<string, ConversationRecord>> =>
    run(
      (tx) =>
        new Map(
          ids.flatMap((id) => {
            const row = conversationOf(tx, id, withClosed)
            return row ? [[id, toConversation(row)] as const] : []
          }),
        ),
    )
  return {
    byIds: (ids: readonly string[]) => byIds(ids),
    ofMessages: (messages: Iterable<{ conversationId: string }>) =>
      byIds([...new Set(Array.from(messages, ({ conversationId }) => conversationId))], true),
    byPair: (a: number, b: number) =>
      run((tx) => {
        const row = pairOf(tx, a, b)
        return row && toConversation(row)
      }),
    memberOf: (userId: number, ids: readonly string[]) =>
      run((tx) => {
        const rows = ids.flatMap((id) => tx.get(tx.database.tables.members, memberKey(id, userId)) ?? [])
        return new Map(rows.map(({ conversationId, historyAfter }) => [conversationId, historyAfter]))
      }),
    membersAmong: (id: string, userIds: readonly number[]) =>
      run((tx) => new Set(userIds.filter((userId) => tx.get(tx.database.tables.members, memberKey(id, userId))))),
    page: (userId: number, _after: unknown, limit: number) => run((tx) => listOf(tx, userId, limit)),
    memberPages: (keys: readonly MemberPageKey[]) => run((tx) => keys.map((key) => memberPage(tx, key))),
    members: (conversationId: string, after: number, limit: number) =>
      run((tx) => memberPage(tx, { conversationId, after, limit })),
    contactPages: (keys: readonly ContactPageKey[]) => run((tx) => keys.map((key) => contactPage(tx, key))),
    memberships: (userIds: readonly number[]) => run((tx) => new Map(userIds.map((id) => [id, membershipsOf(tx, id)]))),
    sharePresence: (a: number, b: number, groupLimit: number) =>
      run((tx) => {
        const { members, conversations, groups } = tx.database.tables
        return tx.all(members).some(({ userId, conversationId }) => {
          if (userId !== a || !tx.get(members, memberKey(conversationId, b))) return false
          const { groupId } = tx.get(conversations, conversationId) as ConversationRow
          return groupId === null || (tx.get(groups, String(groupId)) as GroupRow).memberCount <= groupLimit
        })
      }),
  }
}

/** Changes a group; the lock of its topic is held. */
function change(tx: ModelTransaction, id: number, info: Partial<GroupRow>): GroupRecord {
  const { groups } = tx.database.tables
  tx.update(groups, String(id), info)
  return toGroup(tx.get(groups, String(id)) as GroupRow)
}

const openGroup = (tx: ModelTransaction, id: number): GroupRow | undefined => {
  const group = tx.get(tx.database.tables.groups, String(id))
  return group?.isClosed ? undefined : group
}

const rolesOf = (tx: ModelTransaction, group: GroupRow | undefined, userIds: readonly number[]): Map<number, Role> =>
  new Map(
    userIds.flatMap((userId) => {
      const member = group && tx.get(tx.database.tables.members, memberKey(group.conversationId, userId))
      return member ? [[userId, member.role] as const] : []
    }),
  )

const lastMessageOf = (tx: ModelTransaction, conversationId: string): number =>
  Math.max(0, ...tx.all(tx.database.tables.messages).flatMap((row) => (row.conversationId === conversationId ? row.id : [])))

export const createModelGroups = (run: Run) => ({
  countFormer: () => Promise.resolve(0),
  byIds: (ids: readonly number[]) =>
    run((tx) => {
      const rows = ids.flatMap((id) => openGroup(tx, id) ?? [])
      return new Map(rows.map((row) => [row.id, toGroup(row)]))
    }),
  roles: (groupId: number, userIds: readonly number[]) => run((tx) => rolesOf(tx, openGroup(tx, groupId), userIds)),
  rolesOf: (userId: number, groupIds: readonly number[]) =>
    run(
      (tx) =>
        new Map(
          groupIds.flatMap((id) => {
            const role = rolesOf(tx, openGroup(tx, id), [userId]).get(userId)
            return role ? [[id, role] as const] : []
          }),
        ),
    ),
  create: (info: GroupInfo) =>
    run((tx): GroupRecord => {
      const { groups, conversations, topics } = tx.database.tables
      const id = tx.database.next('groups')
      const conversationId = `group_${id}`
      tx.set(conversations, conversationId, { id: conversationId, isGroup: true, groupId: id, pair: null, createdAt: tx.now })
      const topic = { name: `group:${id}`, seq: 0, accessSeq: 0, sweptSeq: 0, sweptId: 0, sweptXid: 0 }
      tx.set(topics, topic.name, topic)
      tx.set(groups, String(id), { id, conversationId, ...info, memberCount: 0, isClosed: false })
      return { id, conversationId, ...info, memberCount: 0 }
    }),
  update: (id: number, info: Partial<GroupInfo>) => run((tx) => change(tx, id, info)),
  beginning: ({ conversationId, historyVisible }: GroupRecord) =>
    run((tx) => {
      const lastId = lastMessageOf(tx, conversationId)
      return { lastId, historyAfter: historyVisible ? 0 : lastId }
    }),
  addMembers: (
    { id, conversationId }: GroupRecord,
    members: readonly { userId: number; role: Role; sinceSeq: number }[],
    { lastId, historyAfter }: { lastId: number; historyAfter: number },
  ) =>
    run((tx) => {
      for (const { userId, role, sinceSeq } of members) {
        const begin = { sinceSeq, historyAfter, joinedAt: tx.now, readTo: lastId, readUpTo: null }
        tx.set(tx.database.tables.members, memberKey(conversationId, userId), { conversationId, userId, role, ...begin })
      }
      const { memberCount } = tx.get(tx.database.tables.groups, String(id)) as GroupRow
      return change(tx, id, { memberCount: memberCount + members.length })
    }),
  removeMember: ({ id, conversationId }: GroupRecord, userId: number, topic: string, untilSeq: number) =>
    run(async (tx) => {
      const { members, past, groups } = tx.database.tables
      await tx.lock(`members:${memberKey(conversationId, userId)}`)
      const { sinceSeq, historyAfter } = tx.get(members, memberKey(conversationId, userId)) as MemberRow
      tx.set(members, memberKey(conversationId, userId), undefined)
      tx.set(past, `${userId} ${topic} ${sinceSeq}`, { userId, topic, sinceSeq, untilSeq, historyAfter, at: tx.now })
      const memberCount = (tx.get(groups, String(id)) as GroupRow).memberCount - 1
      return change(tx, id, { memberCount, isClosed: memberCount === 0 })
    }),
  setRole: ({ conversationId }: GroupRecord, userId: number, role: Role) =>
    run(async (tx) => {
      await tx.lock(`members:${memberKey(conversationId, userId)}`)
      tx.update(tx.database.tables.members, memberKey(conversationId, userId), { role })
    }),
  setMute: () => Promise.resolve(false),
  mutes: (keys: readonly unknown[]) => Promise.resolve(keys.map(() => undefined)),
  joinRequests: (ids: readonly number[]) => Promise.resolve(new Map(ids.map((id): [number, number[]] => [id, []]))),
})
