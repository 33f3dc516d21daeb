import { Prisma as Sql } from './generated/client.ts'
import type { Db } from './database/sql.ts'

/** The repair of a database that was replaced or went back in time. */
export interface HistoryRepair {
  /** The last event that is left; events up to this one are unchanged. */
  lastEventId: number
}

/**
 * How far ids are advanced beyond the last one the database knows: more than a node writes in a day without anybody noticing.
 */
const GAP = 1_000_000
const GROUPS_GAP = 10_000

/**
 * The cluster, its timeline, and the OIDs of the database and the event table. A restore from a dump changes the cluster, the
 * database or the tables; a recovery to a point in time and a failover change the timeline.
 */
const ORIGIN = Sql.sql`
  SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE substring(pg_walfile_name(pg_current_wal_lsn()) FOR 8) END,
    (SELECT oid FROM pg_database WHERE datname = current_database()), 'events'::regclass::oid) AS origin`

const clusterOf = (origin: string): string | undefined => origin.split('/')[0]

/** The database's current origin; undefined if this user may not query it. */
export async function originOf(db: Pick<Db, '$queryRaw'>): Promise<string | undefined> {
  const [row] = await db.$queryRaw<{ origin: string }[]>(ORIGIN)
  return row === undefined || row.origin.includes('standby') ? undefined : row.origin
}

/**
 * Compares the database with where its history was written, in a transaction. If they differ, the database may have gone back
 * to an earlier state (a restored backup, a recovery to a point in time, a replica that was behind): ids are then advanced
 * above all that may have been issued, transaction ids of another cluster are not mistaken for this one's, and cursors of lost
 * events are treated as incomplete. Undefined if there was nothing to repair.
 */
export async function repairHistory(tx: Db, origin: string): Promise<HistoryRepair | undefined> {
  const [installation] = await tx.$queryRaw<{ origin: string | null }[]>`SELECT origin FROM installation FOR UPDATE`
  if (installation?.origin === origin) return undefined
  await tx.$executeRaw`UPDATE installation SET origin = ${origin}`
  // The first server to check.
  if (installation?.origin == null) return undefined

  // Reads the whole log, which has no index by id alone.
  const [last] = await tx.$queryRaw<{ id: number }[]>`SELECT coalesce(max(id), 0)::float8 AS id FROM events`
  await tx.$executeRaw`UPDATE installation SET epoch = gen_random_uuid()`
  // From the sequence, not the log: a dump's sequence may be ahead of what is left in the log.
  await tx.$executeRaw`
    INSERT INTO lost_events (after_id, until_id)
    SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq),
      (SELECT last_value FROM events_id_seq) + ${GAP}
    ON CONFLICT (after_id) DO UPDATE SET until_id = excluded.until_id`
  await tx.$queryRaw`
    SELECT setval('events_id_seq', nextval('events_id_seq') + ${GAP})::text, setval('messages_id_seq', nextval('messages_id_seq') + ${GAP})::text,
      setval('notifications_id_seq', nextval('notifications_id_seq') + ${GAP})::text, setval('groups_id_seq', nextval('groups_id_seq') + ${GROUPS_GAP})::text`
  // Nodes and clients that are ahead of the log must not mistake new entries for ones they have.
  await tx.$executeRaw`UPDATE topics SET seq = seq + ${GAP}`
  // A new cluster numbers transactions from the beginning: for its snapshots, the stored ones would be in the future.
  if (clusterOf(installation.origin) !== clusterOf(origin)) {
    await tx.$executeRaw`UPDATE events SET xid = 0`
    await tx.$executeRaw`UPDATE topics SET swept_xid = 0 WHERE swept_xid <> 0`
  }
  return { lastEventId: last?.id ?? 0 }
}
