import type { Db } from './database/sql.ts'
import type { SendRefusal } from './sql/send-messages.ts'

/** Why a user may not post to a conversation now; null if they may. */
export type PostRefusal = Extract<SendRefusal, 'no_group' | 'not_member' | 'closed_to_members' | 'muted' | 'blocked'>

/** A new content of a message; absent mentions stay as they are. */
export interface MessageEdit {
  content: string
  /** Without duplicates. */
  mentionIds?: readonly number[] | undefined
}

/** Changes of stored messages. Call them in a transaction that holds the locks of the topics of their conversations. */
export function createMessageChangeStore(db: Db) {
  return {
    /**
     * The ids of the messages that a user has sent since a time, in milliseconds since the epoch, without deleted ones; oldest
     * first.
     */
    async sentSince(senderId: number, since: number): Promise<number[]> {
      // Sorted here: the planner would scan the ids of all messages for that.
      const rows = await db.$queryRaw<{ id: number }[]>`
        SELECT id::float8 AS id FROM messages
        WHERE sender_id = ${senderId} AND created_at >= to_timestamp(${since}::float8 / 1000) AND deleted_at IS NULL`
      return rows.map(({ id }) => id).toSorted((a, b) => a - b)
    },

    /** Whether the user may post to the conversation now, by the rules of the statement that sends. */
    async postRefusal(userId: number, conversationId: string): Promise<PostRefusal | null> {
      const [row] = await db.$queryRaw<{ refusal: PostRefusal | null }[]>`
        SELECT CASE
          WHEN NOT c.is_group THEN CASE
            WHEN m.user_id IS NULL THEN 'not_member'
            WHEN EXISTS (
              SELECT FROM blocks WHERE (blocker_id, blocked_id) IN ((c.user_low, c.user_high), (c.user_high, c.user_low))
            ) THEN 'blocked'
          END
          WHEN g.id IS NULL OR g.closed_at IS NOT NULL THEN 'no_group'
          WHEN m.role IS NULL THEN 'not_member'
          WHEN NOT g.allow_send_messages AND m.role = 'MEMBER' THEN 'closed_to_members'
          WHEN m.role = 'MEMBER' AND EXISTS (
            SELECT FROM group_mutes WHERE group_id = g.id AND user_id = ${userId} AND until > statement_timestamp()
          ) THEN 'muted'
        END AS refusal
        FROM conversations c LEFT JOIN groups g ON g.conversation_id = c.id
        LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = ${userId}
        WHERE c.id = ${conversationId}`
      return row ? row.refusal : 'no_group'
    },

    /** Changes a message that is not deleted. */
    async edit(messageId: number, { content, mentionIds }: MessageEdit): Promise<void> {
      const keeps = mentionIds === undefined
      const ids = [...(mentionIds ?? [])]
      await db.$executeRaw`
        WITH edited AS (
          UPDATE messages SET content = ${content}, edited_at = date_trunc('milliseconds', statement_timestamp()),
            mention_ids = CASE WHEN ${keeps}::boolean THEN mention_ids ELSE nullif(${ids}::int[], '{}') END
          WHERE id = ${messageId} AND deleted_at IS NULL
          RETURNING id, conversation_id
        ), gone AS (
          DELETE FROM mentions m USING edited e
          WHERE m.message_id = e.id AND NOT ${keeps}::boolean AND m.user_id <> ALL(${ids}::int[])
        )
        INSERT INTO mentions (message_id, user_id, conversation_id)
        SELECT e.id, k.user_id, e.conversation_id FROM edited e CROSS JOIN unnest(${ids}::int[]) AS k(user_id)
        ON CONFLICT DO NOTHING`
    },

    /**
     * Empties messages, and deletes their reactions, mentions and search tokens; they keep their places. Returns the ids of
     * those that were not deleted before.
     */
    async delete(messageIds: readonly number[], deletedById: number | null): Promise<number[]> {
      const ids = [...messageIds]
      // Separate: a statement can't change a message twice, and one may reply to another one here.
      await db.$executeRaw`
        WITH target AS MATERIALIZED (
          SELECT id, reply_to_id FROM messages WHERE id = ANY(${ids}::bigint[]) AND deleted_at IS NULL
        ), no_reactions AS (
          DELETE FROM reactions r USING target t WHERE r.message_id = ANY(ARRAY[t.id])
        ), no_mentions AS (
          DELETE FROM mentions m USING target t WHERE m.message_id = ANY(ARRAY[t.id])
        ), not_found AS (
          -- A row without tokens, so that nothing adds them later.
          INSERT INTO message_search (message_id, tokens) SELECT id, '{}' FROM target ORDER BY id
          ON CONFLICT (message_id) DO UPDATE SET tokens = excluded.tokens
        )
        UPDATE messages m SET reply_count = m.reply_count - n.total
        FROM (SELECT reply_to_id AS id, count(*)::int AS total FROM target WHERE reply_to_id IS NOT NULL GROUP BY reply_to_id) n
        WHERE m.id = ANY(ARRAY[n.id])`
      const rows = await db.$queryRaw<{ id: number }[]>`
        UPDATE messages SET content = '', media_url = NULL, mention_ids = NULL, mentions_all = false,
          deleted_at = date_trunc('milliseconds', statement_timestamp()), deleted_by_id = ${deletedById}::int
        WHERE id = ANY(${ids}::bigint[]) AND deleted_at IS NULL
        RETURNING id::float8 AS id`
      return rows.map(({ id }) => id).toSorted((a, b) => a - b)
    },
  }
}
