import { badInput, ChatError, notFound } from '../../errors.ts'
import type { OperationContext } from '../context.ts'
import type { MutationResolvers } from '../generated/resolvers.ts'
import { parseIntId, requireBigId, requireIntId } from '../../ids.ts'
import type { Also } from '../../chat/commit.ts'
import { adminMutations } from './admin-mutations.ts'
import { audited, requireAdmin, type Target } from './admins.ts'

const user = (id: string): number => requireIntId(id, 'user')
const group = (id: string): number => requireIntId(id, 'group')
const message = (id: string): number => requireBigId(id, 'message')

/** An invalid user id is no member's id either. */
function mentioned(id: string): number {
  const userId = parseIntId(id)
  if (userId === undefined) throw badInput(`mentionIds has ${JSON.stringify(id.slice(0, 40))}, expected ids of members`)
  return userId
}

/** Whether a push succeeded: false if there was nothing to push, as the five functions of the push API return. */
async function pushed(
  context: OperationContext,
  action: string,
  target: Target,
  details: Readonly<Record<string, unknown>>,
  push: (also: Also) => Promise<void>,
): Promise<boolean> {
  try {
    await audited(context, action, target, details, push)
    return true
  } catch (error) {
    if (error instanceof ChatError && error.code === 'NOT_FOUND') return false
    throw error
  }
}

/** Rejects null for fields that need a value; absent ones stay as they are. */
function requireValues<Input extends object>(input: Input, fields: readonly (keyof Input)[]): void {
  for (const field of fields)
    if (input[field] === null) throw badInput(`${String(field)} is null, expected a value or nothing at all`)
}

/** Tolerated clock difference. */
const CLOCKS_MS = 60_000

export const mutations: MutationResolvers = {
  ...adminMutations,

  // Not async up to the queue: a connection's messages are stored in the order of their execution.
  sendMessage: (_root, { input }, { chat, viewer }) => {
    const {
      conversationId,
      receiverId,
      isGroup,
      content,
      messageType,
      mediaUrl,
      clientMessageId,
      replyToId,
      mentionIds,
      mentionAll,
    } = input
    return chat.messages.send(viewer.userId, {
      conversationId: conversationId ?? null,
      receiverId: receiverId == null ? null : user(receiverId),
      isGroup: isGroup ?? null,
      content,
      messageType: messageType ?? 'text',
      mediaUrl: mediaUrl ?? null,
      key: clientMessageId ?? null,
      replyToId: replyToId == null ? null : message(replyToId),
      mentionIds: mentionIds?.map(mentioned) ?? null,
      mentionAll: mentionAll ?? false,
    })
  },

  editMessage: (_root, { input: { messageId, content, mentionIds, isGroup } }, { chat, viewer }) =>
    chat.edits.edit(viewer.userId, { messageId: message(messageId), content, mentionIds: mentionIds?.map(mentioned), isGroup }),

  deleteMessage: async (_root, { messageId, isGroup }, { chat, viewer, admin }) => {
    const id = message(messageId)
    const entry = { actorId: viewer.userId, action: 'deleteMessage', targetType: 'Message', targetId: messageId, details: {} }
    const deletion = viewer.isAdmin
      ? await admin.audited(entry, (also) => chat.deletions.delete(viewer, id, isGroup, also))
      : await chat.deletions.delete(viewer, id, isGroup)
    return deletion.message
  },

  setTyping: async (_root, { conversationId, typing }, { chat, viewer, connectionId }) => {
    await chat.typing.set(viewer.userId, connectionId, conversationId, typing)
    return true
  },

  markMessageRead: (_root, { messageId, isGroup }, { chat, viewer }) =>
    chat.receipts.markMessage(viewer.userId, message(messageId), isGroup),

  markConversationRead: (_root, { conversationId, upToMessageId }, { chat, viewer }) =>
    chat.receipts.markConversation(viewer.userId, conversationId, message(upToMessageId)),

  updateConversationSettings: async (_root, { conversationId, input }, context) => {
    requireValues(input, ['pinned', 'archived'])
    const { pinned, archived, mutedUntil } = input
    await context.chat.conversationSettings.update(context.viewer.userId, conversationId, {
      ...(pinned == null ? {} : { pinned }),
      ...(archived == null ? {} : { archived }),
      ...(mutedUntil === undefined ? {} : { mutedUntil: mutedUntil?.getTime() ?? null }),
    })
    const conversation = await context.load.conversation.load(conversationId)
    if (!conversation) throw notFound(`there is no conversation ${conversationId.slice(0, 64)}`)
    return conversation
  },

  markConversationUnread: (_root, { conversationId, fromMessageId }, { chat, viewer }) =>
    chat.receipts.markConversationUnread(viewer.userId, conversationId, message(fromMessageId)),

  addReaction: (_root, { messageId, reaction, isGroup }, { chat, viewer }) =>
    chat.reactions.add(viewer.userId, message(messageId), reaction, isGroup),

  removeReaction: (_root, { messageId, reaction, isGroup }, { chat, viewer }) =>
    chat.reactions.remove(viewer.userId, message(messageId), reaction, isGroup),

  createGroup: (_root, { input }, { chat, viewer }) =>
    chat.groups.create(
      viewer.userId,
      {
        name: input.name,
        avatar: input.avatar ?? null,
        announcement: input.announcement ?? null,
        joinApprovalRequired: input.joinApprovalRequired ?? false,
        allowInvitation: input.allowInvitation ?? true,
        allowSendMessages: input.allowSendMessages ?? true,
        historyVisible: input.historyVisible ?? true,
      },
      (input.memberIds ?? []).map(user),
      viewer,
    ),

  updateGroup: (_root, { groupId, input }, { chat, viewer }) => {
    requireValues(input, ['name', 'joinApprovalRequired', 'allowInvitation', 'allowSendMessages', 'historyVisible'])
    const changes = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
    return chat.groups.update(viewer.userId, group(groupId), changes)
  },

  joinGroup: (_root, { groupId }, { chat, viewer }) => chat.groups.join(viewer.userId, group(groupId)),

  decideJoinRequest: (_root, { groupId, userId, approve }, { chat, viewer }) =>
    chat.groups.decide(viewer.userId, group(groupId), user(userId), approve),

  inviteToGroup: (_root, { groupId, userIds }, { chat, viewer }) =>
    chat.groups.invite(viewer.userId, group(groupId), userIds.map(user), viewer),

  leaveGroup: async (_root, { groupId }, { chat, viewer }) => {
    await chat.groups.leave(viewer.userId, group(groupId))
    return true
  },

  removeGroupMember: (_root, { groupId, userId }, { chat, viewer }) =>
    chat.groups.remove(viewer.userId, group(groupId), user(userId)),

  setGroupRole: (_root, { groupId, userId, role }, { chat, viewer }) =>
    chat.groups.setRole(viewer.userId, group(groupId), user(userId), role),

  blockUser: (_root, { userId }, { chat, viewer }) => chat.blocks.block(viewer.userId, user(userId)),
  unblockUser: (_root, { userId }, { chat, viewer }) => chat.blocks.unblock(viewer.userId, user(userId)),

  markNotificationRead: (_root, { id }, { chat, viewer }) =>
    chat.notifications.markRead(viewer.userId, requireBigId(id, 'notification')),

  pushNewMessage: (_root, { messageId, isGroup }, context) =>
    pushed(context, 'pushNewMessage', ['Message', messageId], { isGroup }, (also) =>
      context.chat.republish.newMessage(message(messageId), isGroup, also),
    ),

  pushGroupUpdate: (_root, { groupId }, context) =>
    pushed(context, 'pushGroupUpdate', ['Group', groupId], {}, (also) =>
      context.chat.republish.groupUpdate(group(groupId), also),
    ),

  pushMemberJoined: (_root, { groupId, userId }, context) =>
    pushed(context, 'pushMemberJoined', ['Group', groupId], { userId }, (also) =>
      context.chat.republish.memberJoined(group(groupId), user(userId), also),
    ),

  pushMemberLeft: (_root, { groupId, userId }, context) =>
    pushed(context, 'pushMemberLeft', ['Group', groupId], { userId }, (also) =>
      context.chat.republish.memberLeft(group(groupId), user(userId), also),
    ),

  pushSystemNotification: (_root, { notificationType, data, userIds }, context) =>
    pushed(context, 'pushSystemNotification', ['User', null], { notificationType, userIds }, (also) =>
      context.chat.republish.systemNotification(notificationType, data, userIds.map(user), also),
    ),

  refreshToken: async (_root, { token }, { tokens, connectionId }) => {
    if (connectionId === null)
      throw badInput('a single HTTP request has no connection that could go on: send the new token with the next one')
    return await tokens.refresh(connectionId, token)
  },

  disconnectUser: async (_root, { userId, reason, revokeBefore }, context) => {
    requireAdmin(context)
    const before = revokeBefore?.getTime()
    if (before !== undefined && before > Date.now() + CLOCKS_MS)
      throw badInput('revokeBefore lies in the future, expected a time up to now')
    if (reason != null && Buffer.byteLength(reason) > 100) throw badInput('reason is longer than 100 bytes of UTF-8')
    const details = { ...(reason == null ? {} : { reason }), ...(before === undefined ? {} : { revokeBefore }) }
    return await audited(context, 'disconnectUser', ['User', userId], details, (also) =>
      context.admin.disconnectUser(user(userId), reason ?? undefined, before, also),
    )
  },
}
