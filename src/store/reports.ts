import { Prisma as Sql } from './generated/client.ts'
import { epochMs, pageBefore, type Db } from './database/sql.ts'

export type ReportStatus = 'OPEN' | 'DISMISSED' | 'ACTED'

/** A message that a member reported; times are in milliseconds since the epoch. */
export interface ReportRecord {
  id: number
  messageId: number
  conversationId: string
  senderId: number
  /** As of the time of the report. */
  content: string
  mediaUrl: string | null
  reporterId: number
  reason: string
  status: ReportStatus
  at: number
  resolvedById: number | null
  resolvedAt: number | null
  note: string | null
}

const columns = Sql.sql`id::float8 AS id, message_id::float8 AS "messageId", conversation_id AS "conversationId", sender_id AS "senderId",
  content, media_url AS "mediaUrl", reporter_id AS "reporterId", reason, status::text AS status, ${epochMs('created_at')} AS at,
  resolved_by_id AS "resolvedById", ${epochMs('resolved_at')} AS "resolvedAt", note`

export function createReportStore(db: Db) {
  return {
    /** Stores a report of a message in its current state; undefined if the user has reported it before, or it is gone. */
    async add(messageId: number, reporterId: number, reason: string): Promise<ReportRecord | undefined> {
      const [row] = await db.$queryRaw<ReportRecord[]>`
        INSERT INTO reports (message_id, conversation_id, sender_id, content, media_url, reporter_id, reason, created_at)
        SELECT id, conversation_id, sender_id, content, media_url, ${reporterId}, ${reason}, date_trunc('milliseconds', statement_timestamp())
        FROM messages WHERE id = ${messageId}::bigint AND deleted_at IS NULL
        ON CONFLICT DO NOTHING RETURNING ${columns}`
      return row
    },

    async of(messageId: number, reporterId: number): Promise<ReportRecord | undefined> {
      const [row] = await db.$queryRaw<ReportRecord[]>`
        SELECT ${columns} FROM reports WHERE message_id = ${messageId}::bigint AND reporter_id = ${reporterId}`
      return row
    },

    /** The report, locked until the transaction ends. */
    async lock(id: number): Promise<ReportRecord | undefined> {
      const [row] = await db.$queryRaw<ReportRecord[]>`SELECT ${columns} FROM reports WHERE reports.id = ${id}::bigint FOR UPDATE`
      return row
    },

    async resolve(id: number, status: ReportStatus, byId: number, note: string | null): Promise<ReportRecord> {
      const [row] = await db.$queryRaw<ReportRecord[]>`
        UPDATE reports SET status = ${status}::report_status, resolved_by_id = ${byId}, note = ${note},
          resolved_at = date_trunc('milliseconds', statement_timestamp())
        WHERE reports.id = ${id}::bigint RETURNING ${columns}`
      return row as ReportRecord
    },

    /** Reports of a status, or all, with an id below `before`, newest first. */
    async page(status: ReportStatus | undefined, before: number | undefined, limit: number): Promise<ReportRecord[]> {
      const below = before ?? Number.MAX_SAFE_INTEGER
      if (status === undefined)
        return await db.$queryRaw<ReportRecord[]>`
          SELECT ${columns} FROM reports WHERE reports.id < ${below} ORDER BY reports.id DESC LIMIT ${limit}`
      return await db.$queryRaw<ReportRecord[]>`
        SELECT r.* FROM (SELECT ${status}::report_status AS key, ${below}::bigint AS before) k CROSS JOIN LATERAL (
          SELECT ${columns} FROM reports WHERE ${pageBefore('reports.status', 'reports.id', 'k.key', 'k.before')} LIMIT ${limit}
        ) r ORDER BY r.id DESC`
    },
  }
}
