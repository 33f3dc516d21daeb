import type { SnapshotPosition } from '../ids.ts'
import { Prisma as Sql, type Prisma } from './generated/client.ts'
import { epochMs, named, type Db } from './database/sql.ts'

/** A reader's position, and the key that cursors of this database are signed with. */
export interface ReadPosition {
  position: SnapshotPosition
  key: Uint8Array
}

interface Row {
  snapshot: string
  lastId: number
  at: number
  epoch: string
  key: string
}

/**
 * Reads the position of the statement's own snapshot, which in a REPEATABLE READ transaction is the transaction's. The sequence
 * is outside of snapshots and is read after the snapshot was taken: it is no lower than any visible id.
 */
export const READ_POSITION: Prisma.Sql = Sql.sql`${named('read_position')}
  SELECT pg_current_snapshot()::text AS snapshot, ${epochMs('clock_timestamp()')} AS at, epoch::text AS epoch,
    encode(key, 'base64') AS key, (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq)::float8 AS "lastId"
  FROM installation`

/** Converts a row of `READ_POSITION`. */
export function toReadPosition([row]: readonly unknown[]): ReadPosition {
  if (!row) throw new Error('the table "installation" is empty: its migration puts one row in')
  const { key, ...position } = row as Row
  return { position, key: Buffer.from(key, 'base64') }
}

export const createInstallationStore = (db: Pick<Db, '$queryRaw'>) => ({
  /** The position of a reader who starts now. */
  async position(): Promise<ReadPosition> {
    return toReadPosition(await db.$queryRaw<unknown[]>(READ_POSITION))
  },
})
