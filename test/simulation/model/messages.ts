/** Messages in the store's model. The statement that sends is `statement_send` of PostgreSQL step by step; what is around it is the product's own. */
import type { Db } from '../../../src/store/database/sql.ts'
import { Prisma } from '../../../src/store/generated/client.ts'
import { messageOf, type MessageRecord, type MessageRow as SqlRow } from '../../../src/store/message-rows.ts'
import { createSendBatch, type NewMessage } from '../../../src/store/send.ts'
import type { MessageEdit, PostRefusal } from '../../../src/store/message-changes.ts'
import type { MessagePageKey } from '../../../src/store/messages.ts'
import type { SendRow } from '../../../src/store/sql/send-messages.ts'
import { currentWorld } from '../world.ts'
import { UniqueViolation, type ModelTransaction } from './database.ts'
import { memberKey, type ConversationRow, type MessageRow, type UserRow } from './tables.ts'

/** Runs a statement. */
export type Run = <T>(statement: (tx: ModelTransaction) => T | Promise<T>) => Promise<T>

/** A message as the columns of a query have it. */
function sqlRowOf(tx: ModelTransaction, row: MessageRow): SqlRow {
  const { tables } = tx.database
  const conversation = tx.get(tables.conversations, row.conversationId) as ConversationRow
  const sender = tx.get(tables.users, String(row.senderId)) as UserRow
  const replies = tx.all(tables.messages).filter((each) => each.replyToId === row.id)
  return {
    id: row.id,
    conversation_id: row.conversationId,
    is_group: conversation.isGroup,
    group_id: conversation.groupId,
    sender_id: row.senderId,
    sender_name: sender.name,
    sender_avatar: sender.avatar,
    content: row.content,
    message_type: row.messageType,
    media_url: row.mediaUrl,
    at: row.at,
    edited_at: row.editedAt,
    deleted_at: row.deletedAt,
    deleted_by_id: row.deletedById,
    reply_to_id: row.replyToId,
    reply_count: replies.filter(({ deletedAt }) => deletedAt === null).length,
    mention_ids: null,
    mentions_all: false,
  }
}

export const recordOf = (tx: ModelTransaction, row: MessageRow): MessageRecord => messageOf(sqlRowOf(tx, row))

export function pairOf(tx: ModelTransaction, a: number, b: number): ConversationRow | undefined {
  const [low, high] = [Math.min(a, b), Math.max(a, b)]
  return tx.all(tx.database.tables.conversations).find(({ pair }) => pair?.[0] === low && pair[1] === high)
}

const isBlocked = (tx: ModelTransaction, a: number, b: number): boolean =>
  tx
    .all(tx.database.tables.blocks)
    .some(({ blockerId, blockedId }) => (blockerId === a && blockedId === b) || (blockerId === b && blockedId === a))

interface Checked {
  ord: number
  input: NewMessage
  status: SendRow['status']
  target: string
  groupId: number | null
  topic1: string
  topic2: string | null
  /** Of the topic whose lock decides whether the checks still count. */
  accessSeq: number
  sender: UserRow | undefined
}

/** Who may send, as the statement's snapshot shows it. */
function check(tx: ModelTransaction, input: NewMessage, ord: number): Checked {
  const { tables } = tx.database
  const { senderId, receiverId, conversationId, key } = input
  const sender = tx.get(tables.users, String(senderId))
  const group = receiverId === null ? tx.all(tables.groups).find((each) => each.conversationId === conversationId) : undefined
  const direct = receiverId === null ? undefined : pairOf(tx, senderId, receiverId)
  const canonical = `direct_${Math.min(senderId, receiverId ?? 0)}_${Math.max(senderId, receiverId ?? 0)}`
  const target = group?.conversationId ?? direct?.id ?? canonical
  const topic1 = group ? `group:${group.id}` : `user:${senderId}`
  const member = group && tx.get(tables.members, memberKey(group.conversationId, senderId))
  const statusOf = (): SendRow['status'] => {
    if (!sender) return 'no_sender'
    if (key !== null && tx.get(tables.keys, `${senderId} ${key}`) !== undefined) return 'repeat'
    if (receiverId !== null) {
      if (!tx.get(tables.users, String(receiverId))) return 'no_receiver'
      if (conversationId !== null && conversationId !== target) return 'wrong_conversation'
      if (isBlocked(tx, senderId, receiverId)) return 'blocked'
    } else {
      if (!group || group.isClosed) return 'no_group'
      if (!member) return 'not_member'
      if (!group.allowSendMessages && member.role === 'MEMBER') return 'closed_to_members'
    }
    if (input.replyToId === undefined) return 'ok'
    const answered = tx.get(tables.messages, String(input.replyToId))
    const isThere =
      answered?.conversationId === target && answered.deletedAt === null && answered.id > (member?.historyAfter ?? 0)
    return isThere ? 'ok' : 'no_reply_target'
  }
  return {
    ord,
    input,
    status: statusOf(),
    target,
    groupId: group?.id ?? null,
    topic1,
    topic2: receiverId === null ? null : `user:${receiverId}`,
    accessSeq: tx.get(tables.topics, topic1)?.accessSeq ?? 0,
    sender,
  }
}

/** The direct conversation, and the memberships of its two. */
function ensureDirect(tx: ModelTransaction, { target, input }: Checked, at: number): void {
  const { tables } = tx.database
  if (input.receiverId === null || tx.get(tables.conversations, target)) return
  const pair = [Math.min(input.senderId, input.receiverId), Math.max(input.senderId, input.receiverId)] as const
  tx.set(tables.conversations, target, { id: target, isGroup: false, groupId: null, pair, createdAt: at })
  for (const userId of pair) {
    const key = memberKey(target, userId)
    if (tx.get(tables.members, key)) continue
    const begin = { sinceSeq: 0, historyAfter: 0, joinedAt: at, readTo: 0, readUpTo: null }
    tx.set(tables.members, key, { conversationId: target, userId, role: 'MEMBER', ...begin })
  }
}

/** Stores one message with its events; the topics' locks are held. */
async function store(tx: ModelTransaction, checked: Checked, snapshot: string): Promise<SendRow> {
  const { database } = tx
  const { tables } = database
  const { input, target, topic1, topic2, groupId, sender, ord } = checked
  const at = tx.now
  const id = database.next('messages')
  const eventId = database.next('events')
  ensureDirect(tx, checked, at)
  if (input.key !== null) {
    const key = `${input.senderId} ${input.key}`
    // Who adds the same key at the same time is waited for.
    await tx.lock(`keys:${key}`)
    if (tx.get(tables.keys, key) !== undefined) throw new UniqueViolation('the key is there already')
    tx.set(tables.keys, key, id)
  }
  const changes = { editedAt: null, deletedAt: null, deletedById: null, replyToId: input.replyToId ?? null }
  const { senderId, content, messageType, mediaUrl, key } = input
  const message = { id, conversationId: target, senderId, content, messageType, mediaUrl, key, at, ...changes }
  tx.set(tables.messages, String(id), message)
  const seqs = [topic1, topic2].map((topic) => {
    if (topic === null) return 0
    const seq = (tx.get(tables.topics, topic)?.seq ?? 0) + 1
    tx.update(tables.topics, topic, { seq })
    const entry = { topic, seq, id: eventId, kind: 'message_sent', messageId: id, payload: null, at }
    tx.events.push({ ...entry, xid: tx.write(), snapshot })
    return seq
  })
  return {
    ord,
    status: 'ok',
    conversation_id: target,
    group_id: groupId,
    sender_name: sender?.name ?? '',
    sender_avatar: sender?.avatar ?? null,
    message_id: id,
    event_id: eventId,
    at,
    topic1,
    seq1: seqs[0] as number,
    topic2,
    seq2: seqs[1] as number,
  }
}

const notStored = ({ ord, status, target, groupId, topic1, topic2 }: Checked): SendRow => ({
  ord,
  status: status === 'ok' ? 'stale' : status,
  conversation_id: target,
  group_id: groupId,
  sender_name: '',
  sender_avatar: null,
  message_id: null,
  event_id: 0,
  at: 0,
  topic1,
  seq1: 0,
  topic2,
  seq2: 0,
})

/** The statement: checks by its snapshot, locks the topics, looks again whether access changed, stores. */
async function sendMessages(tx: ModelTransaction, inputs: readonly NewMessage[]): Promise<SendRow[]> {
  const { tables } = tx.database
  const snapshot = tx.database.snapshot()
  const checked = inputs.map((input, ord) => check(tx, input, ord))
  const { sendMs } = tx.database
  if (sendMs > 0) await currentWorld().sleep(currentWorld().random() * sendMs, tx.node)
  const names = checked.flatMap(({ status, topic1, topic2 }) => (status === 'ok' ? [topic1, topic2 ?? topic1] : []))
  for (const name of [...new Set(names)].toSorted()) await tx.lock(`topics:${name}`)
  const rows: SendRow[] = []
  for (const each of checked) {
    const isFresh = (tx.get(tables.topics, each.topic1)?.accessSeq ?? 0) <= each.accessSeq
    rows.push(each.status === 'ok' && isFresh ? await store(tx, each, snapshot) : notStored(each))
  }
  return rows
}

/** Runs statements in one transaction. */
export type Begin = <T>(work: (run: Run) => Promise<T>) => Promise<T>

/** Locks topics, in one order everywhere. */
async function lockAll(tx: ModelTransaction, names: readonly string[]): Promise<{ name: string; seq: number }[]> {
  for (const name of names.toSorted()) await tx.lock(`topics:${name}`)
  return names.flatMap((name) => tx.get(tx.database.tables.topics, name) ?? [])
}

const ABSENT = { receiverId: null, conversationId: null, mediaUrl: null, key: null }

/** As the product's own sending of batches asks the database. */
const sendingDb = (run: Run, begin?: Begin): Db =>
  ({
    $transaction: (work: (db: Db) => Promise<unknown>) => begin?.((inside) => work(sendingDb(inside))),
    $queryRaw: async (query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) => {
      const { text, values: given } = 'raw' in query ? Prisma.sql(query, ...values) : query
      const names = given.find((value): value is string[] => Array.isArray(value))
      if (names) return await run((tx) => lockAll(tx, names))
      const input = JSON.parse(given.find((value) => typeof value === 'string' && value.startsWith('[')) as string) as unknown
      // What a message has nothing of is left out of the text.
      const batch = (input as NewMessage[]).map((each) => ({ ...ABSENT, ...each }))
      if (text.includes('/* send_messages_')) return await run((tx) => sendMessages(tx, batch))
      return await run((tx) =>
        (input as { senderId: number; key: string }[]).flatMap(({ senderId, key }) => {
          const id = tx.get(tx.database.tables.keys, `${senderId} ${key}`)
          const row = tx.get(tx.database.tables.messages, String(id))
          return row ? [{ ...sqlRowOf(tx, row), client_key: key }] : []
        }),
      )
    },
  }) as unknown as Db

/** The newest first, below `before`. */
function page(tx: ModelTransaction, { conversationId, before = Infinity, horizon = 0, limit }: MessagePageKey): MessageRecord[] {
  const rows = tx.all(tx.database.tables.messages).filter((row) => row.conversationId === conversationId)
  const found = rows.filter(({ id }) => id < before && id > horizon).toSorted((a, b) => b.id - a.id)
  return found.slice(0, limit).map((row) => recordOf(tx, row))
}

export const createModelMessages = (run: Run, begin?: Begin) => ({
  sendBatch: createSendBatch(sendingDb(run, begin)),

  byIds: (ids: readonly number[]) =>
    run((tx) => {
      const rows = ids.flatMap((id) => tx.get(tx.database.tables.messages, String(id)) ?? [])
      return new Map(rows.map((row) => [row.id, recordOf(tx, row)]))
    }),

  pages: (keys: readonly MessagePageKey[]) => run((tx) => keys.map((key) => page(tx, key))),

  page: (conversationId: string, before: number | undefined, limit: number) =>
    run((tx) => page(tx, { conversationId, before, limit })),

  latest: (ids: readonly string[]) =>
    run(
      (tx) =>
        new Map(
          ids.flatMap((id) => page(tx, { conversationId: id, before: undefined, limit: 1 }).map((each) => [id, each] as const)),
        ),
    ),

  postRefusal: (userId: number, conversationId: string) =>
    run((tx): PostRefusal | null => {
      const { conversations, groups, members } = tx.database.tables
      const conversation = tx.get(conversations, conversationId)
      if (!conversation) return 'no_group'
      const member = tx.get(members, memberKey(conversationId, userId))
      if (conversation.pair) {
        if (!member) return 'not_member'
        return isBlocked(tx, ...conversation.pair) ? 'blocked' : null
      }
      const group = tx.get(groups, String(conversation.groupId))
      if (!group || group.isClosed) return 'no_group'
      if (!member) return 'not_member'
      return !group.allowSendMessages && member.role === 'MEMBER' ? 'closed_to_members' : null
    }),

  edit: (id: number, { content }: MessageEdit) =>
    run((tx) => {
      const { messages } = tx.database.tables
      if (tx.get(messages, String(id))?.deletedAt === null)
        tx.update(messages, String(id), { content, editedAt: tx.database.now() })
    }),

  delete: (ids: readonly number[], deletedById: number | null) =>
    run((tx) => {
      const { messages, reactions } = tx.database.tables
      const gone = [...ids].filter((id) => tx.get(messages, String(id))?.deletedAt === null).toSorted((a, b) => a - b)
      for (const id of gone) {
        const change = { content: '', mediaUrl: null, deletedAt: tx.database.now(), deletedById }
        tx.update(messages, String(id), change)
        for (const { messageId, userId, reaction } of tx.all(reactions))
          if (messageId === id) tx.set(reactions, `${messageId} ${userId} ${reaction}`, undefined)
      }
      return gone
    }),
})
