import { epochMs, type Db } from './database/sql.ts'

/** How far a reading goes back for transactions that an earlier one could not see yet, in milliseconds. */
const OVERLAP_MS = 60_000

export function createRevocationStore(db: Db) {
  return {
    /** Revokes the user's tokens issued before `before`, in milliseconds since the epoch; a later stored time is kept. */
    async add(userId: number, before: number): Promise<void> {
      await db.$executeRaw`
        INSERT INTO revocations (user_id, before) VALUES (${userId}, to_timestamp(${before} / 1000.0))
        ON CONFLICT (user_id) DO UPDATE SET before = greatest(revocations.before, excluded.before), changed_at = now()`
    },

    /** What was stored since `since`, and where the next reading continues; both times are the database's. */
    async since(since: number): Promise<{ revocations: { userId: number; before: number }[]; readAt: number }> {
      const rows = await db.$queryRaw<{ userId: number | null; before: number | null; readAt: number }[]>`
        SELECT r.user_id AS "userId", ${epochMs('r.before')} AS before, ${epochMs('now()')} AS "readAt"
        FROM (SELECT 1) one LEFT JOIN revocations r ON r.changed_at > to_timestamp(${since - OVERLAP_MS} / 1000.0)`
      return {
        revocations: rows.flatMap(({ userId, before }) => (userId === null || before === null ? [] : [{ userId, before }])),
        readAt: rows[0]?.readAt ?? since,
      }
    },
  }
}
