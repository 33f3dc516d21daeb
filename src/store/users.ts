import { Prisma as Sql } from './generated/client.ts'
import { epochMs, recordset, type Db } from './database/sql.ts'

/** `lastActive` is in milliseconds since the epoch, null for a user who never connected. */
export interface UserRecord {
  id: number
  name: string
  avatar: string | null
  lastActive: number | null
}

/** A user's data from a token or an admin; undefined fields stay as they are. */
export interface UserProfile {
  id: number
  name: string | undefined
  avatar: string | null | undefined
  /** When the token was issued, in milliseconds since the epoch; `now` for an admin's change, undefined if unknown. */
  statedAt?: number | 'now' | undefined
}

/** A user whose change is to be announced, and in how many milliseconds. */
export interface DueAnnouncement {
  id: number
  inMs: number
}

/**
 * Interval between two announcements of one user; slightly more than the 3 s promised to clients, to allow for delays on the
 * way to them.
 */
const ANNOUNCE_EVERY = Sql.raw("interval '3.1 seconds'")

/** Whether the input `i` has a name, or avatar, that is newer than the stored one; or neither has a time. */
const hasNewName = Sql.raw('i.name IS NOT NULL AND (i."isNow" OR u.name_set_at IS NULL OR i.at > u.name_set_at)')
const hasNewAvatar = Sql.raw('i."hasAvatar" AND (i."isNow" OR u.avatar_set_at IS NULL OR i.at > u.avatar_set_at)')
const newName = Sql.sql`CASE WHEN ${hasNewName} THEN i.name ELSE u.name END`
const newAvatar = Sql.sql`CASE WHEN ${hasNewAvatar} THEN i.avatar ELSE u.avatar END`

export class UserStore {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  async byIds(ids: readonly number[]): Promise<Map<number, UserRecord>> {
    const rows = await this.#db.$queryRaw<UserRecord[]>`
        SELECT id, name, avatar, ${epochMs('last_active')} AS "lastActive" FROM users WHERE id = ANY(${[...ids]}::int[])`
    return new Map(rows.map((row) => [row.id, row]))
  }

  /**
   * Creates users, or updates each field to the latest value, together with their topics; returns those whose changes are to be
   * announced. Here and below rows are locked in the same order, so that two statements can't deadlock.
   */
  async upsert(profiles: readonly UserProfile[]): Promise<DueAnnouncement[]> {
    const rows = profiles.map(({ id, name, avatar, statedAt }) => ({
      id,
      name: name ?? null,
      avatar: avatar ?? null,
      hasAvatar: avatar !== undefined,
      statedAt: statedAt === 'now' ? null : (statedAt ?? null),
      isNow: statedAt === 'now',
    }))
    const found = await this.#db.$queryRaw<{ id: number; inMs: number | null }[]>`
      WITH input AS MATERIALIZED (
        SELECT i.*, CASE WHEN i."isNow" THEN statement_timestamp()
          WHEN i."statedAt" IS NOT NULL THEN least(to_timestamp(i."statedAt" / 1000), statement_timestamp()) END AS at
        FROM ${recordset(rows, 'i', 'id int, name text, avatar text, "hasAvatar" boolean, "statedAt" float8, "isNow" boolean')}
        -- A token that was verified before its user was erased brings nothing back.
        WHERE i."isNow" OR NOT EXISTS (SELECT FROM bans b WHERE b.user_id = i.id AND b.erased_at IS NOT NULL)
      ), topics AS (
        -- Only where there is none: a conflict would wait for whatever holds the topic's lock.
        INSERT INTO topics (name) SELECT 'user:' || i.id FROM input i
        WHERE NOT EXISTS (SELECT FROM topics t WHERE t.name = 'user:' || i.id) ORDER BY 1 ON CONFLICT DO NOTHING
      ), differing AS MATERIALIZED (
        SELECT i.* FROM input i JOIN users u ON u.id = i.id
        WHERE (${hasNewName} AND (i.name, i.at) IS DISTINCT FROM (u.name, u.name_set_at))
          OR (${hasNewAvatar} AND (i.avatar, i.at) IS DISTINCT FROM (u.avatar, u.avatar_set_at))
        ORDER BY u.id FOR NO KEY UPDATE OF u
      ), changed AS (
        UPDATE users u SET
          name = ${newName},
          name_set_at = CASE WHEN ${hasNewName} THEN i.at ELSE u.name_set_at END,
          avatar = ${newAvatar},
          avatar_set_at = CASE WHEN ${hasNewAvatar} THEN i.at ELSE u.avatar_set_at END,
          announce_due = CASE WHEN (${newName}, ${newAvatar}) IS NOT DISTINCT FROM (u.name, u.avatar) THEN u.announce_due
            ELSE coalesce(u.announce_due, greatest(date_trunc('milliseconds', statement_timestamp()), u.announced_at + ${ANNOUNCE_EVERY})) END
        FROM differing i WHERE u.id = i.id
        RETURNING u.id, u.announce_due
      ), added AS (
        SELECT * FROM input i WHERE NOT EXISTS (SELECT FROM users WHERE id = i.id)
      ), inserted AS (
        INSERT INTO users (id, name, avatar, name_set_at, avatar_set_at)
        SELECT id, coalesce(name, 'user' || id), avatar, CASE WHEN name IS NOT NULL THEN at END, CASE WHEN "hasAvatar" THEN at END
        FROM added ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
      )
      SELECT id, NULL::float8 AS "inMs" FROM added WHERE id NOT IN (SELECT id FROM inserted)
      UNION ALL
      SELECT id, greatest(0, ${epochMs('(announce_due - statement_timestamp())')}) FROM changed WHERE announce_due IS NOT NULL`
    const due = found.flatMap(({ id, inMs }) => (inMs === null ? [] : [{ id, inMs }]))
    const raced = new Set(found.flatMap(({ id, inMs }) => (inMs === null ? [id] : [])))
    // Another statement created them meanwhile: now they can be compared.
    return raced.size === 0 ? due : [...due, ...(await this.upsert(profiles.filter(({ id }) => raced.has(id))))]
  }

  /** Users whose changes are due to be announced, longest due first. */
  async dueAnnouncements(limit: number): Promise<number[]> {
    const rows = await this.#db.$queryRaw<{ id: number }[]>`
        SELECT id FROM users WHERE announce_due <= statement_timestamp() ORDER BY announce_due LIMIT ${limit}`
    return rows.map(({ id }) => id)
  }

  /** Records that a user's change is announced now; resolves with the user as announced, undefined if nothing is due. */
  async claimAnnouncement(id: number): Promise<Pick<UserRecord, 'id' | 'name' | 'avatar'> | undefined> {
    const [row] = await this.#db.$queryRaw<Pick<UserRecord, 'id' | 'name' | 'avatar'>[]>`
        UPDATE users SET announce_due = NULL, announced_at = statement_timestamp()
        WHERE id = ${id} AND announce_due <= statement_timestamp() RETURNING id, name, avatar`
    return row
  }

  /**
   * Counts additions of these users to a group by others today (in UTC), unless one of them was added `limit` times already:
   * then nothing is counted, and those users are the result.
   */
  async countGroupAdditions(ids: readonly number[], limit: number): Promise<number[]> {
    const rows = await this.#db.$queryRaw<{ id: number }[]>`
        WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day), locked AS MATERIALIZED (
          SELECT u.id, CASE WHEN u.group_additions_day = today.day THEN u.group_additions ELSE 0 END AS count FROM users u, today
          WHERE u.id = ANY(${[...ids]}::int[]) ORDER BY u.id FOR NO KEY UPDATE OF u
        ), counted AS (
          UPDATE users u SET group_additions = l.count + 1, group_additions_day = today.day FROM locked l, today
          WHERE u.id = l.id AND NOT EXISTS (SELECT FROM locked WHERE count >= ${limit})
        )
        SELECT id FROM locked WHERE count >= ${limit} ORDER BY id`
    return rows.map(({ id }) => id)
  }

  /** Counts a group that the user created today (in UTC); false if there are `limit` already, and then it is not counted. */
  async countGroupCreated(id: number, limit: number): Promise<boolean> {
    const count = await this.#db.$executeRaw`
        WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day)
        UPDATE users SET groups_created = CASE WHEN groups_created_day = today.day THEN groups_created + 1 ELSE 1 END,
          groups_created_day = today.day
        FROM today WHERE id = ${id} AND (groups_created_day IS DISTINCT FROM today.day OR groups_created < ${limit})`
    return count === 1
  }

  /** Records when users were last connected. */
  async touch(lastActive: ReadonlyMap<number, number>): Promise<void> {
    const rows = [...lastActive].map(([id, at]) => ({ id, at }))
    await this.#db.$executeRaw`
        WITH later AS MATERIALIZED (
          SELECT i.* FROM ${recordset(rows, 'i', 'id int, at float8')} JOIN users u ON u.id = i.id
          WHERE u.last_active IS NULL OR u.last_active < to_timestamp(i.at / 1000)
          ORDER BY u.id FOR NO KEY UPDATE OF u
        )
        UPDATE users u SET last_active = to_timestamp(l.at / 1000) FROM later l WHERE u.id = l.id`
  }
}
