import { NO_LIMIT, type Db } from './database/sql.ts'

/** The users with one reaction to a message, ids ascending. */
export interface ReactionRecord {
  messageId: number
  reaction: string
  userIds: number[]
}

export function createReactionStore(db: Db) {
  return {
    /** The distinct reactions to a message, and whether this user has each. */
    async given(messageId: number, userId: number): Promise<{ reaction: string; isOwn: boolean }[]> {
      return await db.$queryRaw`
        SELECT reaction, bool_or(user_id = ${userId}) AS "isOwn" FROM reactions WHERE message_id = ${messageId}::bigint
        GROUP BY reaction`
    },

    /** The distinct reactions to each message. */
    async spellings(messageIds: readonly number[]): Promise<{ messageId: number; reaction: string }[]> {
      return await db.$queryRaw`
        SELECT DISTINCT message_id::float8 AS "messageId", reaction FROM reactions
        WHERE message_id = ANY(${[...messageIds]}::bigint[])`
    },

    /** Adds a reaction to a message; `present` if the user has it already, `no_message` if the message is deleted. */
    async add(messageId: number, userId: number, reaction: string): Promise<'added' | 'present' | 'no_message'> {
      const [row] = await db.$queryRaw<{ outcome: 'added' | 'present' | 'no_message' }[]>`
        WITH message AS MATERIALIZED (
          SELECT id FROM messages WHERE id = ${messageId} AND deleted_at IS NULL
        ), added AS (
          INSERT INTO reactions (message_id, user_id, reaction) SELECT id, ${userId}::int, ${reaction}::text FROM message
          ON CONFLICT DO NOTHING RETURNING user_id
        )
        SELECT CASE WHEN EXISTS (SELECT FROM added) THEN 'added' WHEN EXISTS (SELECT FROM message) THEN 'present' ELSE 'no_message' END
          AS outcome`
      return row?.outcome ?? 'no_message'
    },

    /** Removes a reaction; false if there was none. */
    async remove(messageId: number, userId: number, reaction: string): Promise<boolean> {
      const { count } = await db.reaction.deleteMany({ where: { messageId, userId, reaction } })
      return count > 0
    },

    /** The users with this reaction, ids ascending. */
    async users(messageId: number, reaction: string): Promise<number[]> {
      const rows = await db.reaction.findMany({
        where: { messageId, reaction },
        orderBy: { userId: 'asc' },
        select: { userId: true },
      })
      return rows.map((row) => row.userId)
    },

    /** The reactions of several messages, in the order in which each was first added: of at most `limit` users. */
    async byMessageIds(messageIds: readonly number[], limit = NO_LIMIT): Promise<ReactionRecord[]> {
      return await db.$queryRaw`
        SELECT message_id::float8 AS "messageId", reaction, array_agg(user_id ORDER BY user_id) AS "userIds"
        FROM (SELECT * FROM reactions WHERE message_id = ANY(${[...messageIds]}::bigint[]) LIMIT ${limit}) r
        GROUP BY message_id, reaction ORDER BY message_id, min(created_at), reaction`
    },
  }
}
