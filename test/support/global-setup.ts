import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import type { Database } from '../../src/store/database/client.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { createServerDatabase, dropServerDatabases, hasServer, open } from './database.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of an embedded database with our schema and nothing in it, to be copied. */
    databaseTemplate: string
    /** The name of such a database on PostgreSQL, to be copied by the server; undefined where there is none. */
    serverTemplate: string | undefined
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Makes one database on each engine for the whole run: to copy it is ten times faster than to make another. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  await noticeOldBuild()
  const run = await makeRunFolder()
  // Inherited by the workers, which are not started yet.
  process.env['TMPDIR'] = run
  process.env['PARLEY_TEST_RUN'] = randomBytes(4).toString('hex')
  const folder = join(run, 'parley-template')
  await makeTemplate(folder)
  provide('databaseTemplate', folder)
  const url = (await hasServer()) ? await createServerDatabase() : undefined
  if (url !== undefined) await makeTables({ databaseUrl: url })
  provide('serverTemplate', url)
  return async () => {
    await rm(run, { recursive: true, force: true })
    if (url !== undefined) await dropServerDatabases()
  }
}

/** Kept from run to run, for it takes ten seconds of CPU: another one is made where anything that it depends on was changed. */
async function makeTemplate(folder: string): Promise<void> {
  const cache = join(ROOT, 'node_modules/.cache/parley-template')
  const kept = join(cache, await templateKey())
  if (existsSync(kept)) return cpSync(kept, folder, { recursive: true })
  await makeTables({ dataDir: folder })
  await rm(cache, { recursive: true, force: true })
  // Another run may do the same.
  const part = `${kept}.${process.pid}`
  cpSync(folder, part, { recursive: true })
  await rename(part, kept).catch(() => rm(part, { recursive: true, force: true }))
}

/** Changes with the migrations, with what applies them, and with the engine. */
async function templateKey(): Promise<string> {
  const hash = createHash('sha256')
  for (const path of ['prisma/migrations', 'src/store/migrations', 'src/store/database', 'test/support/global-setup.ts', ENGINE])
    for (const file of await filesIn(join(ROOT, path))) hash.update(await readFile(file))
  return hash.digest('hex').slice(0, 32)
}

const ENGINE = 'node_modules/@electric-sql/pglite/package.json'

async function filesIn(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return files.toSorted()
}

async function makeTables(where: { dataDir: string } | { databaseUrl: string }): Promise<void> {
  const database = await open({ ...where, poolSize: 1, acquireTimeoutMs: 10_000, statementTimeoutMs: 60_000 })
  await migrate(database)
  if (database.engine === 'embedded') await dropTemplates(database)
  await database.close()
}

/** Those of the engine's own, which hold two thirds of the files that each copy would have, and nobody uses. */
async function dropTemplates({ prisma }: Database): Promise<void> {
  await prisma.$executeRawUnsafe('UPDATE pg_database SET datistemplate = false')
  for (const name of ['template0', 'template1']) await prisma.$executeRawUnsafe(`DROP DATABASE ${name}`)
  await prisma.$executeRawUnsafe('CHECKPOINT')
}

/** The folders of runs that were killed. */
async function removeLeft(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1])
    if (pid > 0 && !isRunning(pid)) await rm(join(parent, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Before the number of the run's process. */
const PREFIX = 'parley-run-'
const MEMORY = '/dev/shm'
/** Much more than a run takes; containers have 64 MB unless they are told otherwise. */
const MEMORY_NEEDED = 2 ** 31

/** Where all files of the run are, which goes with it: in memory, where there is enough, since an embedded database syncs each commit. */
async function makeRunFolder(): Promise<string> {
  const isLarge = await statfs(MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize > MEMORY_NEEDED,
    () => false,
  )
  const parent = isLarge ? MEMORY : tmpdir()
  await removeLeft(parent)
  const folder = await mkdtemp(join(parent, `${PREFIX}${process.pid}-`))
  // A PostgreSQL that a test starts runs as another user, and has a folder in here.
  await chmod(folder, 0o755)
  return folder
}

/** Tests of processes and of the demo's page run what `npm run build` made, as `npm test` does first. */
async function noticeOldBuild(): Promise<void> {
  const sources = await readdir(join(ROOT, 'src'), { recursive: true })
  const times = await Promise.all(
    sources.filter((path) => path.endsWith('.ts')).map((path) => changedAt(join(ROOT, 'src', path))),
  )
  if (Math.max(...times) > (await changedAt(join(ROOT, 'dist/.tsbuildinfo'))))
    console.error('src/ is newer than dist/, which the tests of processes and of the demo’s page run: npm run build')
}

const changedAt = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
