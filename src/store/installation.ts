import type { SnapshotPosition } from '../ids.ts'
import { Prisma as Sql, type Prisma } from './generated/client.ts'
import { epochMs, named, type Db } from './database/sql.ts'

/** A reader's position, and the key that cursors of this database are signed with. */
export interface ReadPosition {
  position: SnapshotPosition
  key: Uint8Array
}

/**
 * Reads the position of the statement's own snapshot, which in a REPEATABLE READ transaction is the transaction's. The sequence
 * is outside of snapshots and is read after the snapshot was taken: it is no lower than any visible id. One column, as the driver describes each anew for every result.
 */
export const READ_POSITION: Prisma.Sql = Sql.sql`${named('read_position')}
  SELECT concat_ws(' ', pg_current_snapshot(), ${epochMs('clock_timestamp()')}, epoch, encode(key, 'hex'),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq)) AS position
  FROM installation`

/** Converts a row of `READ_POSITION`. */
export function toReadPosition([row]: readonly unknown[]): ReadPosition {
  if (!row) throw new Error('the table "installation" is empty: its migration puts one row in')
  const [snapshot, at, epoch, key, lastId] = (row as { position: string }).position.split(' ') as [
    string,
    string,
    string,
    string,
    string,
  ]
  return { position: { snapshot, at: Number(at), epoch, lastId: Number(lastId) }, key: Buffer.from(key, 'hex') }
}

export const createInstallationStore = (db: Pick<Db, '$queryRaw'>) => ({
  /** The position of a reader who starts now. */
  async position(): Promise<ReadPosition> {
    return toReadPosition(await db.$queryRaw<unknown[]>(READ_POSITION))
  },
})
