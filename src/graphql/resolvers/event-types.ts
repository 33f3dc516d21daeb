import { EVENTS, type EventOf, type EventType } from '../../chat/events.ts'
import type { Resolvers } from '../generated/resolvers.ts'

/** Every field of an event but its id needs a resolver: what a source emits has its fields in `payload`. */
type EventResolvers = { [T in EventType]: Required<Omit<NonNullable<Resolvers[T]>, 'id' | '__isTypeOf'>> }

type Reaction = EventOf<'ReactionAdded' | 'ReactionRemoved'>
type Membership = EventOf<'MemberJoined' | 'MemberLeft'>

const reaction = {
  timestamp: ({ at }: Reaction) => at,
  messageId: ({ payload }: Reaction) => payload.messageId,
  isGroup: ({ payload }: Reaction) => payload.isGroup,
  userId: ({ payload }: Reaction) => payload.userId,
  reaction: ({ payload }: Reaction) => payload.reaction,
  reactionCount: ({ payload }: Reaction) => payload.userIds.length,
  reactionUserIds: ({ payload }: Reaction) => payload.userIds,
  messageDeleted: ({ payload }: Reaction) => payload.messageDeleted ?? false,
}

const membership = {
  timestamp: ({ at }: Membership) => at,
  groupId: ({ payload }: Membership) => payload.groupId,
  user: ({ payload }: Membership) => payload.user,
  memberCount: ({ payload }: Membership) => payload.memberCount,
}

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
  ReactionAdded: reaction,
  ReactionRemoved: reaction,
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
  MemberJoined: membership,
  MemberLeft: membership,
  NotificationRead: { timestamp: ({ at }) => at, notification: ({ payload }) => payload },
  NotificationReceived: { timestamp: ({ at }) => at, notification: ({ payload }) => payload },
  UserUpdated: { timestamp: ({ at }) => at, user: ({ payload }) => payload.user },
  UserErased: { timestamp: ({ at }) => at, userId: ({ payload }) => payload.userId },
  BlockChanged: { timestamp: ({ at }) => at, user: ({ payload }) => payload.user, blocked: ({ payload }) => payload.blocked },
  ResumeIncomplete: { timestamp: ({ at }) => at },
} satisfies Partial<Resolvers> & EventResolvers
