/** The feed's events as pushes (docs/protocol.md, section 4): from a GraphQL result to a legacy frame. */
import { capabilitySet, hasCapability, NO_CAPABILITIES, type Capability, type CapabilitySet } from './capabilities.ts'
import { encodePush, formatTimestamp } from './codec.ts'
import { PUSHES, type AlsoFields, type PushData, type PushType } from './frames.ts'
import type { Fields } from './fields.ts'
import type { LegacyFeedSubscription } from './operations.generated.ts'

/** The type of `events` in the subscription `LegacyFeed` (operations.graphql). */
export type FeedEvent = LegacyFeedSubscription['events']
type Of<Type extends FeedEvent['__typename']> = Extract<FeedEvent, { __typename: Type }>

/** The push type for each event. */
export const PUSH_OF = {
  MessageSent: 'message_sent',
  MessageEdited: 'message_edited',
  MessageDeleted: 'message_deleted',
  ConversationRead: 'conversation_read',
  UserUpdated: 'user_updated',
  MessageRead: 'message_read',
  ReactionAdded: 'reaction_added',
  ReactionRemoved: 'reaction_removed',
  TypingChanged: 'typing',
  OnlineStatusChanged: 'online_status',
  GroupUpdated: 'group_updated',
  MemberJoined: 'user_joined_group',
  MemberLeft: 'user_left_group',
  NotificationReceived: 'notification',
} as const satisfies Record<PushedEvent['__typename'], PushType>

/** Events without a push: those of GraphQL alone, and `ResumeIncomplete`, which the response to `resume` reports. */
type Pushless = 'BlockChanged' | 'ConversationSettingsChanged' | 'NotificationRead' | 'UserErased' | 'ResumeIncomplete'
type PushedEvent = Exclude<FeedEvent, { __typename: Pushless }>
const isPushed = (event: FeedEvent): event is PushedEvent => Object.hasOwn(PUSH_OF, event.__typename)
interface PushSpec {
  readonly fields: Fields
  readonly needs?: Capability
  readonly also?: AlsoFields
}
const specOf = (event: PushedEvent): PushSpec => PUSHES[PUSH_OF[event.__typename]]

/** The capability required for pushing an event of this type of the schema; undefined if it needs none, or has no push. */
export function neededBy(type: string): Capability | undefined {
  const spec: PushSpec | undefined = Object.hasOwn(PUSH_OF, type) ? PUSHES[PUSH_OF[type as PushedEvent['__typename']]] : undefined
  return spec?.needs
}

/** The capabilities that a push depends on, by the type of its event: others do not change its bytes. */
const RELEVANT = new Map<string, CapabilitySet>(
  Object.entries(PUSH_OF).map(([type, push]) => {
    const { needs, also = {} }: PushSpec = PUSHES[push]
    return [type, capabilitySet([...(needs ? [needs] : []), ...Object.keys(also)])]
  }),
)

/** Those of a connection's capabilities that matter for an event: connections with the same ones get the same bytes. */
export const relevantTo = ({ __typename }: FeedEvent, capabilities: CapabilitySet): CapabilitySet =>
  capabilities & (RELEVANT.get(__typename) ?? NO_CAPABILITIES)

/**
 * The push for an event and a legacy client with these capabilities. Null if there is none, if it needs another capability, or
 * for a replayed event about a message that has been deleted since.
 */
export function encodeEvent(event: FeedEvent, capabilities: CapabilitySet = NO_CAPABILITIES): string | null {
  if (!isPushed(event) || isGone(event)) return null
  const { needs } = specOf(event)
  return needs && !hasCapability(capabilities, needs) ? null : encodePushed(event, capabilities)
}

/** Whether it refers to a message that has been deleted since. */
function isGone(event: PushedEvent): boolean {
  if (event.__typename === 'MessageSent' || event.__typename === 'MessageEdited') return event.message.deletedAt !== null
  return (event.__typename === 'ReactionAdded' || event.__typename === 'ReactionRemoved') && event.messageDeleted
}

const deletionData = (event: Of<'MessageDeleted'>) => ({
  message_id: Number(event.messageId),
  session_id: event.conversationId,
  is_group: event.isGroup,
  deleted_by: Number(event.deletedById),
})

function encodePushed(event: PushedEvent, capabilities: CapabilitySet): string {
  const id = event.id ?? undefined
  const timestamp = formatTimestamp(event.timestamp)
  switch (event.__typename) {
    case 'MessageSent': {
      const { message } = event
      const data = messageData(message)
      return encodePush(
        PUSH_OF.MessageSent,
        capabilities === NO_CAPABILITIES ? data : { ...data, ...quotesOf(message, capabilities) },
        id,
      )
    }
    case 'MessageEdited': {
      const { message } = event
      const edited_at = formatTimestamp(message.editedAt ?? event.timestamp)
      return encodePush(PUSH_OF.MessageEdited, { ...messageData(message), edited_at, ...quotesOf(message, capabilities) }, id)
    }
    case 'MessageDeleted':
      return encodePush(PUSH_OF.MessageDeleted, { ...deletionData(event), timestamp }, id)
    case 'ConversationRead': {
      const read_up_to = event.readUpTo === null ? null : Number(event.readUpTo)
      const data = { session_id: event.conversationId, read_up_to, unread_count: event.unreadCount, timestamp }
      return encodePush(PUSH_OF.ConversationRead, data, id)
    }
    case 'UserUpdated': {
      const { id: userId, name, avatar } = event.user
      return encodePush(PUSH_OF.UserUpdated, { user_id: Number(userId), username: name, avatar, timestamp }, id)
    }
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
  }
}

type Message = Of<'MessageSent' | 'MessageEdited'>['message']

/** The fields that `replies` adds to a message. */
function quotesOf({ replyToId, mentions }: Message, capabilities: CapabilitySet) {
  if (!hasCapability(capabilities, 'replies')) return {}
  return {
    reply_to_id: replyToId === null ? null : Number(replyToId),
    mention_ids: mentions.map(({ id }) => Number(id)).toSorted((a, b) => a - b),
  }
}

/** Made for each message that is sent: as literals, since copies of objects cost several times as much. */
function messageData(message: Message) {
  const { conversation, sender } = message
  if (!conversation.isGroup) {
    return {
      id: Number(message.id),
      session_id: conversation.id,
      sender_id: Number(sender.id),
      sender_name: sender.name,
      sender_avatar: sender.avatar,
      content: message.content,
      message_type: message.messageType,
      media_url: message.mediaUrl,
      is_group: false as const,
      timestamp: formatTimestamp(message.timestamp),
    }
  }
  return {
    id: Number(message.id),
    session_id: conversation.id,
    sender_id: Number(sender.id),
    sender_name: sender.name,
    sender_avatar: sender.avatar,
    content: message.content,
    message_type: message.messageType,
    media_url: message.mediaUrl,
    is_group: true as const,
    timestamp: formatTimestamp(message.timestamp),
    group_id: conversation.group === null ? null : Number(conversation.group.id),
  }
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
