import { pageAfter, type Db } from './database/sql.ts'

/** Deletes old messages in small parts, each a short statement. Times are in milliseconds since the epoch. */
export function createRetentionStore(db: Db) {
  return {
    /** Some messages from before `before`, without those already emptied that wait for older ones of their conversation. */
    async expired(before: number, limit: number): Promise<{ id: number; conversationId: string }[]> {
      return await db.$queryRaw`
        SELECT id::float8 AS id, conversation_id AS "conversationId" FROM messages
        WHERE created_at < to_timestamp(${before}::float8 / 1000) AND (deleted_at IS NULL OR deleted_by_id IS NOT NULL) LIMIT ${limit}`
    },

    /** Marks emptied messages as waiting for older ones of their conversation. */
    async wait(messageIds: readonly number[]): Promise<void> {
      await db.$executeRaw`UPDATE messages SET deleted_by_id = NULL WHERE id = ANY(${[...messageIds]}::bigint[]) AND deleted_at IS NOT NULL`
    },

    /**
     * The ids of the first messages of a conversation as long as they are from before `before`, oldest first, at most `limit`.
     */
    async beginning(conversationId: string, before: number, limit: number): Promise<number[]> {
      const rows = await db.$queryRaw<{ id: number; isExpired: boolean }[]>`
        SELECT m.id::float8 AS id, m.created_at < to_timestamp(${before}::float8 / 1000) AS "isExpired"
        FROM unnest(ARRAY[${conversationId}]::text[]) AS k(id) CROSS JOIN LATERAL (
          SELECT id, created_at FROM messages WHERE ${pageAfter('conversation_id', 'messages.id', 'k.id', '0')} LIMIT ${limit}
        ) m ORDER BY m.id`
      const end = rows.findIndex(({ isExpired }) => !isExpired)
      return (end < 0 ? rows : rows.slice(0, end)).map(({ id }) => id)
    },

    /** The members of a conversation who have not read up to a message, at most `limit`, locked until the transaction ends. */
    async lockBehind(conversationId: string, messageId: number, limit: number): Promise<number[]> {
      const rows = await db.$queryRaw<{ userId: number }[]>`
        SELECT user_id AS "userId" FROM members WHERE conversation_id = ${conversationId} AND read_to < ${messageId}
        ORDER BY user_id LIMIT ${limit} FOR NO KEY UPDATE`
      return rows.map(({ userId }) => userId)
    },

    /**
     * Moves the read pointers of locked members to a message up to which everything is about to be deleted, since deleted
     * messages are not unread. Counted from what comes after it, since nothing is left before.
     */
    async moveTo(conversationId: string, messageId: number, userIds: readonly number[]): Promise<void> {
      await db.$executeRaw`
        UPDATE members t SET read_to = ${messageId}, marked_to = greatest(t.marked_to, ${messageId}), read_beyond = t.read_beyond - p.singly,
          read_count = p.total - p.own
        FROM (
          SELECT m.user_id, coalesce(next.seq - 1, c.message_count) AS total,
            coalesce(own.sender_seq - 1,
              CASE WHEN c.is_group THEN m.sent_count WHEN c.user_low = m.user_id THEN c.low_count ELSE c.message_count - c.low_count END) AS own,
            CASE WHEN m.read_beyond = 0 THEN 0 ELSE (
              SELECT count(*)::int FROM receipts r WHERE r.reader_id = m.user_id AND r.conversation_id = m.conversation_id
                AND r.message_id > m.read_to AND r.message_id <= ${messageId} AND NOT r.marked_unread
            ) END AS singly
          FROM members m JOIN conversations c ON c.id = m.conversation_id
          LEFT JOIN LATERAL (
            SELECT s.seq FROM messages s WHERE ${pageAfter('s.conversation_id', 's.id', 'm.conversation_id', `${messageId}`)} LIMIT 1
          ) next ON true
          LEFT JOIN LATERAL (
            SELECT s.sender_seq FROM messages s
            WHERE s.conversation_id = m.conversation_id AND s.id > ${messageId} AND s.sender_id = m.user_id ORDER BY s.sender_seq LIMIT 1
          ) own ON true
          WHERE m.conversation_id = ${conversationId} AND m.user_id = ANY(${[...userIds]}::int[])
        ) p WHERE t.conversation_id = ${conversationId} AND t.user_id = p.user_id`
    },

    /**
     * Deletes messages with everything that belongs to them; their events are left out of the log from now on. Returns how
     * many.
     */
    async remove(messageIds: readonly number[]): Promise<number> {
      const ids = [...messageIds]
      await db.$executeRaw`
        WITH no_receipts AS (DELETE FROM receipts WHERE message_id = ANY(${ids}::bigint[])),
        no_reactions AS (DELETE FROM reactions WHERE message_id = ANY(${ids}::bigint[])),
        no_mentions AS (DELETE FROM mentions WHERE message_id = ANY(${ids}::bigint[])),
        not_found AS (DELETE FROM message_search WHERE message_id = ANY(${ids}::bigint[]))
        UPDATE messages m SET reply_count = m.reply_count - n.total
        FROM (
          SELECT reply_to_id AS id, count(*)::int AS total FROM messages
          WHERE id = ANY(${ids}::bigint[]) AND deleted_at IS NULL AND reply_to_id IS NOT NULL AND reply_to_id <> ALL(${ids}::bigint[])
          GROUP BY reply_to_id
        ) n WHERE m.id = n.id`
      return await db.$executeRaw`DELETE FROM messages WHERE id = ANY(${ids}::bigint[])`
    },
  }
}
