import { requireBigId, requireIntId } from '../../ids.ts'
import type { MutationResolvers } from '../generated/resolvers.ts'
import type { BanRecord } from '../../chat/reads.ts'
import { audited } from './admins.ts'

/** Mutations of admins, and reports of members. */
export const adminMutations = {
  reportMessage: async (_root, { messageId, reason }, { chat, viewer, admin }) => {
    const { report, isNew } = await chat.moderation.report(viewer.userId, requireBigId(messageId, 'message'), reason)
    if (isNew) admin.showReport(report)
    return report
  },

  // The audited arguments must not contain what the message said.
  resolveReport: (_root, { id, status, note }, context) =>
    audited(context, 'resolveReport', ['Report', id], { status }, (also) =>
      context.chat.moderation.resolve(context.viewer.userId, requireBigId(id, 'report'), status, note ?? null, also),
    ),

  banUser: async (_root, { userId, until, reason }, context) => {
    const details = { until: until?.toISOString() ?? null, reason }
    const ban = await audited(context, 'banUser', ['User', userId], details, (also) =>
      context.chat.moderation.ban(context.viewer.userId, requireIntId(userId, 'user'), until?.getTime(), reason, also),
    )
    await context.admin.enforceBan(ban)
    return { id: ban.userId }
  },

  unbanUser: async (_root, { userId }, context) => {
    const ban = await audited(context, 'unbanUser', ['User', userId], {}, (also) =>
      context.chat.moderation.unban(requireIntId(userId, 'user'), also),
    )
    await context.admin.enforceBan(ban)
    return { id: ban.userId }
  },

  muteGroupMember: async (_root, { groupId, userId, until }, { chat, viewer, admin }) => {
    const mute = (also?: Parameters<typeof chat.groups.mute>[0]['also']) =>
      chat.groups.mute(
        { userId: viewer.userId, ...(also ? { also } : {}) },
        requireIntId(groupId, 'group'),
        requireIntId(userId, 'user'),
        until?.getTime() ?? null,
      )
    if (!viewer.isAdmin) return await mute()
    const details = { userId, until: until?.toISOString() ?? null }
    const entry = { actorId: viewer.userId, action: 'muteGroupMember', targetType: 'Group', targetId: groupId, details }
    return await admin.audited(entry, mute)
  },

  eraseUser: (_root, { userId }, context) =>
    audited(context, 'eraseUser', ['User', userId], {}, (also) =>
      context.chat.erasure.erase(
        context.viewer.userId,
        requireIntId(userId, 'user'),
        (ban) => context.admin.enforceBan(ban),
        also,
      ),
    ),

  // Neither name nor avatar is audited: the audit log outlives the user.
  upsertUser: async (_root, { id, name, avatar }, context) => {
    let ban: BanRecord | undefined
    const userId = requireIntId(id, 'user')
    const user = await audited(context, 'upsertUser', ['User', id], {}, (also) =>
      context.chat.users.upsert({ id: userId, name, avatar }, async (tx) => {
        ban = await tx.bans.setErased(userId, false)
        await also(tx)
      }),
    )
    if (ban) await context.admin.enforceBan(ban)
    return user
  },

  deleteMessagesOf: (_root, { userId, since }, context) =>
    audited(context, 'deleteMessagesOf', ['User', userId], { since: since.toISOString() }, (also) =>
      context.chat.moderation.deleteMessagesOf(context.viewer.userId, requireIntId(userId, 'user'), since.getTime(), also),
    ),
} satisfies Partial<MutationResolvers>
