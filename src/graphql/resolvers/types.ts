import { GraphQLError, GraphQLScalarType, Kind, valueFromASTUntyped } from 'graphql'
import type { OperationContext } from '../context.ts'
import type { Resolvers } from '../generated/resolvers.ts'
import { decodeCursor, isId, pageSize, toPage } from '../pagination.ts'
import type { GroupModel, UserModel } from '../models.ts'

type Context = OperationContext

/** A part of a user that an event may carry, and then at once; else of the stored user. */
function userField<K extends 'name' | 'avatar' | 'lastActive'>(user: UserModel, field: K, context: Context) {
  const value = user[field]
  if (value !== undefined) return value as Exclude<UserModel[K], undefined>
  return context.load.user.load(user.id).then((stored) => {
    if (!stored) throw new Error(`user ${user.id} is gone`)
    return stored[field] as Exclude<UserModel[K], undefined>
  })
}

type GroupField =
  | 'name'
  | 'avatar'
  | 'announcement'
  | 'memberCount'
  | 'joinApprovalRequired'
  | 'allowInvitation'
  | 'allowSendMessages'
  | 'conversationId'

function groupField<K extends GroupField>(group: GroupModel, field: K, context: Context) {
  const value = group[field]
  if (value !== undefined) return value as Exclude<GroupModel[K], undefined>
  return context.load.group.load(group.id).then((stored) => {
    if (!stored) throw new Error(`group ${group.id} is gone`)
    return stored[field] as Exclude<GroupModel[K], undefined>
  })
}

const roleIn = (group: GroupModel, { viewerLoad }: Context) => viewerLoad.role.load(group.id)

async function memberPage(
  { load }: Context,
  conversationId: string,
  first: number | null | undefined,
  after: string | null | undefined,
) {
  const size = pageSize(first, 50)
  const key = { conversationId, after: decodeCursor('member', after, isId) ?? 0, limit: size + 1 }
  return { rows: await load.memberPage.load(key), size }
}

/** Resolvers of the object types; those of the root fields lie beside, by kind. */
export const types = {
  DateTime: new GraphQLScalarType<Date, string>({
    name: 'DateTime',
    serialize: (value) => new Date(value as number | string | Date).toISOString(),
    parseValue: (value) => parseDateTime(value),
    parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : undefined),
  }),

  JSON: new GraphQLScalarType({
    name: 'JSON',
    serialize: (value) => value,
    parseValue: (value) => value,
    parseLiteral: (node, variables) => valueFromASTUntyped(node, variables) as unknown,
  }),

  ClusterNode: {
    connections: ({ protocols }) => Object.values(protocols).reduce((sum, count) => sum + count, 0),
    protocols: ({ protocols }) => Object.entries(protocols).map(([protocol, count]) => ({ protocol, count })),
    lag: ({ lagMs }) => lagMs,
  },

  ClientConnection: {
    user: ({ userId }) => ({ id: userId }),
    queue: ({ queuedBytes }) => queuedBytes,
  },

  Topic: {
    id: ({ name }) => name,
    subscribers: ({ nodes }) => nodes.reduce((sum, { subscribers }) => sum + subscribers, 0),
    lag: ({ head, nodes }) => Math.max(0, ...nodes.map(({ position }) => head - (position ?? head))),
    nodes: ({ head, nodes }) => nodes.map((node) => ({ ...node, head })),
  },

  TopicOnNode: {
    lag: ({ head, position }) => Math.max(0, head - (position ?? head)),
  },

  Activity: {
    kind: ({ kind }) => kind.toUpperCase() as Uppercase<typeof kind>,
    timestamp: ({ at }) => at,
    user: ({ userId }) => ({ id: userId }),
  },

  User: {
    name: (user, _, context) => userField(user, 'name', context),
    avatar: (user, _, context) => userField(user, 'avatar', context),
    online: ({ id }, _, { load }) => load.online.load(id),
    lastActive: (user, _, context) => userField(user, 'lastActive', context),
  },

  Conversation: {
    group: ({ groupId }) => (groupId === null ? null : { id: groupId }),
    members: async ({ id }, { first, after }, context) => {
      const { rows, size } = await memberPage(context, id, first, after)
      return toPage(
        'member',
        rows,
        size,
        after,
        ({ userId }) => userId,
        ({ userId }) => ({ id: userId }),
      )
    },
    lastMessage: async ({ id }, _, { load }) => (await load.latestMessage.load(id)) ?? null,
    unreadCount: async ({ id }, _, { viewerLoad }) => (await viewerLoad.unread.load(id)) ?? 0,
    messages: async ({ id }, { first, after }, { load }) => {
      const size = pageSize(first, 50)
      const before = decodeCursor('message', after, isId)
      const rows = await load.messagePage.load({ conversationId: id, before, limit: size + 1 })
      return toPage(
        'message',
        rows,
        size,
        after,
        (message) => message.id,
        (message) => message,
      )
    },
  },

  Message: {
    conversation: ({ conversationId, isGroup, groupId }) => ({ id: conversationId, isGroup, groupId }),
    sender: ({ senderId, senderName, senderAvatar }) => ({ id: senderId, name: senderName, avatar: senderAvatar }),
    timestamp: ({ at }) => at,
    reactions: ({ id }, _, { load }) => load.reactions.load(id),
    readBy: ({ id }, _, { load }) => load.receipts.load(id),
  },

  ReactionSummary: {
    count: ({ userIds }) => userIds.length,
  },

  Group: {
    conversation: async (group, _, context) =>
      (await roleIn(group, context))
        ? { id: await groupField(group, 'conversationId', context), isGroup: true, groupId: group.id }
        : null,
    name: (group, _, context) => groupField(group, 'name', context),
    avatar: (group, _, context) => groupField(group, 'avatar', context),
    announcement: async (group, _, context) =>
      (await roleIn(group, context)) ? groupField(group, 'announcement', context) : null,
    memberCount: (group, _, context) => groupField(group, 'memberCount', context),
    members: async (group, { first, after }, context) => {
      if (!(await roleIn(group, context))) return null
      const { rows, size } = await memberPage(context, await groupField(group, 'conversationId', context), first, after)
      return toPage(
        'member',
        rows,
        size,
        after,
        ({ userId }) => userId,
        (member) => member,
      )
    },
    joinApprovalRequired: (group, _, context) => groupField(group, 'joinApprovalRequired', context),
    allowInvitation: (group, _, context) => groupField(group, 'allowInvitation', context),
    allowSendMessages: (group, _, context) => groupField(group, 'allowSendMessages', context),
    joinRequests: async (group, _, context) => {
      const role = await roleIn(group, context)
      if (role !== 'OWNER' && role !== 'ADMIN') return null
      return ((await context.load.joinRequests.load(group.id)) ?? []).map((id) => ({ id }))
    },
  },

  GroupMember: {
    user: ({ userId }) => ({ id: userId }),
  },

  Notification: {
    notificationType: ({ type }) => type,
    timestamp: ({ at }) => at,
  },

  Event: {
    __resolveType: ({ kind }) => EVENT_TYPES[kind],
  },
  MessageSent: { timestamp: ({ at }) => at, message: ({ payload }) => payload },
  MessageRead: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    isGroup: ({ payload }) => payload.isGroup,
    readerId: ({ payload }) => payload.readerId,
  },
  ReactionAdded: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    isGroup: ({ payload }) => payload.isGroup,
    userId: ({ payload }) => payload.userId,
    reaction: ({ payload }) => payload.reaction,
    reactionCount: ({ payload }) => payload.userIds.length,
    reactionUserIds: ({ payload }) => payload.userIds,
  },
  ReactionRemoved: {
    timestamp: ({ at }) => at,
    messageId: ({ payload }) => payload.messageId,
    isGroup: ({ payload }) => payload.isGroup,
    userId: ({ payload }) => payload.userId,
    reaction: ({ payload }) => payload.reaction,
    reactionCount: ({ payload }) => payload.userIds.length,
    reactionUserIds: ({ payload }) => payload.userIds,
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
  NotificationReceived: { timestamp: ({ at }) => at, notification: ({ payload }) => payload },
  ResumeIncomplete: { timestamp: ({ at }) => at },
} satisfies Partial<Resolvers>

const EVENT_TYPES = {
  message_sent: 'MessageSent',
  message_read: 'MessageRead',
  reaction_added: 'ReactionAdded',
  reaction_removed: 'ReactionRemoved',
  typing: 'TypingChanged',
  presence: 'OnlineStatusChanged',
  group_updated: 'GroupUpdated',
  member_joined: 'MemberJoined',
  member_left: 'MemberLeft',
  notification: 'NotificationReceived',
  resume_incomplete: 'ResumeIncomplete',
} as const

function parseDateTime(value: unknown): Date {
  const date = typeof value === 'string' ? new Date(value) : undefined
  if (!date || Number.isNaN(date.getTime()))
    throw new GraphQLError('expected an ISO 8601 date and time such as "2023-07-15T10:30:00.000Z"')
  return date
}
