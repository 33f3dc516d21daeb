import { Prisma as Sql } from './generated/client.ts'
import { epochMs, pageBefore, recordset, type Db } from './database/sql.ts'

/** What an admin did or looked at. */
export interface NewAuditEntry {
  actorId: number
  /** The field of the schema. */
  action: string
  /** A type of the schema. */
  targetType: string
  targetId: string | null
  /** The arguments, without contents and tokens. */
  details: Readonly<Record<string, unknown>>
}

/** `at` is in milliseconds since the epoch. */
export interface AuditRecord extends NewAuditEntry {
  id: number
  at: number
}

export interface AuditFilter {
  actorId?: number | undefined
  action?: string | undefined
  targetId?: string | undefined
}

const columns = Sql.sql`id::float8 AS id, ${epochMs('created_at')} AS at, actor_id AS "actorId", action, target_type AS "targetType",
  target_id AS "targetId", details`

export function createAuditStore(db: Db) {
  /** `isReading`: what the same actor looked at in the same hour is not recorded again. */
  async function insert(entries: readonly NewAuditEntry[], isReading: boolean): Promise<AuditRecord[]> {
    const rows = entries.map((entry) => ({ ...entry, details: JSON.stringify(entry.details) }))
    return await db.$queryRaw<AuditRecord[]>`
      INSERT INTO audit_log (actor_id, action, target_type, target_id, details, created_at, read_hour)
      SELECT "actorId", action, "targetType", "targetId", details::jsonb, date_trunc('milliseconds', statement_timestamp()),
        CASE WHEN ${isReading} THEN date_trunc('hour', statement_timestamp()) END
      FROM ${recordset(rows, 'i', '"actorId" int, action text, "targetType" text, "targetId" text, details text')} ORDER BY ord
      ON CONFLICT DO NOTHING RETURNING ${columns}`
  }

  return {
    async add(entry: NewAuditEntry): Promise<void> {
      await insert([entry], false)
    },

    /** Records what was looked at, each item once an hour for each actor; resolves with those that are new. */
    addReadings: (entries: readonly NewAuditEntry[]) => insert(entries, true),

    /** Entries with an id below `before`, newest first. */
    async page(filter: AuditFilter, before: number | undefined, limit: number): Promise<AuditRecord[]> {
      const { actorId, action, targetId } = filter
      const below = before ?? Number.MAX_SAFE_INTEGER
      const and = Sql.sql`${actorId === undefined ? Sql.empty : Sql.sql`AND actor_id = ${actorId}`}
        ${action === undefined ? Sql.empty : Sql.sql`AND action = ${action}`}`
      // Uses the narrowest index.
      const [column, key] =
        targetId !== undefined
          ? ['target_id', Sql.sql`${targetId}::text`]
          : actorId !== undefined
            ? ['actor_id', Sql.sql`${actorId}::int`]
            : ['action', Sql.sql`${action}::text`]
      if (targetId === undefined && actorId === undefined && action === undefined)
        return await db.$queryRaw<AuditRecord[]>`
          SELECT ${columns} FROM audit_log WHERE id < ${below} ORDER BY audit_log.id DESC LIMIT ${limit}`
      return await db.$queryRaw<AuditRecord[]>`
        SELECT a.* FROM (SELECT ${key} AS key, ${below}::bigint AS before) k CROSS JOIN LATERAL (
          SELECT ${columns} FROM audit_log WHERE ${pageBefore(column, 'audit_log.id', 'k.key', 'k.before', and)} LIMIT ${limit}
        ) a ORDER BY a.id DESC`
    },

    /** Deletes entries older than `days`, at most `limit`; returns how many. */
    async sweep(days: number, limit: number): Promise<number> {
      return await db.$executeRaw`
        DELETE FROM audit_log WHERE id IN (
          SELECT id FROM audit_log WHERE created_at < now() - make_interval(days => ${days}::int) LIMIT ${limit}
        )`
    },
  }
}
