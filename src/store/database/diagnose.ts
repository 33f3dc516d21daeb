import type { Database } from './client.ts'

/** What a database reports about itself, and how it responds. */
export interface DatabaseFacts {
  schema: string
  version: string
  encoding: string
  /** Median of several round trips, in milliseconds. */
  latencyMs: number
  /** How far its clock is ahead of ours, in milliseconds. */
  clockAheadMs: number
  /** How many connections may be open at once, without those reserved for superusers; how many others are. */
  maxConnections: number
  usedConnections: number
  /** Whether an acknowledged commit survives a power cut. */
  isDurable: boolean
  /** Whether it is read-only. */
  isReplica: boolean
  /** Whether our user may create tables, as the migrations do. */
  mayCreate: boolean
}

const ROUND_TRIPS = 15

/** Queries a database that is open. */
export async function diagnoseDatabase({ raw, prisma, schema }: Database): Promise<DatabaseFacts> {
  const db = raw ?? prisma
  const [facts] = await db.$queryRaw<Omit<DatabaseFacts, 'schema' | 'latencyMs' | 'clockAheadMs'>[]>`
    SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS "maxConnections",
      (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS "usedConnections",
      current_setting('fsync')::boolean AND current_setting('synchronous_commit') <> 'off' AS "isDurable",
      pg_is_in_recovery() AS "isReplica",
      coalesce(has_schema_privilege(current_schema(), 'CREATE'), has_database_privilege(current_database(), 'CREATE')) AS "mayCreate"`
  const trips: { ms: number; aheadMs: number }[] = []
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const [sent, began] = [Date.now(), performance.now()]
    const [row] = await db.$queryRaw<{ now: number }[]>`SELECT (extract(epoch from clock_timestamp()) * 1000)::float8 AS now`
    const ms = performance.now() - began
    trips.push({ ms, aheadMs: (row?.now ?? 0) - (sent + ms / 2) })
  }
  trips.sort((a, b) => a.ms - b.ms)
  return {
    ...(facts as DatabaseFacts),
    schema,
    latencyMs: trips[Math.floor(ROUND_TRIPS / 2)]?.ms ?? 0,
    // The quickest answer gives the most exact time.
    clockAheadMs: trips[0]?.aheadMs ?? 0,
  }
}
