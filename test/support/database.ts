import { randomBytes } from 'node:crypto'
import { cpSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { type Database, type DatabaseOptions, openDatabase } from '../../src/store/database/client.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { skipPgBouncer, startPgBouncer } from './pgbouncer.ts'

const SERVER = 'postgresql://postgres@127.0.0.1:5432'

async function rowsOf(sql: string, url: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 30_000 })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** On the database of that URL; by default on one that no other test uses. */
export const serverQuery = async (sql: string, url = `${SERVER}/postgres`): Promise<void> => void (await rowsOf(sql, url))

/**
 * How many statements wait for a lock that this client has, or behind one that does. Within a transaction pg_stat_activity stays as it
 * was when first read, and locks of other databases, which other tests use, are in pg_locks too.
 */
export async function statementsBehind(holder: pg.Client): Promise<number> {
  const { rows } = await holder.query<{ count: number }>(
    `WITH RECURSIVE behind(pid) AS (
      SELECT pg_backend_pid() UNION SELECT l.pid FROM behind b JOIN pg_locks l ON NOT l.granted AND b.pid = ANY(pg_blocking_pids(l.pid))
    ) SELECT count(*)::int - 1 AS count FROM behind`,
  )
  return rows[0]?.count ?? 0
}

export const hasServer = (): Promise<boolean> =>
  serverQuery('SELECT 1').then(
    () => true,
    () => false,
  )

const answers = await hasServer()
/** Locally the tests on PostgreSQL are skipped where there is none; in CI they fail. */
export const skipServer = !answers && process.env['CI'] === undefined

/** What the names of a run's databases begin with. Its number is in the environment, which the workers inherit. */
const prefix = (): string => `parley_test_${process.env['PARLEY_TEST_RUN'] ?? 'alone'}_`

/** Creates an empty database with a random name and returns its URL. */
export const createServerDatabase = async (options = ''): Promise<string> => {
  const name = `${prefix()}${randomBytes(8).toString('hex')}`
  await serverQuery(`CREATE DATABASE ${name} ${options}`)
  return `${SERVER}/${name}`
}

/** Creates a database with our schema and nothing in it. */
export async function copyServerDatabase(): Promise<string> {
  const template = inject('serverTemplate')
  return await createServerDatabase(template === undefined ? '' : `TEMPLATE ${databaseName(template)}`)
}

export const databaseName = (url: string): string => url.split('/').at(-1) ?? ''

/** Drops all that are left of this run. */
export async function dropServerDatabases(): Promise<void> {
  const names = await rowsOf(`SELECT datname FROM pg_database WHERE starts_with(datname, '${prefix()}')`, `${SERVER}/postgres`)
  for (const { datname } of names) await dropServerDatabase(`${SERVER}/${String(datname)}`)
}

export const dropServerDatabase = (url: string): Promise<void> => serverQuery(`DROP DATABASE ${databaseName(url)} WITH (FORCE)`)

/** `memory:` by default. */
export const open = (options: Partial<DatabaseOptions> = {}): Promise<Database> =>
  openDatabase({
    databaseUrl: undefined,
    dataDir: 'memory:',
    poolSize: 4,
    acquireTimeoutMs: 60_000,
    statementTimeoutMs: 60_000,
    ...options,
  })

/** A migrated database for one test file. */
export interface TestStore {
  store: Store
  database: Database
  /** Of PostgreSQL itself, whatever is in front of it; undefined for the embedded engine. */
  url: string | undefined
  query(sql: string): Promise<Record<string, unknown>[]>
  /** Another store with connections of its own on the same database, as another node has; PostgreSQL only. */
  another(options?: Partial<DatabaseOptions>): Promise<{ store: Store; database: Database }>
  close(): Promise<void>
}

async function openTestStore(
  url: string | undefined,
  dataDir: string,
  remove: () => Promise<void>,
  databaseUrl = url,
): Promise<TestStore> {
  const opened: Database[] = []
  const openOne: TestStore['another'] = async (options = {}) => {
    const database = await open({ databaseUrl, dataDir, ...options })
    opened.push(database)
    return { store: createStore(database), database }
  }
  const first = await openOne()
  await migrate(first.database)
  return {
    ...first,
    url,
    query: (sql) => first.database.prisma.$queryRawUnsafe(sql),
    another: openOne,
    async close() {
      await Promise.all(opened.map((database) => database.close()))
      await remove()
    },
  }
}

/** A new embedded database with our schema and nothing in it; the caller removes the folder. To make one takes ten seconds of CPU. */
export async function copyDatabase(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
  // The asynchronous copy takes ten times the CPU for hundreds of small files.
  cpSync(inject('databaseTemplate'), folder, { recursive: true })
  return folder
}

export async function openEmbeddedStore(): Promise<TestStore> {
  const folder = await copyDatabase()
  return await openTestStore(undefined, folder, () => rm(folder, { recursive: true, force: true }))
}

async function openServerStore(): Promise<TestStore> {
  const url = await copyServerDatabase()
  return await openTestStore(url, '', () => dropServerDatabase(url))
}

async function openPooledStore(): Promise<TestStore> {
  const url = await createServerDatabase()
  const bouncer = await startPgBouncer(url)
  const remove = async (): Promise<void> => {
    await bouncer.close()
    await dropServerDatabase(url)
  }
  return await openTestStore(url, '', remove, bouncer.url)
}

/** Opened by the first file of a worker that asks for it, and ended with the worker. */
function sharedBy(openEngine: () => Promise<TestStore>): () => Promise<TestStore> {
  let shared: Promise<TestStore> | undefined
  return async () => {
    const store = await (shared ??= openEngine())
    const opened: Database[] = []
    return {
      ...store,
      async another(options) {
        const other = await store.another(options)
        opened.push(other.database)
        return other
      },
      async close() {
        await Promise.all(opened.map((database) => database.close()))
      },
    }
  }
}

const EMBEDDED = { name: 'the embedded database', skip: false, open: openEmbeddedStore, share: sharedBy(openEmbeddedStore) }
const POSTGRES = { name: 'PostgreSQL', skip: skipServer, open: openServerStore, share: sharedBy(openServerStore) }

type Suite = (test: () => TestStore) => void

function describeOn({ name, skip }: typeof EMBEDDED, openEngine: () => Promise<TestStore>, suite: Suite): void {
  describe.skipIf(skip)(`${name}`, () => {
    suite(useStore(openEngine))
  })
}

/**
 * Runs a suite on each engine, over a database that the files of a worker share: for tests that look at what their own users have, and at
 * nothing else.
 */
export function describeEngines(suite: Suite): void {
  for (const engine of [EMBEDDED, POSTGRES]) describeOn(engine, engine.share, suite)
}

/** Runs a suite on each engine, over one database for the whole suite: tests use users of their own instead of clearing. */
export function describeOwnEngines(suite: Suite): void {
  for (const engine of [EMBEDDED, POSTGRES]) describeOn(engine, engine.open, suite)
}

/** The suite on PostgreSQL alone: what takes more than one connection. */
export function describeServer(suite: Suite): void {
  describeOn(POSTGRES, POSTGRES.open, suite)
}

/** The same, on PostgreSQL itself and behind PgBouncer in transaction mode. */
export function describeServers(suite: (test: () => TestStore, isPooled: boolean) => void): void {
  describe.skipIf(skipServer)('PostgreSQL', () => {
    suite(useStore(openServerStore), false)
  })
  describe.skipIf(skipServer || skipPgBouncer)('PgBouncer in transaction mode', () => {
    suite(useStore(openPooledStore), true)
  })
}

/** Opens a store before the tests of this suite and closes it after them. */
export function useStore(openEngine: () => Promise<TestStore>): () => TestStore {
  let opened: TestStore | undefined
  beforeAll(async () => {
    opened = await openEngine()
  })
  afterAll(() => opened?.close())
  return () => {
    if (!opened) throw new Error('the store is open only while the tests run')
    return opened
  }
}
