/** The rows of the store's model: those columns of the database that the simulation reads. Times are in milliseconds since the epoch. */
import type { Role } from '../../../src/store/groups.ts'

export type Table<R> = Map<string, R>

export interface UserRow {
  id: number
  name: string
  avatar: string | null
  lastActive: number | null
}

export interface TopicRow {
  name: string
  seq: number
  accessSeq: number
  sweptSeq: number
  sweptId: number
  sweptXid: number
}

export interface ConversationRow {
  id: string
  isGroup: boolean
  groupId: number | null
  pair: readonly [number, number] | null
  createdAt: number
}

export interface GroupRow {
  id: number
  conversationId: string
  name: string
  avatar: string | null
  announcement: string | null
  joinApprovalRequired: boolean
  allowInvitation: boolean
  allowSendMessages: boolean
  historyVisible: boolean
  memberCount: number
  isClosed: boolean
}

export interface MemberRow {
  conversationId: string
  userId: number
  role: Role
  sinceSeq: number
  historyAfter: number
  joinedAt: number
  readTo: number
  readUpTo: number | null
}

export interface PastRow {
  userId: number
  topic: string
  sinceSeq: number
  untilSeq: number
  historyAfter: number
  at: number
}

export interface MessageRow {
  id: number
  conversationId: string
  senderId: number
  content: string
  messageType: string
  mediaUrl: string | null
  key: string | null
  at: number
  editedAt: number | null
  deletedAt: number | null
  deletedById: number | null
  replyToId: number | null
}

export interface EventRow {
  topic: string
  seq: number
  id: number
  kind: string
  messageId: number | null
  payload: unknown
  at: number
  xid: number
  snapshot: string
}

export interface ReceiptRow {
  messageId: number
  readerId: number
  conversationId: string
  readAt: number
  markedUnread: boolean
}

export interface ReactionRow {
  messageId: number
  userId: number
  reaction: string
  at: number
}

export interface BlockRow {
  blockerId: number
  blockedId: number
  at: number
}

export interface BanRow {
  userId: number
  until: number | null
  changedAt: number
}

const table = <R>(): Table<R> => new Map()

export const createTables = () => ({
  users: table<UserRow>(),
  topics: table<TopicRow>(),
  conversations: table<ConversationRow>(),
  groups: table<GroupRow>(),
  members: table<MemberRow>(),
  past: table<PastRow>(),
  messages: table<MessageRow>(),
  /** The id of the message that a sender's key was used for. */
  keys: table<number>(),
  receipts: table<ReceiptRow>(),
  reactions: table<ReactionRow>(),
  blocks: table<BlockRow>(),
  bans: table<BanRow>(),
})

export type Tables = ReturnType<typeof createTables>

export const memberKey = (conversationId: string, userId: number): string => `${conversationId} ${userId}`
export const receiptKey = (messageId: number, readerId: number): string => `${messageId} ${readerId}`
export const reactionKey = (messageId: number, userId: number, reaction: string): string => `${messageId} ${userId} ${reaction}`
export const pairKey = (a: number, b: number): string => `${a} ${b}`
