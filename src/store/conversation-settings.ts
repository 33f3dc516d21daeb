import { epochMs, pageBefore, type Db } from './database/sql.ts'
import { Prisma as Sql } from './generated/client.ts'

/** A member's settings of a conversation. `mutedUntil` is in milliseconds since the epoch, null if it is not muted now. */
export interface ConversationSettings {
  mutedUntil: number | null
  pinned: boolean
  archived: boolean
}

/** The last message of the conversation of `m`, as `last`. */
export const lastMessage = Sql.sql`LEFT JOIN LATERAL (
  SELECT id, created_at FROM messages WHERE ${pageBefore('conversation_id', 'id', 'm.conversation_id')} LIMIT 1
) last ON true`

/**
 * Whether the conversation of `m` is archived, whose last message is `last`: a newer message unarchives it, unless the
 * conversation was muted then.
 */
export const isArchived = Sql.sql`(m.archived_at IS NOT NULL
  AND (last.id IS NULL OR last.id <= m.archived_at OR coalesce(last.created_at < m.muted_until, false)))`

export function createConversationSettingsStore(db: Db) {
  return {
    /** The user's settings of each conversation that they are in. */
    async byIds(userId: number, ids: readonly string[]): Promise<Map<string, ConversationSettings>> {
      const rows = await db.$queryRaw<(ConversationSettings & { id: string })[]>`
        SELECT m.conversation_id AS id, CASE WHEN m.muted_until > now() THEN ${epochMs('m.muted_until')} END AS "mutedUntil",
          m.pinned, ${isArchived} AS archived
        FROM members m ${lastMessage} WHERE m.user_id = ${userId} AND m.conversation_id = ANY(${[...ids]}::text[])`
      return new Map(rows.map(({ id, ...settings }) => [id, settings]))
    },

    /**
     * Changes settings; archiving covers the messages there are now. `seq`: the event in the user's topic that announces it.
     * Call it in a transaction that holds that topic's lock, with settings that were read in it.
     */
    async update(
      userId: number,
      conversationId: string,
      { mutedUntil, pinned, archived }: ConversationSettings,
      seq: number,
    ): Promise<void> {
      await db.$executeRaw`
        UPDATE members t SET pinned = ${pinned}, pinned_seq = CASE WHEN t.pinned = ${pinned} THEN t.pinned_seq ELSE ${seq} END,
          muted_until = to_timestamp(${mutedUntil}::float8 / 1000), archived_at = CASE WHEN ${archived}::boolean THEN p.last_id END
        FROM (
          SELECT coalesce(last.id, 0) AS last_id FROM members m ${lastMessage}
          WHERE m.conversation_id = ${conversationId} AND m.user_id = ${userId}
        ) p
        WHERE t.conversation_id = ${conversationId} AND t.user_id = ${userId}`
    },
  }
}
