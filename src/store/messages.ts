import { byOrd, pageAfter, pageBefore, recordset, type Db } from './database/sql.ts'
import { Prisma as Sql } from './generated/client.ts'
import { createMessageChangeStore } from './message-changes.ts'
import { messageColumns, messageJoins, messageOf, type MessageRecord, type MessageRow } from './message-rows.ts'
import { createSendBatch } from './send.ts'

export type { MessageRecord } from './message-rows.ts'
export type { NewMessage, SendOutcome } from './send.ts'

export interface MessagePageKey {
  conversationId: string
  /** Undefined: from the newest on. */
  before: number | undefined
  /** Only those with higher ids; absent: all. */
  horizon?: number
  limit: number
}

export interface ReplyPageKey {
  /** The message replied to. */
  messageId: number
  /** Replies with higher ids; 0: from the oldest on. */
  after: number
  limit: number
}

export function createMessageStore(db: Db) {
  /** For each key the conversation's messages with an id below `before`, newest first. */
  async function pages(keys: readonly MessagePageKey[]): Promise<MessageRecord[][]> {
    const rows = await db.$queryRaw<(MessageRow & { ord: number })[]>`
      SELECT k.ord, ${messageColumns} FROM ${recordset(keys, 'k', '"conversationId" text, before bigint, horizon bigint, "limit" int')}
      CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT * FROM messages
          WHERE ${pageBefore('conversation_id', 'id', 'k."conversationId"', `coalesce(k.before, ${Number.MAX_SAFE_INTEGER})`)}
          -- Known to the planner, unlike each key's own: it decides how the rest is looked up.
          LIMIT ${Math.max(0, ...keys.map(({ limit: each }) => each))}
        ) longest WHERE id > coalesce(k.horizon, 0) LIMIT k."limit"
      ) m ${messageJoins} ORDER BY k.ord, m.id DESC`
    return byOrd(keys, rows, messageOf)
  }

  return {
    sendBatch: createSendBatch(db),
    ...createMessageChangeStore(db),

    async byIds(ids: readonly number[]): Promise<Map<number, MessageRecord>> {
      const rows = await db.$queryRaw<MessageRow[]>`
        SELECT ${messageColumns} FROM messages m ${messageJoins} WHERE m.id = ANY(${[...ids]}::bigint[])`
      return new Map(rows.map((row) => [row.id, messageOf(row)]))
    },

    pages,

    /** For each key the replies to a message, oldest first, without deleted ones. */
    async replyPages(keys: readonly ReplyPageKey[]): Promise<MessageRecord[][]> {
      const rows = await db.$queryRaw<(MessageRow & { ord: number })[]>`
        SELECT k.ord, ${messageColumns} FROM ${recordset(keys, 'k', '"messageId" bigint, after bigint, "limit" int')}
        CROSS JOIN LATERAL (
          SELECT * FROM messages
          WHERE ${pageAfter('reply_to_id', 'id', 'k."messageId"', 'k.after', Sql.sql`AND deleted_at IS NULL`)} LIMIT k."limit"
        ) m ${messageJoins} ORDER BY k.ord, m.id`
      return byOrd(keys, rows, messageOf)
    },

    /** A conversation's messages with an id below `before`, newest first. */
    page: async (conversationId: string, before: number | undefined, limit: number): Promise<MessageRecord[]> =>
      (await pages([{ conversationId, before, limit }]))[0] ?? [],

    /** The latest message of each conversation that has one; the caller decides who may read it. */
    async latest(conversationIds: readonly string[]): Promise<Map<string, MessageRecord>> {
      const rows = await db.$queryRaw<MessageRow[]>`
        SELECT ${messageColumns} FROM unnest(${[...conversationIds]}::text[]) AS k(id)
        CROSS JOIN LATERAL (
          SELECT * FROM messages WHERE ${pageBefore('conversation_id', 'id', 'k.id')} LIMIT 1
        ) m ${messageJoins}`
      return new Map(rows.map((row) => [row.conversation_id, messageOf(row)]))
    },
  }
}
