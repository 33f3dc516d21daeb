import { asChatEvent, isKnown, type ChatEvent, type DurableEvent, type EphemeralEvent } from '../chat/events.ts'
import type { AudienceHint, Hint } from '../pubsub/publisher.ts'
import type { StoredEvent } from '../store/event-log.ts'
import type { Counts } from '../telemetry/counters.ts'
import {
  hasMembers,
  isAbsentOr,
  isCount,
  isFlag,
  isListOf,
  isNullOr,
  isObject,
  isText,
  isTime,
  isUserId,
} from '../lib/received.ts'

type Check = (value: unknown) => boolean

const isUser = hasMembers({ id: isUserId, name: isText, avatar: isNullOr(isText) })
const isOpening = isAbsentOr(hasMembers({ topic: isText, sinceSeq: isCount, historyAfter: isAbsentOr(isCount) }))
const isReaction = hasMembers({
  messageId: isCount,
  conversationId: isText,
  isGroup: isFlag,
  userId: isUserId,
  reaction: isText,
  userIds: isListOf(isUserId),
})
const isMembership = hasMembers({
  groupId: isUserId,
  conversationId: isText,
  user: isUser,
  memberCount: isCount,
  opens: isOpening,
  closes: isAbsentOr(isUserId),
})
const isGroup = hasMembers({
  id: isUserId,
  conversationId: isText,
  name: isText,
  avatar: isNullOr(isText),
  announcement: isNullOr(isText),
  memberCount: isCount,
})

const isMessage = hasMembers({
  id: isCount,
  conversationId: isText,
  isGroup: isFlag,
  groupId: isNullOr(isUserId),
  senderId: isUserId,
  senderName: isText,
  senderAvatar: isNullOr(isText),
  content: isText,
  messageType: isText,
  mediaUrl: isNullOr(isText),
  at: isTime,
  editedAt: isAbsentOr(isTime),
  deletedAt: isAbsentOr(isTime),
  deletedById: isAbsentOr(isUserId),
  replyToId: isAbsentOr(isCount),
  replyCount: isAbsentOr(isCount),
  mentionIds: isAbsentOr(isListOf(isUserId)),
})

/** The required members of each kind of payload. */
const DURABLE: Readonly<Record<DurableEvent['kind'], Check>> = {
  message_sent: isMessage,
  message_edited: isMessage,
  message_deleted: hasMembers({ messageId: isCount, conversationId: isText, isGroup: isFlag, deletedById: isUserId }),
  message_read: hasMembers({ messageId: isCount, conversationId: isText, isGroup: isFlag, readerId: isUserId }),
  conversation_read: hasMembers({
    conversationId: isText,
    readUpTo: isNullOr(isCount),
    unreadCount: isCount,
    unreadMentionCount: isCount,
  }),
  conversation_settings_changed: hasMembers({
    conversationId: isText,
    settings: hasMembers({ mutedUntil: isNullOr(isTime), pinned: isFlag, archived: isFlag }),
  }),
  reaction_added: isReaction,
  reaction_removed: isReaction,
  group_updated: hasMembers({ group: isGroup, opens: isOpening }),
  member_joined: isMembership,
  member_left: isMembership,
  user_updated: hasMembers({ user: isUser }),
  user_erased: hasMembers({ userId: isUserId }),
  block_changed: hasMembers({
    blockerId: isUserId,
    user: isUser,
    blocked: isFlag,
    isPairBlocked: isFlag,
    sharePresence: isFlag,
  }),
  notification: hasMembers({ id: isCount, userId: isUserId, type: isText, data: isObject, at: isTime }),
  notification_read: hasMembers({ id: isCount, userId: isUserId, type: isText, data: isObject, at: isTime }),
}

const EPHEMERAL: Readonly<Partial<Record<EphemeralEvent['kind'], Check>>> = {
  typing: hasMembers({ conversationId: isText, isGroup: isFlag, user: isUser, typing: isFlag }),
  presence: hasMembers({ userId: isUserId, online: isFlag, lastActive: isTime }),
}

function isEvent(event: unknown, kinds: Readonly<Partial<Record<ChatEvent['kind'], Check>>>, isId: Check): boolean {
  if (!isObject(event) || !isId(event['id']) || !isTime(event['at']) || !isText(event['kind'])) return false
  const { kind } = event
  // Of a later version: it takes its place in the topic and is not delivered.
  if (!isKnown({ kind })) return isObject(event['payload'])
  return Object.hasOwn(kinds, kind) && (kinds[kind as ChatEvent['kind']] as Check)(event['payload'])
}

const isReadable = ({ kind, payload }: StoredEvent): boolean =>
  !isKnown({ kind }) || (Object.hasOwn(DURABLE, kind) && DURABLE[kind as DurableEvent['kind']](payload))

/**
 * An event of the log. One that lacks what its kind needs is counted, and gets a kind that no version knows: it takes its place
 * in the topic and is delivered to nobody, or every resume over it would fail.
 */
export function loggedEvent(event: StoredEvent, { leftOut }: Pick<Counts, 'leftOut'>): DurableEvent {
  if (isReadable(event)) return asChatEvent(event)
  leftOut.unreadable++
  return asChatEvent({ ...event, kind: 'unreadable' })
}

/** Whether another node can have sent it as typing state. */
export const isTypingChange = hasMembers({
  key: isText,
  typing: isFlag,
  at: isTime,
  pushedAt: isTime,
  place: isAbsentOr(hasMembers({ topic: isText, about: hasMembers({ conversationId: isText, isGroup: isFlag, user: isUser }) })),
  isPushed: isAbsentOr(isFlag),
})

const isNull: Check = (value) => value === null
const isTrace = isAbsentOr(isText)

/** Whether a message received on a topic is a hint: an event of the log with its place, or an ephemeral one. */
export function isHint(hint: unknown): hint is Hint {
  if (!isObject(hint) || !isTrace(hint['trace'])) return false
  const { seq, event } = hint
  return seq === null ? isEvent(event, EPHEMERAL, isNull) : isCount(seq) && seq > 0 && isEvent(event, DURABLE, isCount)
}

/** The same for a message to the subscribers of several topics. */
export const isAudienceHint = (hint: unknown): hint is AudienceHint =>
  isObject(hint) && isListOf(isText)(hint['topics']) && isEvent(hint['event'], EPHEMERAL, isNull)
