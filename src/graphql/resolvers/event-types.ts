import { EVENTS, type EventType } from '../../chat/events.ts'
import type { Resolvers } from '../generated/resolvers.ts'

/** Every field of an event but its id needs a resolver: what a source emits has its fields in `payload`. */
type EventResolvers = { [T in EventType]: Required<Omit<NonNullable<Resolvers[T]>, 'id' | '__isTypeOf'>> }

/** Resolvers of the events, by the types in EVENTS. */
export const eventTypes = {
  Event: {
    __resolveType: ({ kind }) => EVENTS[kind].type,
  },
  MessageSent: { timestamp: ({ at }) => at, message: ({ payload }) => payload },
  MessageEdited: { timestamp: ({ at }) => at, message: ({ payload }) => payload },
  MessageDeleted: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    conversationId: ({ payload }) => payload.conversationId,
    isGroup: ({ payload }) => payload.isGroup,
    deletedById: ({ payload }) => payload.deletedById,
  },
  MessageRead: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    isGroup: ({ payload }) => payload.isGroup,
    readerId: ({ payload }) => payload.readerId,
  },
  ConversationRead: {
    timestamp: ({ at }) => at,
    conversationId: ({ payload }) => payload.conversationId,
    readUpTo: ({ payload }) => payload.readUpTo,
    unreadCount: ({ payload }) => payload.unreadCount,
    unreadMentionCount: ({ payload }) => payload.unreadMentionCount,
  },
  ConversationSettingsChanged: {
    timestamp: ({ at }) => at,
    conversationId: ({ payload }) => payload.conversationId,
    settings: ({ payload }) => payload.settings,
  },
  ReactionAdded: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    isGroup: ({ payload }) => payload.isGroup,
    userId: ({ payload }) => payload.userId,
    reaction: ({ payload }) => payload.reaction,
    reactionCount: ({ payload }) => payload.userIds.length,
    reactionUserIds: ({ payload }) => payload.userIds,
    messageDeleted: ({ payload }) => payload.messageDeleted ?? false,
  },
  ReactionRemoved: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    isGroup: ({ payload }) => payload.isGroup,
    userId: ({ payload }) => payload.userId,
    reaction: ({ payload }) => payload.reaction,
    reactionCount: ({ payload }) => payload.userIds.length,
    reactionUserIds: ({ payload }) => payload.userIds,
    messageDeleted: ({ payload }) => payload.messageDeleted ?? false,
  },
  TypingChanged: {
    timestamp: ({ at }) => at,
    conversationId: ({ payload }) => payload.conversationId,
    user: ({ payload }) => payload.user,
    typing: ({ payload }) => payload.typing,
  },
  OnlineStatusChanged: {
    timestamp: ({ at }) => at,
    userId: ({ payload }) => payload.userId,
    online: ({ payload }) => payload.online,
    lastActive: ({ payload }) => payload.lastActive,
  },
  GroupUpdated: {
    timestamp: ({ at }) => at,
    group: ({ payload }) => payload.group,
    announcement: ({ payload }) => payload.group.announcement,
  },
  MemberJoined: {
    timestamp: ({ at }) => at,
    groupId: ({ payload }) => payload.groupId,
    user: ({ payload }) => payload.user,
    memberCount: ({ payload }) => payload.memberCount,
  },
  MemberLeft: {
    timestamp: ({ at }) => at,
    groupId: ({ payload }) => payload.groupId,
    user: ({ payload }) => payload.user,
    memberCount: ({ payload }) => payload.memberCount,
  },
  NotificationRead: { timestamp: ({ at }) => at, notification: ({ payload }) => payload },
  NotificationReceived: { timestamp: ({ at }) => at, notification: ({ payload }) => payload },
  UserUpdated: { timestamp: ({ at }) => at, user: ({ payload }) => payload.user },
  UserErased: { timestamp: ({ at }) => at, userId: ({ payload }) => payload.userId },
  BlockChanged: { timestamp: ({ at }) => at, user: ({ payload }) => payload.user, blocked: ({ payload }) => payload.blocked },
  ResumeIncomplete: { timestamp: ({ at }) => at },
} satisfies Partial<Resolvers> & EventResolvers
