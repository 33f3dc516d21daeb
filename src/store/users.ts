import type { Db } from './db.ts'
import { epochMs } from './event-log.ts'

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
}

export function createUserStore(db: Db) {
  return {
    async byIds(ids: readonly number[]): Promise<Map<number, UserRecord>> {
      const rows = await db.$queryRaw<UserRecord[]>`
        SELECT id, name, avatar, ${epochMs('last_active')} AS "lastActive" FROM users WHERE id = ANY(${[...ids]}::int[])`
      return new Map(rows.map((row) => [row.id, row]))
    },

    /**
     * Creates users, or changes what differs, each with the topic that tells of what concerns them. Here and below rows are
     * locked in one order, so that two statements can't block each other for ever.
     */
    async upsert(profiles: readonly UserProfile[]): Promise<void> {
      const rows = profiles.map(({ id, name, avatar }) => ({
        id,
        name: name ?? null,
        avatar: avatar ?? null,
        hasAvatar: avatar !== undefined,
      }))
      await db.$executeRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::json) AS i(id int, name text, avatar text, "hasAvatar" boolean)
        ), topics AS (
          INSERT INTO topics (name) SELECT 'user:' || id FROM input ORDER BY 1 ON CONFLICT DO NOTHING
        ), differing AS MATERIALIZED (
          SELECT i.* FROM input i JOIN users u ON u.id = i.id
          WHERE u.name <> i.name OR (i."hasAvatar" AND u.avatar IS DISTINCT FROM i.avatar)
          ORDER BY u.id FOR NO KEY UPDATE OF u
        ), changed AS (
          UPDATE users u SET name = coalesce(d.name, u.name), avatar = CASE WHEN d."hasAvatar" THEN d.avatar ELSE u.avatar END
          FROM differing d WHERE u.id = d.id
        )
        INSERT INTO users (id, name, avatar) SELECT id, coalesce(name, 'user' || id), avatar FROM input ORDER BY id
        ON CONFLICT DO NOTHING`
    },

    /** Notes when users were last connected. */
    async touch(lastActive: ReadonlyMap<number, number>): Promise<void> {
      const rows = [...lastActive].map(([id, at]) => ({ id, at }))
      await db.$executeRaw`
        WITH later AS MATERIALIZED (
          SELECT i.* FROM json_to_recordset(${JSON.stringify(rows)}::json) AS i(id int, at float8) JOIN users u ON u.id = i.id
          WHERE u.last_active IS NULL OR u.last_active < to_timestamp(i.at / 1000)
          ORDER BY u.id FOR NO KEY UPDATE OF u
        )
        UPDATE users u SET last_active = to_timestamp(l.at / 1000) FROM later l WHERE u.id = l.id`
    },
  }
}
