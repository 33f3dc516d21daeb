import type { ChatEvent } from '../chat/events.ts'
import type { WatchedActivity } from '../admin/activity.ts'
import type { ConnectionRecord, NodeRecord, TopicRecord } from '../admin/contract.ts'
import type {
  AuditRecord,
  ConversationRecord,
  ConversationSettings,
  GroupRecord,
  MessageRecord,
  NotificationRecord,
  ReactionRecord,
  ReceiptRecord,
  ReportRecord,
  Role,
  UserRecord,
} from '../chat/reads.ts'

/**
 * The parent objects of resolvers. An event carries part of the objects it refers to, so that most subscriptions need no query:
 * the rest is loaded by id.
 */

export type UserModel = Pick<UserRecord, 'id'> & Partial<UserRecord>
export type ConversationModel = Pick<ConversationRecord, 'id' | 'isGroup' | 'groupId'>
export type ConversationSettingsModel = ConversationSettings
export type GroupModel = Pick<GroupRecord, 'id'> & Partial<GroupRecord>
export type MessageModel = MessageRecord
export type NotificationModel = NotificationRecord
export type ReportModel = ReportRecord
export type AuditEntryModel = AuditRecord
export type ReactionSummaryModel = ReactionRecord
export type ReadReceiptModel = ReceiptRecord
export interface GroupMemberModel {
  groupId: number
  userId: number
  role: Role
  joinedAt: number
}

export type EventModel = ChatEvent

export type ActivityModel = WatchedActivity
/** An event on its way through a subscription's source. */
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

export type { EventOf } from '../chat/events.ts'
