import { Kind, type FieldNode, type GraphQLResolveInfo, type SelectionNode } from 'graphql'
import { notFound } from '../../errors.ts'
import type { OperationContext } from '../context.ts'
import type { Resolvers } from '../generated/resolvers.ts'
import { decodeCursor, isId, isUserId, pageSize, toPage } from '../pagination.ts'
import type { ConversationSettingsModel, GroupModel, UserModel } from '../models.ts'

type Context = OperationContext

/** A part of a user that an event may carry, which then needs no query; otherwise that of the stored user. */
function userField<K extends 'name' | 'avatar' | 'lastActive'>(user: UserModel, field: K, context: Context) {
  const value = user[field]
  if (value !== undefined) return value as Exclude<UserModel[K], undefined>
  return context.load.user.load(user.id).then((stored) => {
    if (!stored) throw new Error(`user ${user.id} is gone`)
    return stored[field] as Exclude<UserModel[K], undefined>
  })
}

/** Whether viewer and user can't see each other's presence because of a block. */
const hidesPresence = (userId: number, { viewer, viewerLoad }: Context): boolean | Promise<boolean> =>
  userId !== viewer.userId && viewerLoad.isBlocked.load(userId)

type GroupField =
  | 'name'
  | 'avatar'
  | 'announcement'
  | 'memberCount'
  | 'joinApprovalRequired'
  | 'allowInvitation'
  | 'allowSendMessages'
  | 'historyVisible'
  | 'conversationId'

function groupField<K extends GroupField>(group: GroupModel, field: K, context: Context) {
  const value = group[field]
  if (value !== undefined) return value as Exclude<GroupModel[K], undefined>
  return context.load.group.load(group.id).then((stored) => {
    // A closed group is not found by its members either.
    if (!stored) throw notFound(`there is no group ${group.id}`)
    return stored[field] as Exclude<GroupModel[K], undefined>
  })
}

/**
 * A field for members of the conversation only. Others get NOT_FOUND; within an event they get `nothing`, so that a replayed
 * event of a former membership still arrives.
 */
async function forMembers<T>(conversationId: string, context: Context, read: () => T | Promise<T>, nothing: T): Promise<T> {
  if (await context.read.contents(conversationId)) return await read()
  if (context.isEvent) return nothing
  throw notFound(`there is no conversation ${conversationId.slice(0, 64)}`)
}

/** For viewers without settings there: they are not in the conversation. */
const NOT_KEPT: ConversationSettingsModel = { mutedUntil: null, pinned: false, archived: false }

const emptyPage = (kind: string, after: string | null | undefined) =>
  toPage<never, never>(
    kind,
    [],
    0,
    after,
    (row) => row,
    (row) => row,
  )

async function memberPage(
  context: Context,
  conversationId: string,
  first: number | null | undefined,
  after: string | null | undefined,
) {
  const size = pageSize(first, 50)
  const key = { conversationId, after: decodeCursor('member', after, isUserId) ?? 0, limit: size + 1 }
  const rows = await context.load.memberPage.load(key)
  await context.turn(rows.length)
  return { rows, size }
}

/** Fields of a user for admins only. */
const accountOf = async (userId: number, { viewer, load }: Context) =>
  viewer.isAdmin ? await load.account.load(userId) : undefined

/** The root field above a field. */
function rootField({ path, operation }: GraphQLResolveInfo): string {
  let root = path
  while (root.prev) root = root.prev
  const isIt = (node: SelectionNode): node is FieldNode =>
    node.kind === Kind.FIELD && (node.alias ?? node.name).value === root.key
  return operation.selectionSet.selections.find(isIt)?.name.value ?? String(root.key)
}

/** Resolvers of what people see: users, conversations, messages, groups. Those of other types and of the root fields are in their own files, by kind. */
export const types = {
  User: {
    name: (user, _, context) => userField(user, 'name', context),
    avatar: (user, _, context) => userField(user, 'avatar', context),
    online: async ({ id }, _, context) => !(await hidesPresence(id, context)) && context.load.online.load(id),
    lastActive: async (user, _, context) =>
      (await hidesPresence(user.id, context)) ? null : userField(user, 'lastActive', context),
    bannedUntil: async ({ id }, _, context) => (await accountOf(id, context))?.bannedUntil ?? null,
    createdAt: async ({ id }, _, context) => (await accountOf(id, context))?.createdAt ?? null,
  },

  Conversation: {
    group: ({ groupId }) => (groupId === null ? null : { id: groupId }),
    members: ({ id }, { first, after }, context) =>
      forMembers(
        id,
        context,
        async () => {
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
        emptyPage('member', after),
      ),
    lastMessage: async ({ id }, _, { load, read }, info) => {
      const horizon = await read.history(id, rootField(info))
      const last = horizon === undefined ? undefined : await load.latestMessage.load(id)
      return last && last.id > (horizon ?? 0) ? last : null
    },
    unreadCount: ({ id }, _, context) =>
      forMembers(id, context, async () => (await context.viewerLoad.readState.load(id))?.unread ?? 0, 0),
    unreadMentionCount: ({ id }, _, context) =>
      forMembers(id, context, async () => (await context.viewerLoad.mentions.load(id))?.unreadMentions ?? 0, 0),
    settings: ({ id }, _, context) =>
      forMembers(id, context, async () => (await context.viewerLoad.settings.load(id)) ?? NOT_KEPT, NOT_KEPT),
    readUpTo: ({ id }, _, context) =>
      forMembers(id, context, async () => (await context.viewerLoad.readState.load(id))?.readUpTo ?? null, null),
    messages: ({ id }, { first, after }, context, info) =>
      forMembers(
        id,
        context,
        async () => {
          const size = pageSize(first, 50)
          const before = decodeCursor('message', after, isId)
          const horizon = (await context.read.history(id, rootField(info))) ?? 0
          const rows = await context.load.messagePage.load({ conversationId: id, before, horizon, limit: size + 1 })
          await context.turn(rows.length)
          return toPage(
            'message',
            rows,
            size,
            after,
            (message) => message.id,
            (message) => message,
          )
        },
        emptyPage('message', after),
      ),
  },

  ConversationSettings: {
    // An event may be delivered after the time is over.
    mutedUntil: ({ mutedUntil }) => (mutedUntil !== null && mutedUntil > Date.now() ? mutedUntil : null),
  },

  Message: {
    conversation: ({ conversationId, isGroup, groupId }) => ({ id: conversationId, isGroup, groupId }),
    sender: ({ senderId, senderName, senderAvatar }) => ({ id: senderId, name: senderName, avatar: senderAvatar }),
    timestamp: ({ at }) => at,
    reactions: async (message, _, context) =>
      (await context.showsContents(message)) ? context.load.reactions.load(message.id) : [],
    readBy: async (message, _, context) => ((await context.showsContents(message)) ? context.load.receipts.load(message.id) : []),
    editedAt: ({ editedAt }) => editedAt ?? null,
    deletedAt: ({ deletedAt }) => deletedAt ?? null,
    deletedBy: ({ deletedById }) => (deletedById === undefined ? null : { id: deletedById }),
    // A user who sees the reply sees the quoted message, even from before their horizon.
    replyTo: async (message, _, context) =>
      message.replyToId !== undefined && (await context.showsContents(message))
        ? ((await context.load.message.load(message.replyToId)) ?? null)
        : null,
    replyToId: ({ replyToId }) => replyToId ?? null,
    replyCount: ({ replyCount }) => replyCount ?? 0,
    replies: ({ id, conversationId }, { first, after }, context) =>
      forMembers(
        conversationId,
        context,
        async () => {
          const size = pageSize(first, 50)
          const horizon = (await context.read.history(conversationId)) ?? 0
          const from = Math.max(horizon, decodeCursor('reply', after, isId) ?? 0)
          const key = { messageId: id, after: from, limit: size + 1 }
          const rows = await context.load.replyPage.load(key)
          await context.turn(rows.length)
          return toPage(
            'reply',
            rows,
            size,
            after,
            (message) => message.id,
            (message) => message,
          )
        },
        emptyPage('reply', after),
      ),
    mentions: ({ mentionIds = [] }) => mentionIds.map((userId) => ({ id: userId })),
    mentionsAll: ({ mentionsAll }) => mentionsAll ?? false,
  },

  ReactionSummary: {
    count: ({ userIds }) => userIds.length,
  },

  Group: {
    conversation: async (group, _, context) =>
      (await context.read.groupContents(group.id))
        ? { id: await groupField(group, 'conversationId', context), isGroup: true, groupId: group.id }
        : null,
    name: (group, _, context) => groupField(group, 'name', context),
    avatar: (group, _, context) => groupField(group, 'avatar', context),
    announcement: async (group, _, context) =>
      (await context.read.groupContents(group.id)) ? groupField(group, 'announcement', context) : null,
    memberCount: (group, _, context) => groupField(group, 'memberCount', context),
    members: async (group, { first, after }, context) => {
      if (!(await context.read.groupContents(group.id))) return null
      const { rows, size } = await memberPage(context, await groupField(group, 'conversationId', context), first, after)
      return toPage(
        'member',
        rows,
        size,
        after,
        ({ userId }) => userId,
        (member) => ({ ...member, groupId: group.id }),
      )
    },
    joinApprovalRequired: (group, _, context) => groupField(group, 'joinApprovalRequired', context),
    allowInvitation: (group, _, context) => groupField(group, 'allowInvitation', context),
    allowSendMessages: (group, _, context) => groupField(group, 'allowSendMessages', context),
    historyVisible: (group, _, context) => groupField(group, 'historyVisible', context),
    joinRequests: async (group, _, context) => {
      if (!(await context.read.joinRequests(group.id))) return null
      return ((await context.load.joinRequests.load(group.id)) ?? []).map((id) => ({ id }))
    },
  },

  GroupMember: {
    user: ({ userId }) => ({ id: userId }),
    mutedUntil: async ({ groupId, userId }, _, { viewer, read, load }) => {
      const isSeen = userId === viewer.userId || viewer.isAdmin || (await read.joinRequests(groupId))
      return isSeen ? ((await load.mute.load({ groupId, userId })) ?? null) : null
    },
  },

  Notification: {
    notificationType: ({ type }) => type,
    timestamp: ({ at }) => at,
  },
} satisfies Partial<Resolvers>
