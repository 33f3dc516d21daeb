import { lazily } from '../lib/lazily.ts'
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

export const createReads = lazily<StoreParts>()({
  users: (store) => store.users.byIds.bind(store.users),
  blockedPairs: (store) => store.blocks.pairedWith.bind(store.blocks),
  blockPage: (store) => store.blocks.page.bind(store.blocks),
  conversations: (store) => store.conversations.byIds.bind(store.conversations),
  conversationPage: (store) => store.conversations.page.bind(store.conversations),
  memberOf: (store) => store.conversations.memberOf.bind(store.conversations),
  conversationMembers: (store) => store.conversations.members.bind(store.conversations),
  memberPages: (store) => store.conversations.memberPages.bind(store.conversations),
  conversationSettings: (store) => store.conversationSettings.byIds.bind(store.conversationSettings),
  readStates: (store) => store.readPointers.states.bind(store.readPointers),
  messages: (store) => store.messages.byIds.bind(store.messages),
  messagePage: (store) => store.messages.page.bind(store.messages),
  messagePages: (store) => store.messages.pages.bind(store.messages),
  replyPages: (store) => store.messages.replyPages.bind(store.messages),
  latestMessages: (store) => store.messages.latest.bind(store.messages),
  groups: (store) => store.groups.byIds.bind(store.groups),
  rolesOf: (store) => store.groups.rolesOf.bind(store.groups),
  groupMembers: (store) => store.groups.members.bind(store.groups),
  joinRequests: (store) => store.groups.joinRequests.bind(store.groups),
  reactions: (store) => store.reactions.byMessageIds.bind(store.reactions),
  receipts: (store) => store.receipts.byMessageIds.bind(store.receipts),
  notificationPage: (store) => store.notifications.page.bind(store.notifications),
  searchMessages: (store) => createSearch(store).messages,
  mutes: (store) => store.groups.mutes.bind(store.groups),
  accounts: (store) => store.bans.accounts.bind(store.bans),
  directory: (store) => store.directory.users.bind(store.directory),
  groupDirectory: (store) => store.directory.groups.bind(store.directory),
  statistics: (store) => store.directory.statistics.bind(store.directory),
  reportPage: (store) => store.reports.page.bind(store.reports),
  auditPage: (store) => store.audit.page.bind(store.audit),
})
