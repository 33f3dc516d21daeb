import { hasCode } from './database/errors.ts'
import { UNDER_WAY } from './event-log.ts'
import { Prisma as Sql } from './generated/client.ts'
import type { Database } from './database/client.ts'
import type { RawDb } from './database/sql.ts'

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

/** SQLSTATE of what a user may not do. */
const FORBIDDEN = /^42501$/

/** The database's current origin; undefined if this user may not query it, or the server is a standby. */
async function originOf(db: Pick<RawDb, '$queryRaw'>): Promise<string | undefined> {
  try {
    const [row] = await db.$queryRaw<{ origin: string }[]>(ORIGIN)
    return row === undefined || row.origin.includes('standby') ? undefined : row.origin
  } catch (error) {
    if (hasCode(error, FORBIDDEN)) return undefined
    throw error
  }
}

/**
 * Compares the database with where its history was written, in a transaction. If they differ, the database may have gone back
 * to an earlier state (a restored backup, a recovery to a point in time, a replica that was behind): ids are then advanced
 * above all that may have been issued, transaction ids of another cluster are not mistaken for this one's, and cursors of lost
 * events are treated as incomplete. Undefined if there was nothing to repair.
 */
async function repairHistory(tx: RawDb, origin: string): Promise<HistoryRepair | undefined> {
  const [installation] = await tx.$queryRaw<{ origin: string | null }[]>`SELECT origin FROM installation FOR UPDATE`
  if (installation?.origin === origin) return undefined
  await tx.$executeRaw`UPDATE installation SET origin = ${origin}`
  // The first server to check.
  if (installation?.origin == null) return undefined

  // A large log takes longer to read than a request may.
  await tx.$executeRaw`SELECT set_config('statement_timeout', '0', true)`
  const end = await endOfLog(tx)
  await tx.$executeRaw`UPDATE installation SET epoch = gen_random_uuid()`
  await tx.$queryRaw`
    SELECT setval('events_id_seq', nextval('events_id_seq') + ${GAP})::text, setval('messages_id_seq', nextval('messages_id_seq') + ${GAP})::text,
      setval('notifications_id_seq', nextval('notifications_id_seq') + ${GAP})::text, setval('groups_id_seq', nextval('groups_id_seq') + ${GROUPS_GAP})::text`
  await tx.$executeRaw`
    INSERT INTO lost_events (after_id, until_id) VALUES (${end.safeUntil}::float8::bigint, (SELECT last_value FROM events_id_seq))
    ON CONFLICT (after_id) DO UPDATE SET until_id = excluded.until_id`
  // Nodes and clients that are ahead of the log must not mistake new entries for ones they have.
  await tx.$executeRaw`UPDATE topics SET seq = seq + ${GAP}`
  // A new cluster numbers transactions from the beginning: for its snapshots, the stored ones would be in the future.
  if (clusterOf(installation.origin) !== clusterOf(origin)) {
    await tx.$executeRaw`UPDATE events SET xid = 0`
    await tx.$executeRaw`UPDATE topics SET swept_xid = 0 WHERE swept_xid <> 0`
  }
  return { lastEventId: end.last }
}

/**
 * The last event that the log has had, and up to which none can be missing. Not by the sequence, which is ahead of the log in a dump, and by up to
 * 32 ids on a replica: what it is ahead may have been delivered. Reads the whole log, which has no index by id alone.
 */
async function endOfLog(tx: RawDb): Promise<{ last: number; safeUntil: number }> {
  const [end] = await tx.$queryRaw<{ last: number; safeUntil: number }[]>`
    WITH swept AS MATERIALIZED (SELECT coalesce(max(swept_id), 0) AS id FROM topics),
    recent AS MATERIALIZED (SELECT greatest(coalesce(max(e.id), 0), (SELECT id FROM swept)) AS last FROM events e)
    SELECT r.last::float8 AS last, coalesce((
      SELECT min(s.id) - 1 FROM generate_series(greatest(r.last - ${UNDER_WAY}::int, (SELECT id FROM swept)) + 1, r.last) s(id)
      WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = s.id)
        AND NOT EXISTS (SELECT FROM lost_events l WHERE s.id > l.after_id AND s.id <= l.until_id)
    ), r.last)::float8 AS "safeUntil" FROM recent r`
  return end ?? { last: 0, safeUntil: 0 }
}

/** SQLSTATE of a table or a column that the database does not have yet. */
const NOT_MIGRATED = /^42(P01|703)$/

export interface HistoryWatchOptions {
  /** Told when the database was replaced under a running process by one that may be of an earlier time. */
  onReplaced: () => void
  onRepaired: (repair: HistoryRepair) => void
}

/** Follows where the database is, for one process. */
export class HistoryWatch {
  readonly #options: HistoryWatchOptions
  /** Undefined before the first look, and where this user may not ask. */
  #known: string | undefined

  constructor(options: HistoryWatchOptions) {
    this.#options = options
  }

  /** Looks, and repairs what is wrong in a transaction that `transact` runs. */
  async look(db: Pick<RawDb, '$queryRaw'>, transact: (change: (tx: RawDb) => Promise<void>) => Promise<unknown>): Promise<void> {
    const origin = await originOf(db)
    if (origin === undefined || origin === this.#known) return
    let repair: HistoryRepair | undefined
    await transact(async (tx) => void (repair = await repairHistory(tx, origin)))
    const isReplaced = this.#known !== undefined && this.#known !== origin
    this.#known = origin
    if (repair) this.#options.onRepaired(repair)
    if (isReplaced) this.#options.onReplaced()
  }

  /**
   * The same for a connection that nobody has used yet: after a failover nothing must be written before the ids go on, and new connections are
   * the first that lead to the new server.
   */
  async admit(connection: RawDb): Promise<void> {
    const transact = async (change: (tx: RawDb) => Promise<void>): Promise<void> => {
      await connection.$executeRaw`BEGIN`
      try {
        await change(connection)
        await connection.$executeRaw`COMMIT`
      } catch (error) {
        await connection.$executeRaw`ROLLBACK`.catch(() => undefined)
        throw error
      }
    }
    await this.look(connection, transact).catch((error: unknown) => {
      if (!hasCode(error, NOT_MIGRATED)) throw error
    })
  }
}

export interface HistoryState {
  /** False where this user may not ask where the database is. */
  isKnown: boolean
  /** Whether a repair is due. */
  isMoved: boolean
  /** How many repairs there were. */
  lost: number
}

/** What is known of the history of a database; undefined where no server has looked yet. Changes nothing. */
export async function readHistory({ raw, prisma }: Pick<Database, 'raw' | 'prisma'>): Promise<HistoryState | undefined> {
  const db: RawDb = raw ?? prisma
  const isThere = await db.$queryRaw<{ found: boolean }[]>`SELECT to_regclass('lost_events') IS NOT NULL AS found`
  if (isThere[0]?.found !== true) return undefined
  const [state] = await db.$queryRaw<{ origin: string | null; lost: number }[]>`
    SELECT origin, (SELECT count(*)::int FROM lost_events) AS lost FROM installation`
  const origin = await originOf(db)
  if (state?.origin == null && origin !== undefined) return undefined
  return { isKnown: origin !== undefined, isMoved: origin !== undefined && origin !== state?.origin, lost: state?.lost ?? 0 }
}
