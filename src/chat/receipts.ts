import { badInput, notFound } from '../errors.ts'
import type { ReceiptRecord } from '../store/receipts.ts'
import type { Store } from '../store/store.ts'
import type { Access } from './access.ts'
import type { Commits } from './commit.ts'
import { userTopic, type ReadPayload } from './events.ts'

export interface Receipts {
  /** Marks another user's message read; a repeat gives the first receipt and pushes nothing (docs/protocol.md, section 3.3). */
  markMessage(readerId: number, messageId: number, isGroup?: boolean | null): Promise<ReceiptRecord>
  /** Marks the latest 1000 messages of others up to `upTo`; returns how many were newly read, each pushed to its sender. */
  markConversation(readerId: number, conversationId: string, upTo: number): Promise<number>
}

const CONVERSATION_LIMIT = 1000

export function createReceipts({ store, access, commits }: { store: Store; access: Access; commits: Commits }): Receipts {
  /** Stores receipts and tells the senders; returns those that are new. */
  async function add(
    readerId: number,
    conversation: { id: string; isGroup: boolean },
    messages: readonly { messageId: number; senderId: number }[],
  ): Promise<ReceiptRecord[]> {
    const senders = new Map(messages.map(({ messageId, senderId }) => [messageId, senderId]))
    return await commits.run(async (tx) => {
      await tx.lock([...new Set([...senders.values()].map(userTopic))])
      const added = await tx.receipts.add(readerId, conversation.id, [...senders.keys()])
      added.sort((a, b) => a.messageId - b.messageId)
      for (const { messageId } of added) {
        const payload: ReadPayload = { messageId, conversationId: conversation.id, isGroup: conversation.isGroup, readerId }
        tx.append({ topics: [userTopic(senders.get(messageId) as number)], kind: 'message_read', payload })
      }
      return added
    })
  }

  return {
    async markMessage(readerId, messageId, isGroup) {
      const { message, conversation } = await access.message(readerId, messageId, isGroup)
      if (message.senderId === readerId)
        throw badInput('message_id is a message of your own: only those of others can be marked read')
      const existing = await store.receipts.find(messageId, readerId)
      if (existing) return existing
      const [added] = await add(readerId, conversation, [{ messageId, senderId: message.senderId }])
      return added ?? ((await store.receipts.find(messageId, readerId)) as ReceiptRecord)
    },

    async markConversation(readerId, conversationId, upTo) {
      const { conversation } = await access.message(readerId, upTo)
      if (conversation.id !== conversationId) throw notFound(`there is no message ${upTo} in this conversation`)
      const unread = await store.receipts.unreadUpTo(readerId, conversation.id, upTo, CONVERSATION_LIMIT)
      if (unread.length === 0) return 0
      return (await add(readerId, conversation, unread)).length
    },
  }
}
