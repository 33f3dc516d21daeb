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
  users: store.users.byIds.bind(store.users),
  blockedPairs: store.blocks.pairedWith.bind(store.blocks),
  blockPage: store.blocks.page.bind(store.blocks),
  conversations: store.conversations.byIds.bind(store.conversations),
  conversationPage: store.conversations.page.bind(store.conversations),
  memberOf: store.conversations.memberOf.bind(store.conversations),
  conversationMembers: store.conversations.members.bind(store.conversations),
  memberPages: store.conversations.memberPages.bind(store.conversations),
  conversationSettings: store.conversationSettings.byIds.bind(store.conversationSettings),
  readStates: store.readPointers.states.bind(store.readPointers),
  messages: store.messages.byIds.bind(store.messages),
  messagePage: store.messages.page.bind(store.messages),
  messagePages: store.messages.pages.bind(store.messages),
  replyPages: store.messages.replyPages.bind(store.messages),
  latestMessages: store.messages.latest.bind(store.messages),
  groups: store.groups.byIds.bind(store.groups),
  rolesOf: store.groups.rolesOf.bind(store.groups),
  groupMembers: store.groups.members.bind(store.groups),
  joinRequests: store.groups.joinRequests.bind(store.groups),
  reactions: store.reactions.byMessageIds.bind(store.reactions),
  receipts: store.receipts.byMessageIds.bind(store.receipts),
  notificationPage: store.notifications.page.bind(store.notifications),
  searchMessages: createSearch(store).messages,
  mutes: store.groups.mutes.bind(store.groups),
  accounts: store.bans.accounts.bind(store.bans),
  directory: store.directory.users.bind(store.directory),
  groupDirectory: store.directory.groups.bind(store.directory),
  statistics: store.directory.statistics.bind(store.directory),
  reportPage: store.reports.page.bind(store.reports),
  auditPage: store.audit.page.bind(store.audit),
})
