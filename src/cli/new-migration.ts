import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { runCommand } from './command.ts'
import { openDatabase } from '../store/database/client.ts'
import { migrate } from '../store/migrations/migrate.ts'
import { diffToSchema, MIGRATIONS_FOLDER } from '../store/migrations/schema-engine.ts'

/** `npm run migration -- NAME`: writes a migration from the state after all migrations to schema.prisma. */
async function newMigration(name: string): Promise<string> {
  const database = await openDatabase({
    databaseUrl: undefined,
    dataDir: 'memory:',
    poolSize: 1,
    acquireTimeoutMs: 30_000,
    statementTimeoutMs: 30_000,
  })
  try {
    await mkdir(MIGRATIONS_FOLDER, { recursive: true })
    await migrate(database)
    const script = await diffToSchema(database.adapterFactory)
    if (script === undefined) return 'The migrations already make what schema.prisma says: nothing to do.'
    const timestamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
    const folder = new URL(`${timestamp}_${name}/`, MIGRATIONS_FOLDER)
    await mkdir(folder)
    await writeFile(new URL('migration.sql', folder), script)
    // Required by Prisma's own tools.
    await writeFile(new URL('migration_lock.toml', MIGRATIONS_FOLDER), 'provider = "postgresql"\n')
    return `Wrote ${fileURLToPath(folder)}migration.sql. Read it before committing: it may drop data.`
  } finally {
    await database.close()
  }
}

const HELP = `Writes a migration: the SQL from what the migrations make to what prisma/schema.prisma says.

  npm run migration -- NAME

  NAME     lower-case letters, digits and underscores
  --help   this text

The folder prisma/migrations/<time>_NAME is made, or nothing where both agree. Read the SQL before committing it: it may
drop data. The next start of a server applies it. It needs no database and reads no settings.

Example:
  npm run migration -- add_something`

await runCommand(
  {
    help: HELP,
    options: {},
    positionals: 1,
    readsSettings: false,
    async run(given) {
      const [name = ''] = given.positionals
      if (!/^[a-z0-9_]+$/.test(name))
        given.refuse('NAME', `NAME is ${JSON.stringify(name)}, expected lower-case letters, digits and underscores`)
      given.finish()
      console.log(await newMigration(name))
      return 0
    },
  },
  process.argv.slice(2),
)
