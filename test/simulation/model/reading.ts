/** Receipts, read pointers and reactions in the store's model: counted from the rows, where the database keeps counters. */
import type { MemberKey, ReadPosition, ReadState } from '../../../src/store/read-pointers.ts'
import type { ReceiptRecord } from '../../../src/store/receipts.ts'
import type { ModelTransaction } from './database.ts'
import type { Run } from './messages.ts'
import { memberKey, reactionKey, receiptKey, type MemberRow, type MessageRow } from './tables.ts'

const messagesOf = (tx: ModelTransaction, conversationId: string): MessageRow[] =>
  tx
    .all(tx.database.tables.messages)
    .filter((row) => row.conversationId === conversationId)
    .toSorted((a, b) => a.id - b.id)

const isCounted = (tx: ModelTransaction, messageId: number, readerId: number): boolean =>
  tx.get(tx.database.tables.receipts, receiptKey(messageId, readerId))?.markedUnread === false

/** What of others a member has not read, oldest first. */
const unreadOf = (tx: ModelTransaction, { conversationId, userId, readTo }: MemberRow): MessageRow[] =>
  messagesOf(tx, conversationId).filter(
    ({ id, senderId, deletedAt }) => id > readTo && senderId !== userId && deletedAt === null && !isCounted(tx, id, userId),
  )

function change(tx: ModelTransaction, { conversationId, userId }: MemberRow, to: Partial<MemberRow>): MemberRow {
  const key = memberKey(conversationId, userId)
  tx.update(tx.database.tables.members, key, to)
  return tx.get(tx.database.tables.members, key) as MemberRow
}

/** Moves a pointer over what is read already, where something was read singly beyond it. */
function moveOverRead(tx: ModelTransaction, member: MemberRow): void {
  const { conversationId, userId, readTo } = member
  const messages = messagesOf(tx, conversationId)
  if (!messages.some(({ id }) => id > readTo && isCounted(tx, id, userId))) return
  const unread = unreadOf(tx, member)[0]
  const reached = Math.max(readTo, unread ? unread.id - 1 : (messages.at(-1)?.id ?? 0))
  const moved = messages.filter(({ id }) => id > readTo && id <= reached && isCounted(tx, id, userId)).at(-1)
  change(tx, member, { readTo: reached, readUpTo: moved ? Math.max(member.readUpTo ?? 0, moved.id) : member.readUpTo })
}

function positionOf(tx: ModelTransaction, member: MemberRow, message: MessageRow): ReadPosition {
  const { conversationId, userId, readTo, readUpTo, historyAfter } = member
  const messages = messagesOf(tx, conversationId)
  const ofOthers = messages.filter(({ senderId }) => senderId !== userId)
  const upTo = (id: number): number => messages.filter((each) => each.id <= id).length
  return {
    isGroup: conversationId.startsWith('group_'),
    messageCount: messages.length,
    sentCount: messages.length - ofOthers.length,
    historyAfter,
    readTo,
    readCount: ofOthers.filter(({ id }) => id <= readTo).length,
    readBeyond: ofOthers.filter(({ id }) => id > readTo && isCounted(tx, id, userId)).length,
    readUpTo,
    pointerSeq: upTo(readTo),
    messageId: message.id,
    seq: upTo(message.id),
    senderId: message.senderId,
    senderSeq: messages.filter(({ id, senderId }) => senderId === message.senderId && id <= message.id).length,
    isDeleted: message.deletedAt !== null,
    isCounted: isCounted(tx, message.id, userId),
  }
}

export const createModelReadPointers = (run: Run) => {
  const withMember = <T>(userId: number, conversationId: string, use: (tx: ModelTransaction, member: MemberRow) => T) =>
    run((tx) => {
      const member = tx.get(tx.database.tables.members, memberKey(conversationId, userId))
      return member && use(tx, member)
    })
  return {
    moveOverRead: (members: readonly MemberKey[]) =>
      run((tx) => {
        for (const { userId, conversationId } of members) {
          const member = tx.get(tx.database.tables.members, memberKey(conversationId, userId))
          if (member) moveOverRead(tx, member)
        }
      }),
    states: (userId: number, ids: readonly string[]) =>
      run((tx): Map<string, ReadState> => {
        const rows = ids.flatMap((id) => tx.get(tx.database.tables.members, memberKey(id, userId)) ?? [])
        return new Map(
          rows.map((row) => [
            row.conversationId,
            { readUpTo: row.readUpTo, unread: unreadOf(tx, row).length, unreadMentions: 0 },
          ]),
        )
      }),
    lock: (userId: number, conversationId: string, messageId: number) =>
      run(async (tx) => {
        await tx.lock(`members:${memberKey(conversationId, userId)}`)
        const member = tx.get(tx.database.tables.members, memberKey(conversationId, userId))
        const message = tx.get(tx.database.tables.messages, String(messageId))
        return member && message?.conversationId === conversationId ? positionOf(tx, member, message) : undefined
      }),
    countRead: (userId: number, conversationId: string, { messageId, readTo }: ReadPosition) =>
      withMember(userId, conversationId, (tx, member) => {
        if (messageId > readTo) moveOverRead(tx, member)
        else change(tx, member, { readUpTo: Math.max(member.readUpTo ?? 0, messageId) })
      }),
    moveTo: async (userId: number, conversationId: string, { messageId, readTo }: ReadPosition): Promise<number> => {
      const count = await withMember(userId, conversationId, (tx, member) => {
        if (messageId <= readTo) {
          change(tx, member, { readUpTo: Math.max(member.readUpTo ?? 0, messageId) })
          return 0
        }
        const newly = unreadOf(tx, member).filter(({ id }) => id <= messageId).length
        moveOverRead(tx, change(tx, member, { readTo: messageId, readUpTo: messageId }))
        return newly
      })
      return count ?? 0
    },
    moveBefore: (userId: number, conversationId: string, { messageId, readTo }: ReadPosition) =>
      withMember(userId, conversationId, (tx, member) => {
        const { receipts } = tx.database.tables
        for (const row of tx.all(receipts))
          if (row.readerId === userId && row.conversationId === conversationId && row.messageId >= messageId)
            tx.set(receipts, receiptKey(row.messageId, userId), { ...row, markedUnread: true })
        if (messageId > readTo) return
        const before = messagesOf(tx, conversationId).findLast(({ id }) => id < messageId && id > member.historyAfter)
        change(tx, member, { readTo: messageId - 1, readUpTo: before?.id ?? null })
      }),
  }
}

const toReceipt = ({ messageId, readerId, readAt }: ReceiptRecord): ReceiptRecord => ({ messageId, readerId, readAt })

export const createModelReceipts = (run: Run) => ({
  add: (readerId: number, conversationId: string, messageIds: readonly number[]) =>
    run((tx) => {
      const { receipts } = tx.database.tables
      const added = messageIds.filter((id) => !tx.get(receipts, receiptKey(id, readerId)))
      return added
        .toSorted((a, b) => a - b)
        .map((messageId) => {
          const row = { messageId, readerId, conversationId, readAt: tx.database.now(), markedUnread: false }
          tx.set(receipts, receiptKey(messageId, readerId), row)
          return toReceipt(row)
        })
    }),
  countAgain: (readerId: number, messageId: number) =>
    run((tx) => tx.update(tx.database.tables.receipts, receiptKey(messageId, readerId), { markedUnread: false })),
  find: (messageId: number, readerId: number) =>
    run((tx) => {
      const row = tx.get(tx.database.tables.receipts, receiptKey(messageId, readerId))
      return row && { ...toReceipt(row), isCounted: !row.markedUnread }
    }),
  byMessageIds: (ids: readonly number[]) =>
    run((tx) =>
      tx
        .all(tx.database.tables.receipts)
        .filter(({ messageId }) => ids.includes(messageId))
        .toSorted((a, b) => a.readAt - b.readAt || a.readerId - b.readerId)
        .map(toReceipt),
    ),
  unreadUpTo: (readerId: number, conversationId: string, upTo: number, limit: number) =>
    run((tx) => {
      const { members, receipts } = tx.database.tables
      const member = tx.get(members, memberKey(conversationId, readerId))
      const ofOthers = messagesOf(tx, conversationId).filter(
        ({ id, senderId }) => id <= upTo && id > (member?.readTo ?? Infinity) && senderId !== readerId,
      )
      return ofOthers
        .slice(-limit)
        .filter(({ id }) => !tx.get(receipts, receiptKey(id, readerId)))
        .map(({ id, senderId }) => ({ messageId: id, senderId }))
    }),
})

export const createModelReactions = (run: Run) => {
  const of = (tx: ModelTransaction, messageId: number) =>
    tx.all(tx.database.tables.reactions).filter((row) => row.messageId === messageId)
  const usersOf = (tx: ModelTransaction, messageId: number, reaction: string): number[] =>
    of(tx, messageId)
      .filter((row) => row.reaction === reaction)
      .map(({ userId }) => userId)
      .toSorted((a, b) => a - b)
  return {
    given: (messageId: number, userId: number) =>
      run((tx) =>
        [...new Set(of(tx, messageId).map(({ reaction }) => reaction))].map((reaction) => ({
          reaction,
          isOwn: usersOf(tx, messageId, reaction).includes(userId),
        })),
      ),
    add: (messageId: number, userId: number, reaction: string) =>
      run((tx) => {
        const { messages, reactions } = tx.database.tables
        if (tx.get(messages, String(messageId))?.deletedAt !== null) return 'no_message'
        const key = reactionKey(messageId, userId, reaction)
        if (tx.get(reactions, key)) return 'present'
        tx.set(reactions, key, { messageId, userId, reaction, at: tx.now })
        return 'added'
      }),
    remove: (messageId: number, userId: number, reaction: string) =>
      run((tx) => {
        const key = reactionKey(messageId, userId, reaction)
        const isThere = tx.get(tx.database.tables.reactions, key) !== undefined
        if (isThere) tx.set(tx.database.tables.reactions, key, undefined)
        return isThere
      }),
    users: (messageId: number, reaction: string) => run((tx) => usersOf(tx, messageId, reaction)),
    byMessageIds: (ids: readonly number[]) =>
      run((tx) =>
        ids.flatMap((messageId) => {
          const rows = of(tx, messageId)
          const first = new Map<string, number>()
          for (const { reaction, at } of rows) first.set(reaction, Math.min(at, first.get(reaction) ?? Infinity))
          return [...first]
            .toSorted(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
            .map(([reaction]) => ({ messageId, reaction, userIds: usersOf(tx, messageId, reaction) }))
        }),
      ),
  }
}
