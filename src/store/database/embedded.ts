import { chmod, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { makeFolder, reasonOf } from './data-folder.ts'
import { acquireLock, LockedError } from './folder-lock.ts'
import { embeddedAdapterFactory, embeddedTransaction, GuardedPGlite } from './pglite.ts'
import { DatabaseStartError } from './start-error.ts'

export interface Embedded {
  adapterFactory: SqlMigrationAwareDriverAdapterFactory
  migration: <T>(change: (session: SqlDriverAdapter) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

const embedded = (pglite: GuardedPGlite, close: () => Promise<void>): Embedded => ({
  adapterFactory: embeddedAdapterFactory(pglite),
  migration: (change) => embeddedTransaction(pglite, change),
  close,
})

/** The PostgreSQL major version of the embedded engine; it can't read a folder of another one. */
const POSTGRES_MAJOR = '17'
const MARKER = 'parley.json'
const LOCK = 'parley.lock'

/** `creating`: the marker is written, the database may be incomplete, and nobody has used it yet. */
type FolderState = 'empty' | 'creating' | 'ready'

/**
 * Opens the embedded database in a folder, which is created if absent, or in memory for `memory:`. Throws DatabaseStartError
 * for a folder that is in use, isn't ours or can't be used, and leaves that folder as it is.
 */
export async function openEmbedded(dataDir: string, { asIs = false } = {}): Promise<Embedded> {
  if (dataDir === 'memory:') {
    const pglite = await GuardedPGlite.start(undefined)
    return embedded(pglite, () => pglite.stop())
  }
  const folder = resolve(dataDir)
  await inspect(folder)
  await makeFolder(folder).catch((error: unknown) => unusable(folder, error))
  const release = await lock(folder)
  try {
    const wasOpen = !asIs && (await closeToOthers(folder))
    const pglite = await openFolder(folder)
    if (wasOpen) await closeContents(folder)
    return embedded(pglite, async () => {
      try {
        await pglite.stop()
      } finally {
        await release()
      }
    })
  } catch (error) {
    await release()
    throw error
  }
}

/**
 * Removes other users' permissions from a folder that existed before; returns whether there were any. Failures are ignored; the
 * doctor reports them.
 */
async function closeToOthers(folder: string): Promise<boolean> {
  const { mode } = await stat(folder).catch((error: unknown) => unusable(folder, error))
  if ((mode & 0o077) === 0) return false
  await chmod(folder, 0o700).catch(() => undefined)
  return true
}

/** The same for all its contents, which others may have opened under another name. */
async function closeContents(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) await chmod(path, 0o700).catch(() => undefined)
    else if (entry.isFile()) await chmod(path, 0o600).catch(() => undefined)
  }
}

async function openFolder(folder: string): Promise<GuardedPGlite> {
  const data = join(folder, 'pg')
  if ((await inspect(folder)) === 'ready') {
    return GuardedPGlite.start(data).catch((error: unknown) => {
      throw new DatabaseStartError(
        `The database in ${folder} can't be opened: it is damaged. Restore the folder from a backup.`,
        { cause: error },
      )
    })
  }
  await writeMarker(folder, 'creating')
  // Left by a start that was killed: no transaction was ever committed there.
  await rm(data, { recursive: true, force: true })
  const pglite = await GuardedPGlite.start(data).catch((error: unknown) => unusable(folder, error))
  await flush(data)
  await writeMarker(folder, 'ready')
  return pglite
}

/** Inspects without changes. Throws DatabaseStartError for anything but an empty folder or a folder of ours. */
async function inspect(folder: string): Promise<FolderState> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] =>
    error.code === 'ENOENT' ? [] : unusable(folder, error),
  )
  if (!names.includes(MARKER)) {
    const foreign = names.filter((name) => !name.startsWith('parley.') && name !== 'lost+found')
    if (foreign.length === 0) return 'empty'
    throw new DatabaseStartError(
      `${folder} holds files that are not a database of this server (${foreign.slice(0, 3).join(', ')}). Set DATA_DIR to an empty or absent folder.`,
    )
  }
  const state = parseMarker(await readFile(join(folder, MARKER), 'utf8').catch((error: unknown) => unusable(folder, error)))
  if (state === undefined) throw damaged(folder, `${MARKER} is not readable`)
  if (state === 'creating') return state
  const major = (await readFile(join(folder, 'pg', 'PG_VERSION'), 'utf8').catch(() => '')).trim()
  if (!/^\d+$/.test(major)) throw damaged(folder, 'pg/PG_VERSION is missing or not a version')
  if (major === POSTGRES_MAJOR) return state
  throw new DatabaseStartError(
    `The database in ${folder} was written by PostgreSQL ${major}, this server embeds PostgreSQL ${POSTGRES_MAJOR}. ` +
      'Export it with the version of the server that wrote it (parley export), set DATA_DIR to an empty folder, and import the file there (parley import).',
  )
}

function parseMarker(text: string): 'creating' | 'ready' | undefined {
  try {
    const { state } = JSON.parse(text) as { state: unknown }
    return state === 'creating' || state === 'ready' ? state : undefined
  } catch {
    return undefined
  }
}

async function writeMarker(folder: string, state: 'creating' | 'ready'): Promise<void> {
  const path = join(folder, MARKER)
  // The name begins like the lock's, so that a leftover of a killed start is not taken for a foreign file.
  const temporary = join(folder, `${LOCK}.marker`)
  const file = await open(temporary, 'w', 0o600).catch((error: unknown) => unusable(folder, error))
  try {
    await file.writeFile(`${JSON.stringify({ state })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

/** Flushes a new database to the disk: its files were written before the engine's own syncing was switched on. */
async function flush(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = await open(join(entry.parentPath, entry.name), 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

async function lock(folder: string): Promise<() => Promise<void>> {
  try {
    return await acquireLock(join(folder, LOCK))
  } catch (error) {
    if (!(error instanceof LockedError)) return unusable(folder, error)
    throw new DatabaseStartError(
      `The database in ${folder} is in use by ${error.pid === undefined ? 'another process' : `process ${error.pid}`}. Only one server can use it: ` +
        'stop the other one, set DATA_DIR to another folder, or set DATABASE_URL to share a PostgreSQL.',
      { cause: error },
    )
  }
}

function damaged(folder: string, what: string): DatabaseStartError {
  return new DatabaseStartError(`The database in ${folder} is damaged: ${what}. Restore the folder from a backup.`)
}

function unusable(folder: string, error: unknown): never {
  throw new DatabaseStartError(
    `DATA_DIR ${folder} can't be used: ${reasonOf(error)}. Correct that or set DATA_DIR to another folder.`,
    {
      cause: error,
    },
  )
}
