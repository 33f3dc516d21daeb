import { loadSettings } from '../settings.ts'
import { openDatabase, type Database } from '../store/database/client.ts'
import { UsageError } from './command.ts'

/** A batch of an import, or a migration, may be slow on a large or busy database. */
const STATEMENT_TIMEOUT_MS = 600_000

/**
 * Runs a command on the database that `env` configures and closes it. `without` says what is pointless with an in-memory database. Throws
 * UsageError for an in-memory database, DatabaseStartError if it can't be opened.
 */
export async function withDatabase<T>(
  {
    env,
    without,
    statementTimeoutMs = STATEMENT_TIMEOUT_MS,
  }: { env: NodeJS.ProcessEnv; without: string; statementTimeoutMs?: number },
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const { databaseUrl, dataDir, dbAcquireTimeoutMs } = loadSettings(env)
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
