import type { ChatEvent } from '../chat/events.ts'
import type { WatchedActivity } from '../admin/activity.ts'
import type { ConnectionRecord, NodeRecord, TopicRecord } from '../admin/contract.ts'
import type {
  ConversationRecord,
  GroupRecord,
  MessageRecord,
  NotificationRecord,
  ReactionRecord,
  ReceiptRecord,
  Role,
  UserRecord,
} from '../chat/reads.ts'

/*
 * What resolvers hand to each other. An event carries part of what it tells of, so that most subscriptions need no
 * query: what is not there is loaded by id.
 */

export type UserModel = Pick<UserRecord, 'id'> & Partial<UserRecord>
export type ConversationModel = Pick<ConversationRecord, 'id' | 'isGroup' | 'groupId'>
export type GroupModel = Pick<GroupRecord, 'id'> & Partial<GroupRecord>
export type MessageModel = MessageRecord
export type NotificationModel = NotificationRecord
export type ReactionSummaryModel = ReactionRecord
export type ReadReceiptModel = ReceiptRecord
export interface GroupMemberModel {
  userId: number
  role: Role
  joinedAt: number
}

export type EventModel = ChatEvent

export type ActivityModel = WatchedActivity
/** As it goes through a subscription's source. */
export interface ActivityEvent {
  id: null
  at: number
  kind: 'activity'
  payload: ActivityModel
}
export type NodeModel = NodeRecord
export type ConnectionModel = ConnectionRecord
export type TopicModel = TopicRecord
export type TopicOnNodeModel = TopicRecord['nodes'][number] & { head: number }

type EventOf<K extends ChatEvent['kind']> = Extract<ChatEvent, { kind: K }>
export type MessageSentModel = EventOf<'message_sent'>
export type MessageReadModel = EventOf<'message_read'>
export type ReactionAddedModel = EventOf<'reaction_added'>
export type ReactionRemovedModel = EventOf<'reaction_removed'>
export type TypingChangedModel = EventOf<'typing'>
export type OnlineStatusChangedModel = EventOf<'presence'>
export type GroupUpdatedModel = EventOf<'group_updated'>
export type MemberJoinedModel = EventOf<'member_joined'>
export type MemberLeftModel = EventOf<'member_left'>
export type NotificationReceivedModel = EventOf<'notification'>
export type ResumeIncompleteModel = EventOf<'resume_incomplete'>
