import type { StoreParts } from '../store/store.ts'
import { createSearch } from './search.ts'

export type { ConversationSettings } from '../store/conversation-settings.ts'
export type { ConversationFilter, ConversationRecord, ConversationPosition, MemberPageKey } from '../store/conversations.ts'
export type { GroupRecord, Role } from '../store/groups.ts'
export type { MessagePageKey, MessageRecord, ReplyPageKey } from '../store/messages.ts'
export type { NotificationRecord } from '../store/notifications.ts'
export type { ReactionRecord } from '../store/reactions.ts'
export type { ReadState } from '../store/read-pointers.ts'
export type { ReceiptRecord } from '../store/receipts.ts'
export type { AuditRecord } from '../store/audit.ts'
export type { BanRecord } from '../store/bans.ts'
export type { ReportRecord } from '../store/reports.ts'
export type { UserRecord } from '../store/users.ts'

/** The chat's queries. Callers decide who may see the results. */
export type Reads = ReturnType<typeof createReads>

export const createReads = (store: StoreParts) => ({
  users: store.users.byIds,
  blockedPairs: store.blocks.pairedWith,
  blockPage: store.blocks.page,
  conversations: store.conversations.byIds,
  conversationPage: store.conversations.page,
  memberOf: store.conversations.memberOf,
  conversationMembers: store.conversations.members,
  memberPages: store.conversations.memberPages,
  conversationSettings: store.conversationSettings.byIds,
  readStates: store.readPointers.states,
  messages: store.messages.byIds,
  messagePage: store.messages.page,
  messagePages: store.messages.pages,
  replyPages: store.messages.replyPages,
  latestMessages: store.messages.latest,
  groups: store.groups.byIds,
  rolesOf: store.groups.rolesOf,
  groupMembers: store.groups.members,
  joinRequests: store.groups.joinRequests,
  reactions: store.reactions.byMessageIds,
  receipts: store.receipts.byMessageIds,
  notificationPage: store.notifications.page,
  searchMessages: createSearch(store).messages,
  mutes: store.groups.mutes,
  accounts: store.bans.accounts,
  directory: store.directory.users,
  groupDirectory: store.directory.groups,
  statistics: store.directory.statistics,
  reportPage: store.reports.page,
  auditPage: store.audit.page,
})
