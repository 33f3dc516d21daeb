import { Prisma as Sql } from './generated/client.ts'
import { epochMs, recordset, type Db } from './database/sql.ts'

/** `lastActive` is in milliseconds since the epoch, null for a user who never connected. */
export interface UserRecord {
  id: number
  name: string
  avatar: string | null
  lastActive: number | null
}

/** What a token or an admin says of a user; an undefined field stays as it is. */
export interface UserProfile {
  id: number
  name: string | undefined
  avatar: string | null | undefined
  /** When the token was issued, in milliseconds since the epoch; `now` for an admin's change, undefined where it is not known. */
  saidAt?: number | 'now' | undefined
}

/** Whether the input `i` says something of the name, or the avatar, that is newer than what is stored; or neither has a time. */
const saysName = Sql.raw('i.name IS NOT NULL AND (i."isNow" OR u.name_set_at IS NULL OR i.at > u.name_set_at)')
const saysAvatar = Sql.raw('i."hasAvatar" AND (i."isNow" OR u.avatar_set_at IS NULL OR i.at > u.avatar_set_at)')

export function createUserStore(db: Db) {
  /**
   * Creates users, or brings each field to what was said last, each with the topic that tells of what concerns them. Here and below
   * rows are locked in one order, so that two statements can't block each other for ever.
   */
  async function upsert(profiles: readonly UserProfile[]): Promise<void> {
    const rows = profiles.map(({ id, name, avatar, saidAt }) => ({
      id,
      name: name ?? null,
      avatar: avatar ?? null,
      hasAvatar: avatar !== undefined,
      saidAt: saidAt === 'now' ? null : (saidAt ?? null),
      isNow: saidAt === 'now',
    }))
    const raced = await db.$queryRaw<{ id: number }[]>`
      WITH input AS MATERIALIZED (
        SELECT i.*, CASE WHEN i."isNow" THEN statement_timestamp()
          WHEN i."saidAt" IS NOT NULL THEN least(to_timestamp(i."saidAt" / 1000), statement_timestamp()) END AS at
        FROM ${recordset(rows, 'i', 'id int, name text, avatar text, "hasAvatar" boolean, "saidAt" float8, "isNow" boolean')}
      ), topics AS (
        INSERT INTO topics (name) SELECT 'user:' || id FROM input ORDER BY 1 ON CONFLICT DO NOTHING
      ), differing AS MATERIALIZED (
        SELECT i.* FROM input i JOIN users u ON u.id = i.id
        WHERE (${saysName} AND (i.name, i.at) IS DISTINCT FROM (u.name, u.name_set_at))
          OR (${saysAvatar} AND (i.avatar, i.at) IS DISTINCT FROM (u.avatar, u.avatar_set_at))
        ORDER BY u.id FOR NO KEY UPDATE OF u
      ), changed AS (
        UPDATE users u SET
          name = CASE WHEN ${saysName} THEN i.name ELSE u.name END,
          name_set_at = CASE WHEN ${saysName} THEN i.at ELSE u.name_set_at END,
          avatar = CASE WHEN ${saysAvatar} THEN i.avatar ELSE u.avatar END,
          avatar_set_at = CASE WHEN ${saysAvatar} THEN i.at ELSE u.avatar_set_at END
        FROM differing i WHERE u.id = i.id
      ), added AS (
        SELECT * FROM input i WHERE NOT EXISTS (SELECT FROM users WHERE id = i.id)
      ), inserted AS (
        INSERT INTO users (id, name, avatar, name_set_at, avatar_set_at)
        SELECT id, coalesce(name, 'user' || id), avatar, CASE WHEN name IS NOT NULL THEN at END, CASE WHEN "hasAvatar" THEN at END
        FROM added ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
      )
      SELECT id FROM added WHERE id NOT IN (SELECT id FROM inserted)`
    // Another statement created them meanwhile: now they can be compared with.
    if (raced.length > 0) await upsert(profiles.filter(({ id }) => raced.some((user) => user.id === id)))
  }

  return {
    async byIds(ids: readonly number[]): Promise<Map<number, UserRecord>> {
      const rows = await db.$queryRaw<UserRecord[]>`
        SELECT id, name, avatar, ${epochMs('last_active')} AS "lastActive" FROM users WHERE id = ANY(${[...ids]}::int[])`
      return new Map(rows.map((row) => [row.id, row]))
    },

    upsert,

    /**
     * Counts that others put these users into a group today (in UTC), unless one of them was put into `limit` already: then nothing
     * is counted, and those are the result.
     */
    async countGroupAdditions(ids: readonly number[], limit: number): Promise<number[]> {
      const rows = await db.$queryRaw<{ id: number }[]>`
        WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day), locked AS MATERIALIZED (
          SELECT u.id, CASE WHEN u.group_additions_day = today.day THEN u.group_additions ELSE 0 END AS count FROM users u, today
          WHERE u.id = ANY(${[...ids]}::int[]) ORDER BY u.id FOR NO KEY UPDATE OF u
        ), counted AS (
          UPDATE users u SET group_additions = l.count + 1, group_additions_day = today.day FROM locked l, today
          WHERE u.id = l.id AND NOT EXISTS (SELECT FROM locked WHERE count >= ${limit})
        )
        SELECT id FROM locked WHERE count >= ${limit} ORDER BY id`
      return rows.map(({ id }) => id)
    },

    /** Notes when users were last connected. */
    async touch(lastActive: ReadonlyMap<number, number>): Promise<void> {
      const rows = [...lastActive].map(([id, at]) => ({ id, at }))
      await db.$executeRaw`
        WITH later AS MATERIALIZED (
          SELECT i.* FROM ${recordset(rows, 'i', 'id int, at float8')} JOIN users u ON u.id = i.id
          WHERE u.last_active IS NULL OR u.last_active < to_timestamp(i.at / 1000)
          ORDER BY u.id FOR NO KEY UPDATE OF u
        )
        UPDATE users u SET last_active = to_timestamp(l.at / 1000) FROM later l WHERE u.id = l.id`
    },
  }
}
