import { badInput, notFound } from '../errors.ts'
import type { ConversationRecord } from '../store/conversations.ts'
import type { ReadPosition } from '../store/read-pointers.ts'
import type { ReceiptRecord } from '../store/receipts.ts'
import type { Store, Transaction } from '../store/store.ts'
import type { Access } from './access.ts'
import type { Commits } from './commit.ts'
import { userTopic, type ConversationReadPayload, type ReadPayload } from './events.ts'

/** Maximum number of receipts for one request. */
const RECEIPTS_LIMIT = 1000

interface Unread {
  messageId: number
  senderId: number
}

/** Reading (docs/graphql.md, Reading): receipts, which senders see, and the reader's own pointer and counts. */
export class Receipts {
  readonly #store: Store
  readonly #access: Access
  readonly #commits: Commits

  constructor({ store, access, commits }: { store: Store; access: Access; commits: Commits }) {
    this.#store = store
    this.#access = access
    this.#commits = commits
  }

  /**
   * Marks someone else's message read; a repeat returns the first receipt and pushes nothing (docs/protocol.md, section 3.3).
   */
  async markMessage(readerId: number, messageId: number, isGroup?: boolean | null): Promise<ReceiptRecord> {
    const { message, conversation } = await this.#access.message(readerId, messageId, isGroup)
    if (message.senderId === readerId)
      throw badInput('message_id is a message of your own: only those of others can be marked read')
    const existing = await this.#store.receipts.find(messageId, readerId)
    if (existing?.isCounted) return receiptOf(existing)
    const { senderId } = message
    const about = { readerId, conversationId: conversation.id, messageId }
    return await this.#change(about, [{ messageId, senderId }], async (tx, position) => {
      const [added] = await addReceipts(tx, readerId, conversation, [{ messageId, senderId }])
      const isBeyond = messageId > position.readTo
      if (!added && position.isCounted) return receiptOf(await tx.receipts.find(messageId, readerId))
      if (!added) await tx.receipts.countAgain(readerId, messageId)
      await tx.readPointers.countRead(readerId, conversation.id, position)
      await pushReadState(tx, about, { before: position, changes: isBeyond && !position.isDeleted })
      return added ?? receiptOf(await tx.receipts.find(messageId, readerId))
    })
  }

  /**
   * Marks all messages of others up to `upTo`; returns how many are newly read. Of the newest 1000 up to it, those without a
   * receipt get one, which is pushed to its sender.
   */
  async markConversation(readerId: number, conversationId: string, upTo: number): Promise<number> {
    const conversation = await this.#findMessage(readerId, conversationId, upTo)
    const unread = await this.#store.receipts.unreadUpTo(readerId, conversationId, upTo, RECEIPTS_LIMIT)
    if (unread.length === 0) {
      const state = (await this.#store.readPointers.states(readerId, [conversationId], { mentions: false })).get(conversationId)
      if ((state?.readUpTo ?? 0) >= upTo) return 0
    }
    const about = { readerId, conversationId, messageId: upTo }
    return await this.#change(about, unread, async (tx, position) => {
      // Before the receipts, which would otherwise count as read one by one.
      const count = await tx.readPointers.moveTo(readerId, conversationId, position)
      await addReceipts(tx, readerId, conversation, unread)
      await pushReadState(tx, about, { before: position, changes: count > 0 })
      return count
    })
  }

  /** Marks `from` and everything after it unread, for the reader alone; returns the unread count. */
  async markConversationUnread(readerId: number, conversationId: string, from: number): Promise<number> {
    await this.#findMessage(readerId, conversationId, from)
    const about = { readerId, conversationId, messageId: from }
    return await this.#change(about, [], async (tx, before) => {
      const { senderId, readTo, isCounted, isDeleted, readCount, readBeyond } = before
      const isUnread = senderId !== readerId && from > readTo && !isCounted && !isDeleted
      if (!isUnread) await tx.readPointers.moveBefore(readerId, conversationId, before)
      const after = await tx.readPointers.lock(readerId, conversationId, from)
      const changes = after !== undefined && after.readCount + after.readBeyond !== readCount + readBeyond
      return await pushReadState(tx, about, { before, changes })
    })
  }

  /** Runs a change under the locks of the reader's own topic, of the senders' topics and of the reader's membership. */
  async #change<T>(
    { readerId, conversationId, messageId }: { readerId: number; conversationId: string; messageId: number },
    senders: readonly Unread[],
    run: (tx: Transaction, position: ReadPosition) => Promise<T>,
  ): Promise<T> {
    return await this.#commits.run(async (tx) => {
      // Topics before members everywhere, so that writers can't deadlock.
      await tx.lock([...new Set([readerId, ...senders.map(({ senderId }) => senderId)])].map(userTopic))
      const position = await tx.readPointers.lock(readerId, conversationId, messageId)
      // The reader has left meanwhile.
      if (!position) throw notFound(`there is no message ${messageId}`)
      return await run(tx, position)
    })
  }

  /** A message of the conversation. Throws NOT_FOUND. */
  async #findMessage(readerId: number, conversationId: string, messageId: number): Promise<ConversationRecord> {
    const { conversation } = await this.#access.message(readerId, messageId)
    if (conversation.id !== conversationId) throw notFound(`there is no message ${messageId} in this conversation`)
    return conversation
  }
}

/** Stores missing receipts and notifies the senders; returns the new ones. */
async function addReceipts(
  tx: Transaction,
  readerId: number,
  conversation: { id: string; isGroup: boolean },
  messages: readonly Unread[],
): Promise<ReceiptRecord[]> {
  const senders = new Map(messages.map(({ messageId, senderId }) => [messageId, senderId]))
  const added = await tx.receipts.add(readerId, conversation.id, [...senders.keys()])
  added.sort((a, b) => a.messageId - b.messageId)
  for (const { messageId } of added) {
    const payload: ReadPayload = { messageId, conversationId: conversation.id, isGroup: conversation.isGroup, readerId }
    tx.append({ topics: [userTopic(senders.get(messageId) as number)], kind: 'message_read', payload })
  }
  return added
}

/**
 * Sends the reader's connections the new read state; `before` is the old pointer, `changes` whether counts changed. Returns
 * the unread count.
 */
async function pushReadState(
  tx: Transaction,
  { readerId, conversationId }: { readerId: number; conversationId: string },
  { before, changes }: { before: ReadPosition; changes: boolean },
): Promise<number> {
  const state = (await tx.readPointers.states(readerId, [conversationId])).get(conversationId)
  if (!state) throw notFound(`there is no conversation ${conversationId}`)
  const { readUpTo, unread, unreadMentions } = state
  const payload: ConversationReadPayload = {
    conversationId,
    readUpTo,
    unreadCount: unread,
    unreadMentionCount: unreadMentions,
  }
  if (changes || readUpTo !== before.readUpTo) tx.append({ topics: [userTopic(readerId)], kind: 'conversation_read', payload })
  return unread
}

/** Throws if there is none; a stored message always has one. */
function receiptOf(found: ReceiptRecord | undefined): ReceiptRecord {
  if (!found) throw new Error('a receipt is gone')
  const { messageId, readerId, readAt } = found
  return { messageId, readerId, readAt }
}
