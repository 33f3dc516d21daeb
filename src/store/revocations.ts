import { epochMs, type Db } from './database/sql.ts'

/** How long before a reading another transaction may have stored what it did not see, in milliseconds. */
const OVERLAP_MS = 60_000

export function createRevocationStore(db: Db) {
  return {
    /** The user's tokens from before `before`, in milliseconds since the epoch, are revoked; a later time stays. */
    async add(userId: number, before: number): Promise<void> {
      await db.$executeRaw`
        INSERT INTO revocations (user_id, before) VALUES (${userId}, to_timestamp(${before} / 1000.0))
        ON CONFLICT (user_id) DO UPDATE SET before = greatest(revocations.before, excluded.before), changed_at = now()`
    },

    /** What was stored since `since`, and where the next reading goes on; both times are the database's. */
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
