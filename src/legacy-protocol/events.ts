/** The feed's events as pushes (docs/protocol.md, section 4): from what a GraphQL client gets to what a legacy client gets. */
import { encodePush, formatTimestamp } from './codec.ts'
import type { PushData, PushType } from './frames.ts'
import type { LegacyFeedSubscription } from './operations.generated.ts'

/** What the subscription `LegacyFeed` (operations.graphql) yields as `events`. */
export type FeedEvent = LegacyFeedSubscription['events']
type Of<Type extends FeedEvent['__typename']> = Extract<FeedEvent, { __typename: Type }>

/** The type of the push that tells of each event. */
export const PUSH_OF = {
  MessageSent: 'message_sent',
  MessageRead: 'message_read',
  ReactionAdded: 'reaction_added',
  ReactionRemoved: 'reaction_removed',
  TypingChanged: 'typing',
  OnlineStatusChanged: 'online_status',
  GroupUpdated: 'group_updated',
  MemberJoined: 'user_joined_group',
  MemberLeft: 'user_left_group',
  NotificationReceived: 'notification',
} as const satisfies Record<
  Exclude<FeedEvent['__typename'], 'ConversationRead' | 'ResumeIncomplete' | 'MessageEdited' | 'MessageDeleted' | 'BlockChanged'>,
  PushType
>

/** The push that tells a legacy client of an event; null where there is none, and for `ResumeIncomplete`, which the response to `resume` tells. */
export function encodeEvent(event: FeedEvent): string | null {
  const id = event.id ?? undefined
  const timestamp = formatTimestamp(event.timestamp)
  switch (event.__typename) {
    case 'MessageSent':
      // A replay may come to a message that was deleted since.
      return event.message.deletedAt === null ? encodePush(PUSH_OF.MessageSent, messageData(event.message), id) : null
    case 'MessageEdited':
    case 'MessageDeleted':
      return null
    case 'MessageRead':
      return encodePush(
        PUSH_OF.MessageRead,
        { message_id: Number(event.messageId), is_group: event.isGroup, reader_id: Number(event.readerId), read_at: timestamp },
        id,
      )
    case 'ReactionAdded':
      return encodePush(PUSH_OF.ReactionAdded, reactionData(event), id)
    case 'ReactionRemoved':
      return encodePush(PUSH_OF.ReactionRemoved, reactionData(event), id)
    case 'TypingChanged': {
      const { conversationId, user, typing } = event
      return encodePush(
        PUSH_OF.TypingChanged,
        { session_id: conversationId, user_id: Number(user.id), user_name: user.name, typing, timestamp },
        id,
      )
    }
    case 'OnlineStatusChanged':
      return encodePush(
        PUSH_OF.OnlineStatusChanged,
        { user_id: Number(event.userId), online: event.online, last_active: formatTimestamp(event.lastActive) },
        id,
      )
    case 'GroupUpdated': {
      const data = groupData(event.group, event.announcement)
      return encodePush(PUSH_OF.GroupUpdated, { group_id: data.group_id, update_type: 'group_info', data, timestamp }, id)
    }
    case 'MemberJoined': {
      const data = memberData(event)
      return encodePush(PUSH_OF.MemberJoined, { group_id: data.group_id, update_type: 'member_joined', data, timestamp }, id)
    }
    case 'MemberLeft': {
      const data = memberData(event)
      return encodePush(PUSH_OF.MemberLeft, { group_id: data.group_id, update_type: 'member_left', data, timestamp }, id)
    }
    case 'NotificationReceived': {
      const { notificationType, data } = event.notification
      return encodePush(PUSH_OF.NotificationReceived, { notification_type: notificationType, data }, id)
    }
    case 'BlockChanged':
    case 'ConversationRead':
    case 'ResumeIncomplete':
      return null
  }
}

function messageData({ conversation, sender, ...message }: Of<'MessageSent'>['message']): PushData<'message_sent'> {
  const body = {
    id: Number(message.id),
    session_id: conversation.id,
    sender_id: Number(sender.id),
    sender_name: sender.name,
    sender_avatar: sender.avatar,
    content: message.content,
    message_type: message.messageType,
    media_url: message.mediaUrl,
  }
  const timestamp = formatTimestamp(message.timestamp)
  if (!conversation.isGroup) return { ...body, is_group: false, timestamp }
  return { ...body, is_group: true, timestamp, group_id: conversation.group === null ? null : Number(conversation.group.id) }
}

function reactionData(event: Of<'ReactionAdded' | 'ReactionRemoved'>): PushData<'reaction_added'> {
  return {
    message_id: Number(event.messageId),
    is_group: event.isGroup,
    reaction: event.reaction,
    user_id: Number(event.userId),
    reaction_count: event.reactionCount,
    reaction_user_ids: event.reactionUserIds.map(Number),
    timestamp: formatTimestamp(event.timestamp),
  }
}

function groupData(group: Of<'GroupUpdated'>['group'], announcement: string | null): PushData<'group_updated'>['data'] {
  return {
    group_id: Number(group.id),
    name: group.name,
    avatar: group.avatar,
    announcement,
    member_count: group.memberCount,
    join_approval_required: group.joinApprovalRequired,
    allow_invitation: group.allowInvitation,
    allow_send_messages: group.allowSendMessages,
  }
}

function memberData({ groupId, user, memberCount }: Of<'MemberJoined' | 'MemberLeft'>): PushData<'user_joined_group'>['data'] {
  return {
    group_id: Number(groupId),
    user_id: Number(user.id),
    username: user.name,
    avatar: user.avatar,
    member_count: memberCount,
  }
}
