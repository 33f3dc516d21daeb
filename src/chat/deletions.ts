import { forbidden, notFound } from '../errors.ts'
import type { ConversationRecord } from '../store/conversations.ts'
import type { MessageRecord } from '../store/messages.ts'
import type { Store, Transaction } from '../store/store.ts'
import { isManager, topicsOf, type Access } from './access.ts'
import type { Also, Commits } from './commit.ts'
import type { DeletionPayload } from './events.ts'

/** The user who deletes. */
export interface Deleter {
  userId: number
  isAdmin: boolean
}

export interface Deletion {
  /** The message's current state. */
  message: MessageRecord
  /** Whether only an administrator could delete it: the user is neither the sender nor an owner or admin of the group. */
  byAdmin: boolean
}

export interface Deletions {
  /**
   * Deletes a message: senders their own while they are members, owner and admins any of the group, administrators any. A
   * repeat changes and pushes nothing. `also` is committed with a deletion that only an administrator could make. Throws
   * NOT_FOUND and FORBIDDEN.
   */
  delete(deleter: Deleter, messageId: number, isGroup?: boolean | null, also?: Also): Promise<Deletion>
}

export interface DeletionsOptions {
  store: Pick<Store, 'messages' | 'conversations'>
  access: Access
  commits: Commits
}

export function createDeletions({ store, access, commits }: DeletionsOptions): Deletions {
  /** Administrators find any message, including those of a closed group. */
  async function find({ userId, isAdmin }: Deleter, messageId: number, isGroup?: boolean | null): Promise<ConversationRecord> {
    if (!isAdmin) return (await access.message(userId, messageId, isGroup)).conversation
    const message = (await store.messages.byIds([messageId])).get(messageId)
    const conversation = message && (await store.conversations.ofMessages([message])).get(message.conversationId)
    if (!conversation || (isGroup ?? conversation.isGroup) !== conversation.isGroup) {
      throw notFound(`there is no message ${messageId}`)
    }
    return conversation
  }

  return {
    async delete(deleter, messageId, isGroup, also) {
      const { userId, isAdmin } = deleter
      const conversation = await find(deleter, messageId, isGroup)
      return await commits.run(async (tx) => {
        await tx.lock(topicsOf(conversation))
        const message = (await tx.messages.byIds([messageId])).get(messageId)
        const isMember = (await tx.conversations.memberOf(userId, [conversation.id])).size > 0
        if (!message || (!isMember && !isAdmin)) throw notFound(`there is no message ${messageId}`)
        const isEntitled =
          isMember &&
          (message.senderId === userId ||
            (conversation.groupId !== null && isManager((await tx.groups.roles(conversation.groupId, [userId])).get(userId))))
        if (!isEntitled && !isAdmin) throw forbidden('only its sender, or owner and admins of its group, may delete a message')
        const byAdmin = !isEntitled
        if (message.deletedAt !== undefined) return { message, byAdmin }
        await deleteLocked(tx, [message], new Map([[conversation.id, conversation]]), userId)
        const deleted = (await tx.messages.byIds([messageId])).get(messageId) as MessageRecord
        if (byAdmin) await also?.(tx)
        return { message: deleted, byAdmin }
      })
    },
  }
}

/**
 * Deletes messages of any conversations, for administrators. Call it in a transaction that holds no locks yet, with few
 * messages at a time, since their conversations wait. Returns the ids of those newly deleted, each of which is pushed.
 */
export async function deleteMessages(tx: Transaction, messageIds: readonly number[], deletedById: number): Promise<number[]> {
  const { messages, conversations } = await lockConversations(tx, messageIds)
  return await deleteLocked(tx, messages, conversations, deletedById)
}

/** The same without a push for each message: an erased user is announced once, and retention is not announced. */
export async function emptyMessages(
  tx: Transaction,
  messageIds: readonly number[],
  deletedById: number | null,
): Promise<number[]> {
  await lockConversations(tx, messageIds)
  return await tx.messages.delete(messageIds, deletedById)
}

/** Locks the topics of all conversations of the messages. */
async function lockConversations(tx: Transaction, messageIds: readonly number[]) {
  const messages = [...(await tx.messages.byIds(messageIds)).values()]
  const conversations = await tx.conversations.ofMessages(messages)
  await tx.lock([...new Set([...conversations.values()].flatMap(topicsOf))])
  return { messages, conversations }
}

/** The same with the topics already locked. */
async function deleteLocked(
  tx: Transaction,
  messages: readonly MessageRecord[],
  conversations: ReadonlyMap<string, ConversationRecord>,
  deletedById: number,
): Promise<number[]> {
  const byId = new Map(messages.map((message) => [message.id, message]))
  const deleted = await tx.messages.delete([...byId.keys()], deletedById)
  for (const messageId of deleted) {
    const { conversationId, isGroup } = byId.get(messageId) as MessageRecord
    const payload: DeletionPayload = { messageId, conversationId, isGroup, deletedById }
    tx.append({ topics: topicsOf(conversations.get(conversationId) as ConversationRecord), kind: 'message_deleted', payload })
  }
  return deleted
}
