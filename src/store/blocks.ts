import { epochMs, type Db } from './database/sql.ts'

/** A user's blocks, with their times in milliseconds since the epoch. */
export interface BlockRecord {
  userId: number
  at: number
}

export function createBlockStore(db: Db) {
  return {
    /** Stores that `blockerId` has blocked `blockedId`; false if that was stored before. */
    async add(blockerId: number, blockedId: number): Promise<boolean> {
      const { count } = await db.block.createMany({ data: [{ blockerId, blockedId }], skipDuplicates: true })
      return count > 0
    },

    /** False if `blockerId` had not blocked `blockedId`. */
    async remove(blockerId: number, blockedId: number): Promise<boolean> {
      const { count } = await db.block.deleteMany({ where: { blockerId, blockedId } })
      return count > 0
    },

    /** How many users a user has blocked. */
    count: (blockerId: number): Promise<number> => db.block.count({ where: { blockerId } }),

    /** With which of these users there is a block, made by either of the two. */
    async pairedWith(userId: number, ids: readonly number[]): Promise<Set<number>> {
      const rows = await db.$queryRaw<{ id: number }[]>`
        SELECT k.id FROM unnest(${[...ids]}::int[]) AS k(id)
        WHERE EXISTS (SELECT FROM blocks WHERE blocker_id = ${userId} AND blocked_id = k.id)
          OR EXISTS (SELECT FROM blocks WHERE blocker_id = k.id AND blocked_id = ${userId})`
      return new Set(rows.map(({ id }) => id))
    },

    /** The users whom the user has blocked, latest first, those before `before`. */
    async page(blockerId: number, before: BlockRecord | undefined, limit: number): Promise<BlockRecord[]> {
      return await db.$queryRaw<BlockRecord[]>`
        SELECT * FROM (
          SELECT blocked_id AS "userId", ${epochMs('created_at')} AS at FROM blocks WHERE blocker_id = ${blockerId}
        ) b WHERE (at, "userId") < (${before?.at ?? Number.MAX_SAFE_INTEGER}::float8, ${before?.userId ?? 0}::int)
        ORDER BY at DESC, "userId" DESC LIMIT ${limit}`
    },
  }
}
