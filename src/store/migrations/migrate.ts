import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils'
import type { Database } from '../database/client.ts'
import { migrationAdapterFactory } from './adapter.ts'
import { applyMigrations, type Migration, MIGRATIONS_FOLDER } from './schema-engine.ts'
import { DatabaseStartError } from '../database/start-error.ts'

/** A row of Prisma's own table, without those that were rolled back. */
interface Applied {
  name: string
  checksum: string
  finished: boolean
}

/** The key that Prisma's tools lock too, so that they and starting nodes wait for each other. */
const LOCK_KEY = 72_707_369
const LOCK_TIMEOUT_S = 60
/** Empty if the schema does not exist yet. */
const IS_OURS = 'relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())'

/**
 * Migrates an empty or older database to our schema. Everything happens in one transaction under a lock: nodes that start at
 * the same time wait for the first, and a migration that fails or is killed leaves nothing behind. Throws DatabaseStartError
 * for a database that is too new for this version, isn't ours or in which an older tool left a failed migration; it stays
 * unchanged. For the same reason a migration can't contain statements that refuse a transaction (CREATE INDEX CONCURRENTLY).
 */
export async function migrate(database: Database, migrations?: readonly Migration[]): Promise<void> {
  const ours = migrations ?? (await readMigrations())
  if (await isMigrated(database, ours)) return
  await database.migration(async (session) => {
    // A migration takes the time that it takes, also where the role or a pooler gave the session a limit.
    await run(session, 'SET LOCAL statement_timeout = 0')
    await lock(session)
    if (database.schema !== 'public') await run(session, `CREATE SCHEMA IF NOT EXISTS "${database.schema}"`)
    const applied = await readApplied(session)
    if (await isUsable(session, applied, ours)) return
    if (applied) refuseHistory(applied, ours)
    else await refuseForeignTables(session)
    await apply(session, ours)
  })
}

/** Whether there is nothing to do, without the lock. */
async function isMigrated(database: Database, ours: readonly Migration[]): Promise<boolean> {
  const adapter = await database.adapterFactory.connect()
  try {
    return await isUsable(adapter, await readApplied(adapter), ours)
  } finally {
    await adapter.dispose()
  }
}

/**
 * The migrations that a start would apply. Changes nothing; throws DatabaseStartError for a database that a start would refuse.
 */
export async function missingMigrations(database: Database): Promise<string[]> {
  const ours = await readMigrations()
  const adapter = await database.adapterFactory.connect()
  try {
    const applied = await readApplied(adapter)
    if (await isUsable(adapter, applied, ours)) return []
    if (applied) refuseHistory(applied, ours)
    else await refuseForeignTables(adapter)
    return ours.map(({ name }) => name).filter((name) => applied?.every((row) => row.name !== name) ?? true)
  } finally {
    await adapter.dispose()
  }
}

/** Our migrations in order. */
export async function readMigrations(): Promise<Migration[]> {
  const entries = await readdir(MIGRATIONS_FOLDER, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const read = async (name: string): Promise<Migration> => ({
    name,
    script: await readFile(new URL(`${name}/migration.sql`, MIGRATIONS_FOLDER), 'utf8'),
  })
  return Promise.all(names.toSorted().map(read))
}

async function apply(adapter: SqlDriverAdapter, migrations: readonly Migration[]): Promise<void> {
  let failure: unknown
  // The engine uses our session, and with it our transaction; it never ends either.
  const session: SqlDriverAdapter = {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    // Its lock is of the session, which behind a pooler is another one's after the commit: ours of the transaction is enough.
    queryRaw: (query) => adapter.queryRaw(inTransaction(query)),
    executeRaw: (query) => adapter.executeRaw(inTransaction(query)),
    executeScript: async (script) => {
      await adapter.executeScript(script).catch((error: unknown) => {
        failure = error
        throw error
      })
    },
    startTransaction: () => Promise.reject(new Error('The migrations run in one transaction')),
    getConnectionInfo: () => adapter.getConnectionInfo?.() ?? { supportsRelationJoins: true },
    dispose: () => Promise.resolve(),
  }
  try {
    await applyMigrations(
      migrationAdapterFactory(adapter.adapterName, () => Promise.resolve(session)),
      migrations,
    )
  } catch (error) {
    // After a failed script the engine only sees that the transaction is aborted.
    const cause = failure ?? error
    throw new DatabaseStartError(
      `The database could not be brought to this version's schema, and was left as it was: ${messageOf(cause)}`,
      { cause },
    )
  }
}

const inTransaction = <Q extends { sql: string }>(query: Q): Q => ({
  ...query,
  sql: query.sql.replace('pg_advisory_lock(', 'pg_advisory_xact_lock('),
})

/** Ends with the transaction. */
async function lock(adapter: SqlDriverAdapter): Promise<void> {
  await run(adapter, `SET LOCAL lock_timeout = '${LOCK_TIMEOUT_S}s'`)
  try {
    await run(adapter, `SELECT pg_advisory_xact_lock(${LOCK_KEY})`)
  } catch (error) {
    throw new DatabaseStartError(
      `Another process has been migrating the database for more than ${LOCK_TIMEOUT_S} seconds. Start again when it is done.`,
      { cause: error },
    )
  }
}

/** Undefined if no migration was ever applied. */
async function readApplied(adapter: SqlDriverAdapter): Promise<Applied[] | undefined> {
  // Not to_regclass: after waiting for the lock it may still answer from the session's cache that there is none.
  const found = await query(adapter, `SELECT 1 FROM pg_class WHERE relname = '_prisma_migrations' AND ${IS_OURS}`)
  if (found.length === 0) return undefined
  const rows = await query(
    adapter,
    'SELECT migration_name::text, checksum::text, finished_at IS NOT NULL FROM _prisma_migrations WHERE rolled_back_at IS NULL',
  )
  return rows.map(([name, checksum, finished]) => ({
    name: String(name),
    checksum: String(checksum),
    finished: finished === true,
  }))
}

/** Only under the lock: another node may be creating these very tables. */
async function refuseForeignTables(adapter: SqlDriverAdapter): Promise<void> {
  const tables = await query(adapter, `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND ${IS_OURS} LIMIT 3`)
  if (tables.length === 0) return
  throw new DatabaseStartError(
    `The database holds tables that are not this server's (${tables.flat().join(', ')}). Set DATABASE_URL to an empty database.`,
  )
}

/** Whether there is nothing to do: all of ours are applied, and where there are later ones, they were made for this version to go on. */
async function isUsable(
  adapter: SqlDriverAdapter,
  applied: readonly Applied[] | undefined,
  ours: readonly Migration[],
): Promise<boolean> {
  if (isCurrent(applied, ours)) return true
  const known = applied?.filter((row) => ours.some(({ name }) => name === row.name))
  if (applied === undefined || !isCurrent(known, ours) || applied.some((row) => !row.finished)) return false
  const [row] = await query(adapter, 'SELECT needs_migration::text FROM installation')
  return ours.some(({ name }) => name === row?.[0])
}

function isCurrent(applied: readonly Applied[] | undefined, ours: readonly Migration[]): boolean {
  if (applied?.length !== ours.length) return false
  return ours.every((migration) =>
    applied.some((row) => row.name === migration.name && row.finished && isUnchanged(row, migration)),
  )
}

function refuseHistory(applied: readonly Applied[], ours: readonly Migration[]): void {
  const unknown = applied.filter((row) => !ours.some(({ name }) => name === row.name))
  if (unknown.length > 0) {
    throw new DatabaseStartError(
      `The database holds migrations that this version of the server doesn't have: ${list(unknown)}. Start the version that made them, or a newer one.`,
    )
  }
  const failed = applied.filter((row) => !row.finished)
  if (failed.length > 0) {
    throw new DatabaseStartError(
      `These migrations began and never finished: ${list(failed)}. Repair what they left or restore a backup, then run ` +
        `"DELETE FROM _prisma_migrations WHERE finished_at IS NULL" and start again.`,
    )
  }
  const edited = ours.filter((migration) => applied.some((row) => row.name === migration.name && !isUnchanged(row, migration)))
  if (edited.length > 0) {
    throw new DatabaseStartError(
      `These migrations were edited after the database had them: ${list(edited)}. Restore their files and put the change into a new migration.`,
    )
  }
}

/** A checkout may have converted line ends. */
function isUnchanged(row: Applied, { script }: Migration): boolean {
  return [script, script.replaceAll('\r\n', '\n'), script.replaceAll(/\r?\n/g, '\r\n')].some(
    (text) => sha256(text) === row.checksum,
  )
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const list = (named: readonly { name: string }[]): string => named.map(({ name }) => name).join(', ')

const run = (adapter: SqlDriverAdapter, sql: string): Promise<unknown> => adapter.executeRaw({ sql, args: [], argTypes: [] })

const query = async (adapter: SqlDriverAdapter, sql: string): Promise<unknown[][]> =>
  (await adapter.queryRaw({ sql, args: [], argTypes: [] })).rows

function messageOf(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { originalMessage?: string; message?: string } }
  return cause?.originalMessage ?? cause?.message ?? message
}
