import type { Prisma } from './generated/client.ts'
import { epochMs, pageBefore, type Db } from './database/sql.ts'

/** `at` and `readAt` are in milliseconds since the epoch. */
export interface NotificationRecord {
  id: number
  userId: number
  type: string
  data: unknown
  at: number
  readAt: number | null
}

export function createNotificationStore(db: Db) {
  const columns = (select: TemplateStringsArray, ...values: unknown[]): Prisma.PrismaPromise<NotificationRecord[]> =>
    db.$queryRaw(select, ...values)
  const at = epochMs('created_at')
  const readAt = epochMs('read_at')

  return {
    /** Stores a notification for each user. */
    async add(userIds: readonly number[], type: string, data: unknown): Promise<NotificationRecord[]> {
      return await columns`
        INSERT INTO notifications (user_id, type, data, created_at)
        SELECT id, ${type}, ${JSON.stringify(data)}::jsonb, date_trunc('milliseconds', statement_timestamp())
        FROM unnest(${[...userIds]}::int[]) AS k(id) ORDER BY id
        RETURNING id::float8 AS id, user_id AS "userId", type, data, ${at} AS at, ${readAt} AS "readAt"`
    },

    /** The user's notifications with an id below `before`, newest first. */
    async page(userId: number, before: number | undefined, limit: number): Promise<NotificationRecord[]> {
      return await columns`
        SELECT n.* FROM unnest(ARRAY[${userId}]::int[], ARRAY[${before ?? Number.MAX_SAFE_INTEGER}]::bigint[]) AS k(id, before) CROSS JOIN LATERAL (
          SELECT id::float8 AS id, user_id AS "userId", type, data, ${at} AS at, ${readAt} AS "readAt" FROM notifications
          WHERE ${pageBefore('user_id', 'notifications.id', 'k.id', 'k.before')} LIMIT ${limit}
        ) n ORDER BY n.id DESC`
    },

    async find(userId: number, id: number): Promise<NotificationRecord | undefined> {
      const [row] = await columns`
        SELECT id::float8 AS id, user_id AS "userId", type, data, ${at} AS at, ${readAt} AS "readAt" FROM notifications
        WHERE id = ${id} AND user_id = ${userId}`
      return row
    },

    /** Marks one of the user's notifications read; undefined if the user has no such unread one. */
    async markRead(userId: number, id: number): Promise<NotificationRecord | undefined> {
      const [row] = await columns`
        UPDATE notifications SET read_at = date_trunc('milliseconds', statement_timestamp())
        WHERE id = ${id} AND user_id = ${userId} AND read_at IS NULL
        RETURNING id::float8 AS id, user_id AS "userId", type, data, ${at} AS at, ${readAt} AS "readAt"`
      return row
    },
  }
}
