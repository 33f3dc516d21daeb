import { Prisma as Sql } from './generated/client.ts'
import { epochMs, type Db } from './database/sql.ts'

/** Users whose tokens are rejected; times are in milliseconds since the epoch. */
export interface BanRecord {
  userId: number
  /** Null, or a time in the past: not banned. */
  until: number | null
  /** Whether the user was erased, and not created again since. */
  isErased: boolean
  /** When it was stored, by the database's clock. */
  changedAt: number
}

/** Fields of a user for admins only, in milliseconds since the epoch. */
export interface AccountRecord {
  id: number
  createdAt: number
  /** Null if the user is not banned now. */
  bannedUntil: number | null
}

/** How far a reading goes back for transactions that an earlier one could not see yet, in milliseconds. */
const OVERLAP_MS = 60_000

const columns = Sql.sql`b.user_id AS "userId", ${epochMs('b.until')} AS until, b.erased_at IS NOT NULL AS "isErased",
  ${epochMs('b.changed_at')} AS "changedAt"`

export function createBanStore(db: Db) {
  return {
    /** Bans a user until a time, or lifts the ban; replaces the previous time and reason. */
    async set(userId: number, ban: { until: number; reason: string; byId: number } | null): Promise<BanRecord> {
      const { until = null, reason = null, byId = null } = ban ?? {}
      const [row] = await db.$queryRaw<BanRecord[]>`
        INSERT INTO bans AS b (user_id, until, reason, by_id, changed_at)
        VALUES (${userId}, to_timestamp(${until}::float8 / 1000), ${reason}, ${byId}, clock_timestamp())
        ON CONFLICT (user_id) DO UPDATE SET until = excluded.until, reason = excluded.reason, by_id = excluded.by_id,
          changed_at = clock_timestamp()
        RETURNING ${columns}`
      return row as BanRecord
    },

    /** Records that a user was erased, or created again; undefined if that changed nothing. */
    async setErased(userId: number, isErased: boolean): Promise<BanRecord | undefined> {
      const [row] = isErased
        ? await db.$queryRaw<BanRecord[]>`
            INSERT INTO bans AS b (user_id, erased_at, changed_at) VALUES (${userId}, now(), clock_timestamp())
            ON CONFLICT (user_id) DO UPDATE SET erased_at = now(), changed_at = clock_timestamp() WHERE b.erased_at IS NULL
            RETURNING ${columns}`
        : await db.$queryRaw<BanRecord[]>`
            UPDATE bans b SET erased_at = NULL, changed_at = clock_timestamp() WHERE user_id = ${userId} AND erased_at IS NOT NULL
            RETURNING ${columns}`
      return row
    },

    /** What was stored since `since`, and where the next reading continues; both times are the database's. */
    async since(since: number): Promise<{ bans: BanRecord[]; readAt: number }> {
      const rows = await db.$queryRaw<(Omit<BanRecord, 'userId'> & { userId: number | null; readAt: number })[]>`
        SELECT ${columns}, ${epochMs('now()')} AS "readAt"
        FROM (SELECT 1) one LEFT JOIN bans b ON b.changed_at > to_timestamp(${since - OVERLAP_MS} / 1000.0)`
      return {
        bans: rows.flatMap(({ userId, until, isErased, changedAt }) =>
          userId === null ? [] : [{ userId, until, isErased, changedAt }],
        ),
        readAt: rows[0]?.readAt ?? since,
      }
    },

    /** Fields of users for admins only, by id. */
    async accounts(userIds: readonly number[]): Promise<Map<number, AccountRecord>> {
      const rows = await db.$queryRaw<AccountRecord[]>`
        SELECT u.id, ${epochMs('u.created_at')} AS "createdAt", ${epochMs('b.until')} AS "bannedUntil"
        FROM users u LEFT JOIN bans b ON b.user_id = u.id AND b.until > now() WHERE u.id = ANY(${[...userIds]}::int[])`
      return new Map(rows.map((row) => [row.id, row]))
    },
  }
}
