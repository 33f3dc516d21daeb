import { epochMs, NO_LIMIT, pageBefore, type Db } from './database/sql.ts'

/** `readAt` is in milliseconds since the epoch. */
export interface ReceiptRecord {
  messageId: number
  readerId: number
  readAt: number
}

export function createReceiptStore(db: Db) {
  return {
    /** Stores a receipt for each message that has none; returns only the new ones, by message id. */
    async add(readerId: number, conversationId: string, messageIds: readonly number[]): Promise<ReceiptRecord[]> {
      return await db.$queryRaw`
        INSERT INTO receipts (message_id, reader_id, conversation_id, read_at)
        SELECT id, ${readerId}, ${conversationId}, date_trunc('milliseconds', statement_timestamp())
        FROM unnest(${[...messageIds]}::bigint[]) AS k(id) ORDER BY id
        ON CONFLICT DO NOTHING
        RETURNING message_id::float8 AS "messageId", reader_id AS "readerId", ${epochMs('read_at')} AS "readAt"`
    },

    /** Makes a receipt count as read again whose reader had marked the message unread. */
    async countAgain(readerId: number, messageId: number): Promise<void> {
      await db.$executeRaw`
        UPDATE receipts SET marked_unread = false WHERE message_id = ${messageId} AND reader_id = ${readerId} AND marked_unread`
    },

    /** `isCounted`: the message has not been marked unread since. */
    async find(messageId: number, readerId: number): Promise<(ReceiptRecord & { isCounted: boolean }) | undefined> {
      const [row] = await db.$queryRaw<(ReceiptRecord & { isCounted: boolean })[]>`
        SELECT message_id::float8 AS "messageId", reader_id AS "readerId", ${epochMs('read_at')} AS "readAt",
          NOT marked_unread AS "isCounted"
        FROM receipts WHERE message_id = ${messageId} AND reader_id = ${readerId}`
      return row
    },

    /** The receipts of several messages, earliest first, at most `limit`. */
    async byMessageIds(messageIds: readonly number[], limit = NO_LIMIT): Promise<ReceiptRecord[]> {
      return await db.$queryRaw`
        SELECT message_id::float8 AS "messageId", reader_id AS "readerId", ${epochMs('read_at')} AS "readAt"
        FROM receipts WHERE message_id = ANY(${[...messageIds]}::bigint[]) ORDER BY read_at, reader_id LIMIT ${limit}`
    },

    /**
     * Of the latest `limit` messages of others between the user's pointer and `upTo`, those without a receipt, oldest first.
     */
    async unreadUpTo(
      readerId: number,
      conversationId: string,
      upTo: number,
      limit: number,
    ): Promise<{ messageId: number; senderId: number }[]> {
      return await db.$queryRaw`
        SELECT latest.id::float8 AS "messageId", latest.sender_id AS "senderId" FROM (
          SELECT s.* FROM members m
          CROSS JOIN LATERAL (SELECT id, seq FROM messages WHERE id = ${upTo} AND conversation_id = m.conversation_id LIMIT 1) last
          LEFT JOIN LATERAL (
            SELECT seq FROM messages WHERE ${pageBefore('conversation_id', 'id', 'm.conversation_id', 'm.read_to + 1')} LIMIT 1
          ) pointer ON true
          CROSS JOIN LATERAL (
            SELECT id, sender_id FROM (
              SELECT id, sender_id FROM messages WHERE ${pageBefore('conversation_id', 'id', 'm.conversation_id', 'last.id + 1')}
              -- So many lie between the two.
              LIMIT greatest(0, last.seq - coalesce(pointer.seq, 0))
            ) newest WHERE sender_id <> ${readerId} AND id > m.read_to LIMIT ${limit}
          ) s WHERE m.conversation_id = ${conversationId} AND m.user_id = ${readerId}
        ) latest
        -- Each by its key: as NOT EXISTS it may become a join to all receipts.
        WHERE (SELECT true FROM receipts r WHERE r.message_id = latest.id AND r.reader_id = ${readerId}) IS NULL ORDER BY latest.id`
    },
  }
}
