import { forbidden, notFound } from '../errors.ts'
import type { ConversationRecord } from '../store/conversations.ts'
import type { MessageRecord } from '../store/messages.ts'
import type { Store } from '../store/store.ts'
import { groupTopic, userTopic } from './events.ts'

/** Who takes part in a message's conversation, as topics: the group, or the two users of a direct conversation. */
export function topicsOf({ groupId, pair }: Pick<ConversationRecord, 'groupId' | 'pair'>): string[] {
  if (groupId !== null) return [groupTopic(groupId)]
  return pair ? [userTopic(pair[0]), userTopic(pair[1])] : []
}

/** The user ids in a canonical direct conversation id that `userId` is one of; undefined for any other id. */
export function parseDirectId(id: string, userId: number): { partnerId: number } | undefined {
  const match = /^direct_([1-9]\d{0,9})_([1-9]\d{0,9})$/.exec(id)
  if (!match) return undefined
  const [low, high] = [Number(match[1]), Number(match[2])]
  if (low >= high || high > 2_147_483_647) return undefined
  if (low === userId) return { partnerId: high }
  return high === userId ? { partnerId: low } : undefined
}

export interface Access {
  /** A message in a conversation that the user is in. Throws NOT_FOUND for any other, or where `isGroup` disagrees. */
  message(
    userId: number,
    messageId: number,
    isGroup?: boolean | null,
  ): Promise<{ message: MessageRecord; conversation: ConversationRecord }>
  /**
   * A conversation that the user is in; a direct one that has no message yet is found by its canonical id, with
   * `stored` false. Throws NOT_FOUND; for an existing group that the user is not a member of, FORBIDDEN to those who want to
   * say something there.
   */
  conversation(userId: number, id: string, purpose: 'say' | 'see'): Promise<ConversationRecord & { stored: boolean }>
}

/** What a user may see and use (PROTOCOL.md, section 5): what they may not see does not exist for them. */
export function createAccess(store: Store): Access {
  return {
    async message(userId, messageId, isGroup) {
      const message = (await store.messages.byIds([messageId])).get(messageId)
      const conversation = message && (await store.conversations.byIds([message.conversationId])).get(message.conversationId)
      const visible =
        conversation &&
        (conversation.pair?.includes(userId) ??
          (await store.conversations.memberOf(userId, [conversation.id])).has(conversation.id))
      if (!message || !conversation || !visible || (isGroup ?? conversation.isGroup) !== conversation.isGroup) {
        const kind = isGroup == null ? '' : isGroup ? 'group ' : 'direct '
        throw notFound(`there is no ${kind}message ${messageId}`)
      }
      return { message, conversation }
    },

    async conversation(userId, id, purpose) {
      const found = (await store.conversations.byIds([id])).get(id)
      if (found) {
        if (found.pair?.includes(userId)) return { ...found, stored: true }
        if (found.isGroup) {
          if ((await store.conversations.memberOf(userId, [id])).has(id)) return { ...found, stored: true }
          if (purpose === 'say') throw forbidden('only members may do this in a group')
        }
      }
      const direct = parseDirectId(id, userId)
      if (direct) {
        const stored = await store.conversations.byPair(userId, direct.partnerId)
        // An imported conversation has one id, the one it came with.
        if (!stored && (await store.users.byIds([direct.partnerId])).has(direct.partnerId)) {
          const pair = [Math.min(userId, direct.partnerId), Math.max(userId, direct.partnerId)] as const
          return { id, isGroup: false, groupId: null, pair, stored: false }
        }
      }
      throw notFound(`there is no conversation ${id.slice(0, 64)}`)
    },
  }
}
