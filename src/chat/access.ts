import { forbidden, notFound } from '../errors.ts'
import type { ConversationRecord, Memberships } from '../store/conversations.ts'
import type { Role } from '../store/groups.ts'
import type { MessageRecord } from '../store/messages.ts'
import type { StoreParts } from '../store/store.ts'
import { groupTopic, userTopic, type DurableEvent } from './events.ts'
import { BLOCKED } from './refusals.ts'

/** The topics of a message's conversation: the group's, or those of the two users of a direct conversation. */
export function topicsOf({ groupId, pair }: Pick<ConversationRecord, 'groupId' | 'pair'>): string[] {
  if (groupId !== null) return [groupTopic(groupId)]
  return pair ? [userTopic(pair[0]), userTopic(pair[1])] : []
}

/** The user ids in a canonical direct conversation id that `userId` is one of; undefined for any other id. */
export function parseDirectId(id: string, userId: number): { otherUserId: number } | undefined {
  const match = /^direct_([1-9]\d{0,9})_([1-9]\d{0,9})$/.exec(id)
  if (!match) return undefined
  const [low, high] = [Number(match[1]), Number(match[2])]
  if (low >= high || high > 2_147_483_647) return undefined
  if (low === userId) return { otherUserId: high }
  return high === userId ? { otherUserId: low } : undefined
}

/** The id of the direct conversation of two users that has no message yet. */
export const directId = (a: number, b: number): string => `direct_${Math.min(a, b)}_${Math.max(a, b)}`

/** Throws FORBIDDEN for a direct conversation in which one user has blocked the other. */
export async function refuseBlocked(
  { blocks }: Pick<StoreParts, 'blocks'>,
  { pair }: Pick<ConversationRecord, 'pair'>,
): Promise<void> {
  if (pair && (await blocks.pairedWith(pair[0], [pair[1]])).size > 0) throw forbidden(BLOCKED)
}

/**
 * An event of a membership that has ended, for its former member: a message is without what it became after that, unless they may
 * read it again as a member of one of `groups`.
 */
export function forFormerMember(
  event: DurableEvent,
  { topic, endedAt }: Memberships['former'][number],
  groups: Memberships['groups'],
): DurableEvent {
  if (event.kind !== 'message_sent' && event.kind !== 'message_edited') return event
  const { payload } = event
  if (groups.some((group) => group.topic === topic && payload.id > (group.historyAfter ?? 0))) return event
  const isAsItWas = (payload.editedAt ?? 0) < endedAt
  const message = { ...payload, replyCount: 0, ...(isAsItWas ? {} : { content: '', mediaUrl: null, mentionIds: [] }) }
  return { ...event, payload: message }
}

export interface Access {
  /**
   * A message in a conversation of the user, within the history they may read. Throws NOT_FOUND otherwise, or if `isGroup`
   * disagrees.
   */
  message(
    userId: number,
    messageId: number,
    isGroup?: boolean | null,
  ): Promise<{ message: MessageRecord; conversation: ConversationRecord }>
  /**
   * A conversation of the user; a direct one without messages is found by its canonical id, with `stored` false. Throws
   * NOT_FOUND; when the user wants to post, FORBIDDEN for an existing group that they are not a member of.
   */
  conversation(userId: number, id: string, purpose: 'post' | 'read'): Promise<ConversationRecord & { stored: boolean }>
}

/** The look-ups behind the read rules; the caller may batch and cache them. */
export interface ReadLookups {
  conversation(id: string): Promise<ConversationRecord | undefined>
  message(id: number): Promise<MessageRecord | undefined>
  /** The message after which the viewer may read the conversation; undefined if they are not in it. */
  horizon(conversationId: string): Promise<number | undefined>
  /** The viewer's role in the group; undefined if they are not in it. */
  role(groupId: number): Promise<Role | undefined>
  /** Set for an admin, who may read everything. Absent for everyone else, and where admins read as others do. */
  admin?: AdminLookups
}

export interface AdminLookups {
  /** The conversation of a group; undefined if there is none. */
  conversationOf(groupId: number): Promise<string | undefined>
  /** Records that an admin reads a conversation they are not in, and through which query field if known. */
  note(conversationId: string, field: string | undefined): void
}

/**
 * What one viewer may read. Every field below a conversation, message or group is decided here, however the parent was reached:
 * an event, a repeated send or a reply may carry an object of a conversation that the viewer has left.
 */
export interface ReadAccess {
  /** A conversation that the viewer is in; undefined for any other. */
  conversation(id: string): Promise<ConversationRecord | undefined>
  /** A message of a conversation that the viewer is in and whose history they may read; undefined otherwise. */
  message(id: number, field?: string): Promise<MessageRecord | undefined>
  /** Whether the viewer may read members and counts of a conversation. */
  contents(conversationId: string): Promise<boolean>
  /**
   * The message after which the viewer may read a conversation, 0 for all of it; undefined for nothing. `field` is the query
   * field that leads there.
   */
  history(conversationId: string, field?: string): Promise<number | undefined>
  /** Whether the viewer may read reactions and receipts of a message. */
  messageContents(message: Pick<MessageRecord, 'id' | 'conversationId'>): Promise<boolean>
  /** Whether the viewer may read what a group shows to members only. */
  groupContents(groupId: number): Promise<boolean>
  /** Whether the viewer may read a group's join requests. */
  joinRequests(groupId: number): Promise<boolean>
}

/** Whether a role may decide on join requests. */
export const isManager = (role: Role | undefined): boolean => role === 'OWNER' || role === 'ADMIN'

export function createReadAccess(look: ReadLookups): ReadAccess {
  const { admin } = look
  /** Admins read everything; what would otherwise be hidden from them is audited. */
  async function history(conversationId: string, field?: string): Promise<number | undefined> {
    const horizon = await look.horizon(conversationId)
    if (!admin || horizon === 0) return horizon
    admin.note(conversationId, field)
    return 0
  }

  return {
    async conversation(id) {
      const [conversation, horizon] = await Promise.all([look.conversation(id), look.horizon(id)])
      return conversation && (horizon ?? (await history(id))) !== undefined ? conversation : undefined
    },
    async message(id, field) {
      const message = await look.message(id)
      const horizon = message && (await history(message.conversationId, field))
      return message && message.id > (horizon ?? Infinity) ? message : undefined
    },
    contents: async (conversationId) => admin !== undefined || (await look.horizon(conversationId)) !== undefined,
    history,
    messageContents: async ({ id, conversationId }) =>
      admin !== undefined || id > ((await look.horizon(conversationId)) ?? Infinity),
    async groupContents(groupId) {
      if ((await look.role(groupId)) !== undefined) return true
      const conversationId = await admin?.conversationOf(groupId)
      return conversationId !== undefined && (await history(conversationId)) !== undefined
    },
    async joinRequests(groupId) {
      return isManager(await look.role(groupId)) || (await admin?.conversationOf(groupId)) !== undefined
    },
  }
}

/** What a user may see and use (docs/protocol.md, section 3): what they may not see does not exist for them. */
export function createAccess(store: StoreParts): Access {
  return {
    async message(userId, messageId, isGroup) {
      const message = (await store.messages.byIds([messageId])).get(messageId)
      const conversation = message && (await store.conversations.byIds([message.conversationId])).get(message.conversationId)
      const visible =
        conversation &&
        (conversation.pair?.includes(userId) ??
          messageId > ((await store.conversations.memberOf(userId, [conversation.id])).get(conversation.id) ?? Infinity))
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
          if (purpose === 'post') throw forbidden('only members may do this in a group')
        }
      }
      const direct = parseDirectId(id, userId)
      if (direct) {
        const stored = await store.conversations.byPair(userId, direct.otherUserId)
        // An imported conversation keeps the id it was imported with.
        if (!stored && (await store.users.byIds([direct.otherUserId])).has(direct.otherUserId)) {
          const pair = [Math.min(userId, direct.otherUserId), Math.max(userId, direct.otherUserId)] as const
          return { id, isGroup: false, groupId: null, pair, stored: false }
        }
      }
      throw notFound(`there is no conversation ${id.slice(0, 64)}`)
    },
  }
}
