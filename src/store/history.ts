import { Prisma as Sql } from './generated/client.ts'
import type { Db } from './database/sql.ts'

/** What was done about a database that is another one, or of an earlier time. */
export interface HistoryRepair {
  /** The last event that is left; events up to this one are as they were. */
  lastEventId: number
}

/** How far ids go on beyond what the database knows to be given out: more than a node writes in a day without anybody noticing. */
const GAP = 1_000_000
const GROUPS_GAP = 10_000

/**
 * Which cluster it is, on which timeline, and the database's and the event table's own numbers. A restore from a dump changes the cluster, the
 * database or the tables, a recovery to a point in time and a failover the timeline.
 */
const ORIGIN = Sql.sql`
  SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE substring(pg_walfile_name(pg_current_wal_lsn()) FOR 8) END,
    (SELECT oid FROM pg_database WHERE datname = current_database()), 'events'::regclass::oid) AS origin`

const clusterOf = (origin: string): string | undefined => origin.split('/')[0]

/** Where the database is now; undefined where this user may not ask. */
export async function originOf(db: Pick<Db, '$queryRaw'>): Promise<string | undefined> {
  const [row] = await db.$queryRaw<{ origin: string }[]>(ORIGIN)
  return row === undefined || row.origin.includes('standby') ? undefined : row.origin
}

/**
 * Compares where the database is with where its history was written, in a transaction. Where they differ, the database may have gone back to an
 * earlier state (a restored backup, a recovery to a point in time, a replica that was behind): then ids go on above all that may have been given
 * out, transaction ids of another cluster are not taken for this one's, and cursors of what was lost are known to be incomplete. Undefined where
 * there was nothing to repair.
 */
export async function repairHistory(tx: Db, origin: string): Promise<HistoryRepair | undefined> {
  const [installation] = await tx.$queryRaw<{ origin: string | null }[]>`SELECT origin FROM installation FOR UPDATE`
  if (installation?.origin === origin) return undefined
  await tx.$executeRaw`UPDATE installation SET origin = ${origin}`
  // The first server that looks.
  if (installation?.origin == null) return undefined

  // Reads the whole log, which has no index by id alone.
  const [last] = await tx.$queryRaw<{ id: number }[]>`SELECT coalesce(max(id), 0)::float8 AS id FROM events`
  await tx.$executeRaw`UPDATE installation SET epoch = gen_random_uuid()`
  // Of the sequence and not of the log: a dump's sequence may be ahead of what is left in the log.
  await tx.$executeRaw`
    INSERT INTO lost_events (after_id, until_id)
    SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq),
      (SELECT last_value FROM events_id_seq) + ${GAP}
    ON CONFLICT (after_id) DO UPDATE SET until_id = excluded.until_id`
  await tx.$queryRaw`
    SELECT setval('events_id_seq', nextval('events_id_seq') + ${GAP})::text, setval('messages_id_seq', nextval('messages_id_seq') + ${GAP})::text,
      setval('notifications_id_seq', nextval('notifications_id_seq') + ${GAP})::text, setval('groups_id_seq', nextval('groups_id_seq') + ${GROUPS_GAP})::text`
  // Nodes and clients that are ahead of the log must not take what it counts from here for what they have.
  await tx.$executeRaw`UPDATE topics SET seq = seq + ${GAP}`
  // A new cluster counts transactions from the beginning: to its snapshots, these would be of the future.
  if (clusterOf(installation.origin) !== clusterOf(origin)) {
    await tx.$executeRaw`UPDATE events SET xid = 0`
    await tx.$executeRaw`UPDATE topics SET swept_xid = 0 WHERE swept_xid <> 0`
  }
  return { lastEventId: last?.id ?? 0 }
}
