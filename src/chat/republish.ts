import { notFound } from '../errors.ts'
import type { UserRecord } from '../store/users.ts'
import { topicsOf } from './access.ts'
import type { Also, Commits } from './commit.ts'
import { groupTopic, userTopic, type GroupPayload, type MembershipPayload } from './events.ts'
import type { Notifications } from './notifications.ts'

/**
 * The server-side push API (docs/protocol.md, section 7): each call publishes a new event. Throws NOT_FOUND if there is nothing
 * to push.
 */
export interface Republish {
  newMessage(messageId: number, isGroup: boolean, also?: Also): Promise<void>
  groupUpdate(groupId: number, also?: Also): Promise<void>
  memberJoined(groupId: number, userId: number, also?: Also): Promise<void>
  memberLeft(groupId: number, userId: number, also?: Also): Promise<void>
  systemNotification: Notifications['send']
}

export function createRepublish(options: { commits: Commits; notifications: Notifications }): Republish {
  const { commits, notifications } = options

  async function pushMembership(
    kind: 'member_joined' | 'member_left',
    groupId: number,
    userId: number,
    also: Also | undefined,
  ): Promise<void> {
    await commits.run(async (tx) => {
      await tx.lock([groupTopic(groupId), userTopic(userId)])
      const group = (await tx.groups.byIds([groupId])).get(groupId)
      const user = (await tx.users.byIds([userId])).get(userId)
      if (!group) throw notFound(`there is no group ${groupId}`)
      if (!user) throw notFound(`there is no user ${userId}`)
      const isMember = (await tx.groups.roles(groupId, [userId])).has(userId)
      const payload: MembershipPayload = {
        groupId,
        conversationId: group.conversationId,
        user: { id: userId, name: user.name, avatar: user.avatar } satisfies Pick<UserRecord, 'id' | 'name' | 'avatar'>,
        memberCount: group.memberCount,
      }
      // Only members receive the group's topic.
      tx.append({ topics: isMember ? [groupTopic(groupId)] : [groupTopic(groupId), userTopic(userId)], kind, payload })
    }, also)
  }

  return {
    async newMessage(messageId, isGroup, also) {
      await commits.run(async (tx) => {
        const found = (await tx.messages.byIds([messageId])).get(messageId)
        const conversation = found && (await tx.conversations.byIds([found.conversationId])).get(found.conversationId)
        if (!conversation || conversation.isGroup !== isGroup) {
          throw notFound(`there is no ${isGroup ? 'group' : 'direct'} message ${messageId}`)
        }
        const topics = topicsOf(conversation)
        await tx.lock(topics)
        // Read again under the lock: it may have been edited or deleted meanwhile.
        const message = (await tx.messages.byIds([messageId])).get(messageId)
        if (!message || message.deletedAt !== undefined) throw notFound(`message ${messageId} is deleted`)
        tx.append({ topics, kind: 'message_sent', payload: null, message })
      }, also)
    },

    async groupUpdate(groupId, also) {
      await commits.run(async (tx) => {
        await tx.lock([groupTopic(groupId)])
        const group = (await tx.groups.byIds([groupId])).get(groupId)
        if (!group) throw notFound(`there is no group ${groupId}`)
        const payload: GroupPayload = { group }
        tx.append({ topics: [groupTopic(groupId)], kind: 'group_updated', payload })
      }, also)
    },

    memberJoined: (groupId, userId, also) => pushMembership('member_joined', groupId, userId, also),
    memberLeft: (groupId, userId, also) => pushMembership('member_left', groupId, userId, also),
    systemNotification: (type, data, userIds, also) => notifications.send(type, data, userIds, also),
  }
}
