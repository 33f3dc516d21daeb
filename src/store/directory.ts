import { Prisma as Sql } from './generated/client.ts'
import { epochMs, type Db } from './database/sql.ts'
import type { UserRecord } from './users.ts'

/** Statistics of a UTC day, `2023-07-15`. */
export interface DayRecord {
  date: string
  messages: number
  activeUsers: number
  newUsers: number
  newConversations: number
}

/** Filters of users; none: all. */
export interface UserFilter {
  /** A part of the name, case-insensitive, or the exact id. */
  search?: string | undefined
  /** Users who are banned now, or who are not. */
  banned?: boolean | undefined
  /** Only these, ids ascending. */
  ids?: readonly number[] | undefined
}

const userColumns = Sql.sql`u.id, u.name, u.avatar, ${epochMs('u.last_active')} AS "lastActive"`

/** How many rows are scanned in the order of ids before the index of names is used: frequent parts are found among them. */
const WINDOW = 2000
/** The index knows for each id in which ranges of 2 to the power of these it is: a search widens only as far as it has to. */
const RANGE_LEVELS = [13, 16] as const

/** The text as a LIKE pattern that matches it anywhere. */
const anywhere = (text: string): string => `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`

/** A table searched by a part of its name. */
interface Named {
  /** With the alias `u` and a condition that others can follow. */
  from: Sql.Sql
  columns: Sql.Sql
}

/** Directory queries of admins. */
export class DirectoryStore {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** Users by id, those above `after`. */
  async users({ search, banned, ids }: UserFilter, after: number, limit: number): Promise<UserRecord[]> {
    const ban = Sql.sql`EXISTS (SELECT FROM bans b WHERE b.user_id = u.id AND b.until > now())`
    const and = banned === false ? Sql.sql`AND NOT ${ban}` : Sql.empty
    // A short list is scanned at once.
    if (ids !== undefined || banned === true) {
      const list =
        ids === undefined
          ? Sql.sql`u.id IN (SELECT user_id FROM bans WHERE until > now() AND user_id > ${after})`
          : Sql.sql`u.id = ANY(${[...ids]}::int[]) ${banned === undefined ? Sql.empty : Sql.sql`AND ${ban} = ${banned}`}`
      const named =
        search === undefined
          ? Sql.empty
          : Sql.sql`AND (folded_name(u.name) LIKE folded_name(${anywhere(search)}) OR u.id::text = ${search})`
      return await this.#db.$queryRaw<UserRecord[]>`
          SELECT ${userColumns} FROM users u WHERE ${list} AND u.id > ${after} ${named} ORDER BY u.id LIMIT ${limit}`
    }
    if (search === undefined)
      return await this.#db.$queryRaw<UserRecord[]>`
          SELECT ${userColumns} FROM users u WHERE u.id > ${after} ${and} ORDER BY u.id LIMIT ${limit}`
    const byId = /^[1-9]\d{0,8}$/.test(search)
      ? await this.#db.$queryRaw<UserRecord[]>`
            SELECT ${userColumns} FROM users u WHERE u.id = ${Number(search)} AND u.id > ${after} ${and}`
      : []
    const source = { from: Sql.sql`users u WHERE true ${and}`, columns: userColumns }
    return merged(byId, await this.#byName<UserRecord>(source, search, after, limit), limit)
  }

  /** The ids of open groups, those above `after`; `search` is a part of the name, case-insensitive. */
  async groups(search: string | undefined, after: number, limit: number): Promise<number[]> {
    const source = { from: Sql.sql`groups u WHERE u.closed_at IS NULL`, columns: Sql.sql`u.id` }
    const rows =
      search === undefined
        ? await this.#db.$queryRaw<
            { id: number }[]
          >`SELECT u.id FROM ${source.from} AND u.id > ${after} ORDER BY u.id LIMIT ${limit}`
        : await this.#byName<{ id: number }>(source, search, after, limit)
    return rows.map(({ id }) => id)
  }

  /** Records who was connected on the day of each time, in milliseconds since the epoch. */
  async noteActive(active: ReadonlyMap<number, number>): Promise<void> {
    const rows = [...active].map(([id, at]) => ({ id, at }))
    if (rows.length === 0) return
    await this.#db.$executeRaw`
        INSERT INTO active_days (day, user_id)
        SELECT (to_timestamp(i.at / 1000) AT TIME ZONE 'UTC')::date, i.id
        FROM json_to_recordset(${JSON.stringify(rows)}::json) AS i(id int, at float8) ORDER BY 1, 2 ON CONFLICT DO NOTHING`
  }

  /** Deletes activity of days longer ago. */
  async forgetActive(days: number): Promise<void> {
    await this.#db.$executeRaw`DELETE FROM active_days WHERE day < (now() AT TIME ZONE 'UTC')::date - ${days}::int`
  }

  /** The last `days` days of UTC, today included, the newest last. */
  async statistics(days: number): Promise<DayRecord[]> {
    const day = (column: string): Sql.Sql => Sql.raw(`(${column} AT TIME ZONE 'UTC')::date`)
    return await this.#db.$queryRaw<DayRecord[]>`
        WITH span AS MATERIALIZED (
          SELECT (now() AT TIME ZONE 'UTC')::date - ${days - 1}::int AS first,
            ((now() AT TIME ZONE 'UTC')::date - ${days - 1}::int)::timestamp AT TIME ZONE 'UTC' AS since
        ), sent AS MATERIALIZED (
          SELECT ${day('created_at')} AS day, sender_id AS user_id, count(*) AS total FROM messages
          WHERE created_at >= (SELECT since FROM span) GROUP BY 1, 2
        ), active AS (
          SELECT day, count(*)::int AS total FROM (
            SELECT day, user_id FROM sent
            UNION SELECT ${day('read_at')}, reader_id FROM receipts WHERE read_at >= (SELECT since FROM span)
            UNION SELECT ${day('created_at')}, user_id FROM reactions WHERE created_at >= (SELECT since FROM span)
            UNION SELECT day, user_id FROM active_days WHERE day >= (SELECT first FROM span)
          ) a GROUP BY day
        ), users AS (
          SELECT ${day('created_at')} AS day, count(*)::int AS total FROM users WHERE created_at >= (SELECT since FROM span) GROUP BY 1
        ), conversations AS (
          SELECT ${day('created_at')} AS day, count(*)::int AS total FROM conversations
          WHERE created_at >= (SELECT since FROM span) GROUP BY 1
        )
        SELECT d.day::text AS date, coalesce((SELECT sum(total) FROM sent WHERE day = d.day), 0)::int AS messages,
          coalesce(a.total, 0) AS "activeUsers", coalesce(u.total, 0) AS "newUsers", coalesce(c.total, 0) AS "newConversations"
        FROM (SELECT (SELECT first FROM span) + n AS day FROM generate_series(0, ${days - 1}::int) n) d
        LEFT JOIN active a ON a.day = d.day LEFT JOIN users u ON u.day = d.day LEFT JOIN conversations c ON c.day = d.day ORDER BY d.day`
  }

  /** Rows by a part of the name in the order of ids, those above `after`: among the next ones, then in ever larger ranges of ids. */
  async #byName<R extends { id: number }>({ from, columns }: Named, search: string, after: number, limit: number): Promise<R[]> {
    const matches = Sql.sql`folded_name(u.name) LIKE folded_name(${anywhere(search)})`
    const scanned = await this.#db.$queryRaw<({ last: number | null; size: number } & (R | { id: null }))[]>`
      WITH passed AS MATERIALIZED (SELECT u.* FROM ${from} AND u.id > ${after} ORDER BY u.id LIMIT ${WINDOW})
      SELECT w.*, r.* FROM (SELECT max(id) AS last, count(*)::int AS size FROM passed) w LEFT JOIN LATERAL (
        SELECT ${columns} FROM passed u WHERE ${matches} ORDER BY u.id LIMIT ${limit}
      ) r ON true ORDER BY r.id`
    const found = scanned.flatMap(({ last: _last, size: _size, ...row }) => (row.id === null ? [] : [row as unknown as R]))
    let last = scanned[0]?.last ?? after
    if ((scanned[0]?.size ?? 0) < WINDOW) return found
    for (const level of [...RANGE_LEVELS, undefined]) {
      if (found.length >= limit) break
      // The range that goes on here and the one after it, since the first may be about to end.
      const range = level === undefined ? 0 : Math.floor((last + 1) / 2 ** level)
      const within =
        level === undefined
          ? Sql.empty
          : Sql.sql`AND name_keys(u.id, u.name) && ${[range, range + 1].map((n) => `${level}:${n}`)}::text[]`
      // What the index gives is put in order first, and compared only until the page is full.
      const rows = await this.#db.$queryRaw<R[]>`
        WITH named AS MATERIALIZED (
          SELECT u.* FROM ${from} AND u.id > ${last} ${within} AND name_keys(u.id, u.name) @> (
            SELECT array_agg(gram) FROM unnest(name_grams(${search})) gram WHERE length(gram) = least(3, length(folded_name(${search})))
          ) ORDER BY u.id
        )
        SELECT ${columns} FROM named u WHERE ${matches} LIMIT ${limit - found.length}`
      found.push(...rows)
      if (level !== undefined) last = Math.max(last, (range + 2) * 2 ** level - 1)
    }
    return found
  }
}

/** The rows of both by id, without duplicates. */
function merged<R extends { id: number }>(some: readonly R[], others: readonly R[], limit: number): R[] {
  const known = new Set(others.map(({ id }) => id))
  const all = [...some.filter(({ id }) => !known.has(id)), ...others]
  return all.toSorted((a, b) => a.id - b.id).slice(0, limit)
}
