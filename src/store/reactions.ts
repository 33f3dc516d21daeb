import type { Db } from './db.ts'

/** Who gave one reaction to a message, ids ascending. */
export interface ReactionRecord {
  messageId: number
  reaction: string
  userIds: number[]
}

export function createReactionStore(db: Db) {
  return {
    /** Adds a reaction; false where the user gave it already. */
    async add(messageId: number, userId: number, reaction: string): Promise<boolean> {
      const { count } = await db.reaction.createMany({ data: [{ messageId, userId, reaction }], skipDuplicates: true })
      return count > 0
    },

    /** Takes a reaction back; false where there was none. */
    async remove(messageId: number, userId: number, reaction: string): Promise<boolean> {
      const { count } = await db.reaction.deleteMany({ where: { messageId, userId, reaction } })
      return count > 0
    },

    /** Who gives this reaction, ids ascending. */
    async users(messageId: number, reaction: string): Promise<number[]> {
      const rows = await db.reaction.findMany({
        where: { messageId, reaction },
        orderBy: { userId: 'asc' },
        select: { userId: true },
      })
      return rows.map((row) => row.userId)
    },

    /** The reactions of several messages, in the order in which each reaction first came. */
    async byMessageIds(messageIds: readonly number[]): Promise<ReactionRecord[]> {
      return await db.$queryRaw`
        SELECT message_id::float8 AS "messageId", reaction, array_agg(user_id ORDER BY user_id) AS "userIds"
        FROM reactions WHERE message_id = ANY(${[...messageIds]}::bigint[])
        GROUP BY message_id, reaction ORDER BY message_id, min(created_at), reaction`
    },
  }
}
