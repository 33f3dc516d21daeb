import { Prisma as Sql } from './generated/client.ts'
import { epochMs } from './database/sql.ts'

/** A stored message with the sender and conversation data of a push. Times are in milliseconds since the epoch. */
export interface MessageRecord {
  id: number
  conversationId: string
  isGroup: boolean
  groupId: number | null
  senderId: number
  senderName: string
  senderAvatar: string | null
  /** Empty if the message is deleted. */
  content: string
  messageType: string
  mediaUrl: string | null
  at: number
  /** Absent, since most messages have none and a message is published as JSON. */
  editedAt?: number
  deletedAt?: number
  deletedById?: number
  /** The message that it replies to. */
  replyToId?: number
  /** Number of replies, without deleted ones; absent: none. */
  replyCount?: number
  /** The members mentioned by name. */
  mentionIds?: readonly number[]
  mentionsAll?: true
}

export interface MessageRow {
  id: number
  conversation_id: string
  is_group: boolean
  group_id: number | null
  sender_id: number
  sender_name: string
  sender_avatar: string | null
  content: string
  message_type: string
  media_url: string | null
  at: number
  edited_at: number | null
  deleted_at: number | null
  deleted_by_id: number | null
  reply_to_id: number | null
  reply_count: number
  mention_ids: number[] | null
  mentions_all: boolean
}

/** The columns of a `MessageRow`, from tables `m`, `c`, `g` and `u` as named by `messageJoins`. */
export const messageColumns = Sql.sql`
  m.id::float8 AS id, m.conversation_id, c.is_group, g.id AS group_id, m.sender_id, u.name AS sender_name,
  u.avatar AS sender_avatar, m.content, m.message_type, m.media_url, ${epochMs('m.created_at')} AS at,
  ${epochMs('m.edited_at')} AS edited_at, ${epochMs('m.deleted_at')} AS deleted_at, m.deleted_by_id,
  m.reply_to_id::float8 AS reply_to_id, m.reply_count, m.mention_ids, m.mentions_all`

/** The joins of a row of `messages m`. */
export const messageJoins = Sql.sql`
  JOIN conversations c ON c.id = m.conversation_id LEFT JOIN groups g ON g.conversation_id = m.conversation_id
  JOIN users u ON u.id = m.sender_id`

export function messageOf(row: MessageRow): MessageRecord {
  const message: MessageRecord = {
    id: row.id,
    conversationId: row.conversation_id,
    isGroup: row.is_group,
    groupId: row.group_id,
    senderId: row.sender_id,
    senderName: row.sender_name,
    senderAvatar: row.sender_avatar,
    content: row.content,
    messageType: row.message_type,
    mediaUrl: row.media_url,
    at: row.at,
  }
  if (row.edited_at !== null) message.editedAt = row.edited_at
  if (row.deleted_at !== null) message.deletedAt = row.deleted_at
  if (row.deleted_by_id !== null) message.deletedById = row.deleted_by_id
  if (row.reply_to_id !== null) message.replyToId = row.reply_to_id
  if (row.reply_count > 0) message.replyCount = row.reply_count
  if (row.mention_ids !== null && row.mention_ids.length > 0) message.mentionIds = row.mention_ids
  if (row.mentions_all) message.mentionsAll = true
  return message
}
