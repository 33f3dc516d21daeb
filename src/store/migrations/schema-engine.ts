import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm'

export interface Migration {
  /** The folder's name, `<yyyymmddhhmmss>_<name>`: migrations are applied in this order. */
  name: string
  script: string
}

const PRISMA_FOLDER = new URL('../../../prisma/', import.meta.url)
export const MIGRATIONS_FOLDER = new URL('migrations/', PRISMA_FOLDER)
const SCHEMA_FILE = new URL('schema.prisma', PRISMA_FOLDER)
const NO_FILTERS = { externalTables: [], externalEnums: [] }

/** Declared only by the DOM's types. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>
}

let loading: Promise<typeof import('@prisma/schema-engine-wasm/schema_engine_bg')> | undefined

/** Once per process: the glue code caches views of one instance's memory. */
async function load(): Promise<typeof import('@prisma/schema-engine-wasm/schema_engine_bg')> {
  const engine = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const file = join(dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')), 'schema_engine_bg.wasm')
  const { instance } = await WebAssembly.instantiate(await readFile(file), { './schema_engine_bg.js': engine })
  engine.__wbg_set_wasm(instance.exports)
  const start = instance.exports['__wbindgen_start'] as () => void
  start()
  return engine
}

/** Prisma's own schema engine as WebAssembly, since the native one is downloaded at install time. Free it after use. */
async function createSchemaEngine(factory: SqlMigrationAwareDriverAdapterFactory): Promise<SchemaEngine> {
  const { SchemaEngine } = await (loading ??= load())
  const schema = await readFile(SCHEMA_FILE, 'utf8')
  const ignoreLog = (): void => undefined
  return SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, ignoreLog, bindMigrationAwareSqlAdapterFactory(factory))
}

/** Applies missing migrations, as `prisma migrate deploy` does. Throws the engine's error. */
export async function applyMigrations(
  factory: SqlMigrationAwareDriverAdapterFactory,
  migrations: readonly Migration[],
): Promise<void> {
  const engine = await createSchemaEngine(factory)
  try {
    await engine.applyMigrations({ migrationsList: migrationList(migrations), filters: NO_FILTERS })
  } finally {
    engine.free()
  }
}

/** The SQL that turns the database's present tables into those of schema.prisma; undefined if they match. */
export async function diffToSchema(factory: SqlMigrationAwareDriverAdapterFactory): Promise<string | undefined> {
  const engine = await createSchemaEngine(factory)
  const files = [{ path: 'schema.prisma', content: await readFile(SCHEMA_FILE, 'utf8') }]
  try {
    const result = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: fileURLToPath(PRISMA_FOLDER) },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: NO_FILTERS,
    })
    return result.exitCode === 0 ? undefined : (result.stdout ?? '')
  } finally {
    engine.free()
  }
}

function migrationList(migrations: readonly Migration[]): MigrationList {
  return {
    baseDir: fileURLToPath(MIGRATIONS_FOLDER),
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, script }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: script } },
    })),
  }
}
