import { loadSettings } from '../settings.ts'
import { openDatabase, type Database } from '../store/database/client.ts'
import { UsageError } from './command.ts'

/** A batch of an import, or a migration, is slow on a large or busy database. */
const STATEMENT_TIMEOUT_MS = 600_000

/**
 * Runs a command on the database of the settings and closes it. `without` says what is pointless with a database that is in memory.
 * Throws UsageError for such a one, DatabaseStartError where it can't be opened.
 */
export async function withDatabase<T>(
  { without, statementTimeoutMs = STATEMENT_TIMEOUT_MS }: { without: string; statementTimeoutMs?: number },
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const { databaseUrl, dataDir, dbAcquireTimeoutMs } = loadSettings(process.env)
  if (databaseUrl === undefined && dataDir === 'memory:')
    throw new UsageError(`DATA_DIR is memory: ${without}. Set DATABASE_URL, or DATA_DIR to a folder.`)
  const database = await openDatabase({
    databaseUrl,
    dataDir,
    poolSize: 2,
    acquireTimeoutMs: dbAcquireTimeoutMs,
    statementTimeoutMs,
  })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}
