import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { openDatabase } from './client.ts'
import { migrate } from './migrate.ts'
import { diffToSchema, MIGRATIONS_FOLDER } from './schema-engine.ts'

/** `npm run migration -- NAME`: writes the migration from what the migrations make to what schema.prisma says. */
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
    // Prisma's own tools want it.
    await writeFile(new URL('migration_lock.toml', MIGRATIONS_FOLDER), 'provider = "postgresql"\n')
    return `Wrote ${fileURLToPath(folder)}migration.sql. Read it before committing: it may drop data.`
  } finally {
    await database.close()
  }
}

const [name = ''] = process.argv.slice(2)
if (/^[a-z0-9_]+$/.test(name)) {
  console.log(await newMigration(name))
} else {
  console.error('Usage: npm run migration -- NAME   (lower-case letters, digits and underscores)')
  process.exitCode = 1
}
