import type { Arguments, Command, Surroundings } from './command.ts'
import { withDatabase } from './database.ts'
import { print } from './terminal.ts'
import { migrate, missingMigrations } from '../store/migrations/migrate.ts'

const HELP = `Brings an empty or older database to the schema of this version, as a start does, and ends: the migration as a step of its own,
before the first node of a new version starts.

  parley migrate [--status] [--env-file FILE]

  --status         only says which migrations a start would apply; exit status 1 where there are any
  --env-file FILE  reads settings from a file of NAME=value lines; what the environment has wins over it
  --help           this text

All migrations run in one transaction under a lock: nodes that start meanwhile wait for it, and one that fails leaves the database
as it was.

Settings: DATABASE_URL, or DATA_DIR of the embedded database, whose server must be stopped meanwhile.

Examples:
  parley migrate --status
  DATABASE_URL=postgresql://parley:secret@127.0.0.1:5432/parley parley migrate`

const OPTIONS = { status: { type: 'boolean' } } as const
/** Migrating a large database may take minutes. */
const STATEMENT_TIMEOUT_MS = 2_147_483_647

async function run(given: Arguments, { env, stdout }: Surroundings): Promise<number> {
  given.finish()
  const options = { env, without: 'there is nothing to migrate', statementTimeoutMs: STATEMENT_TIMEOUT_MS }
  return await withDatabase(options, async (database) => {
    const missing = await missingMigrations(database)
    const names = `\n  ${missing.join('\n  ')}`
    if (given.has('status')) {
      print(stdout, missing.length === 0 ? 'The database is at the schema of this version.' : `To be applied:${names}`)
      return missing.length === 0 ? 0 : 1
    }
    await migrate(database)
    print(stdout, missing.length === 0 ? 'Nothing to do: the database is at the schema of this version.' : `Applied:${names}`)
    return 0
  })
}

export const migrateDatabase: Command = { help: HELP, options: OPTIONS, readsSettings: true, keepsRunning: true, run }
