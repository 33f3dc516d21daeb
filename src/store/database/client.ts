import { PrismaPg } from '@prisma/adapter-pg'
import type {
  SqlDriverAdapter,
  SqlDriverAdapterFactory,
  SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { type DatabaseTarget, readDatabaseUrl } from './url.ts'
import { nameOf, type RawDb } from './sql.ts'
import { Prisma, PrismaClient } from '../generated/client.ts'
import { inSession, migrationAdapterFactory, scriptError } from '../migrations/adapter.ts'
import { createClientClass, createPool, IS_READ_ONLY, type Wire } from './pool.ts'
import { checkSessions } from './pooled.ts'
import { DatabaseStartError } from './start-error.ts'

export { DatabaseStartError } from './start-error.ts'

export interface DatabaseOptions {
  /** A PostgreSQL server; undefined: the embedded database in `dataDir`. */
  databaseUrl: string | undefined
  /** The embedded database's folder, or `memory:`. */
  dataDir: string
  /** Keeps the permissions of the folder, instead of closing it to other users. */
  asIs?: boolean
  poolSize: number
  /** How long a query waits for a free connection. */
  acquireTimeoutMs: number
  /** Maximum time of one statement, and of an idle transaction. */
  statementTimeoutMs: number
}

export interface Database {
  prisma: PrismaClient
  /** The schema with all tables. */
  schema: string
  /** Where raw statements outside of transactions run, if not through the client. */
  raw: RawDb | undefined
  /**
   * Runs `read` in one read-only transaction that sees one state of the database (REPEATABLE READ), with the rows of its
   * `first` statement. All its statements use one connection, one after the other, and none of them runs after `read` has
   * ended. On the embedded database everything else waits meanwhile.
   */
  snapshot<T>(first: Prisma.Sql, read: (rows: Promise<unknown[]>, db: RawDb) => Promise<T>): Promise<T>
  /** Separate connections for the migrations: one session each, without a statement timeout. */
  adapterFactory: SqlMigrationAwareDriverAdapterFactory
  /** Runs `change` in one transaction of such a session. On the embedded database everything else waits meanwhile. */
  migration<T>(change: (session: SqlDriverAdapter) => Promise<T>): Promise<T>
  engine: 'embedded' | 'postgresql'
  /** What each new connection has to pass before it is used; set by the store that uses the database. */
  admission: Admission
  /** Its connections, and how many callers wait for one; undefined if there is no pool. */
  pool(): { total: number; idle: number; waiting: number } | undefined
  /** Runs a query, so that problems show. Throws DatabaseStartError. */
  check(): Promise<void>
  /** Lets running statements finish and closes everything. A second call does nothing. */
  close(): Promise<void>
}

export interface Admission {
  /** Gets the connection before anybody else; it is closed where this rejects. */
  admit?: (connection: RawDb) => Promise<void>
}

/** Opens the database and runs a query. Throws DatabaseStartError. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const database = await createDatabase(options)
  try {
    await database.check()
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Opens the database; a server may still be unreachable. Throws DatabaseStartError for an unusable URL or folder. */
export async function createDatabase(options: DatabaseOptions): Promise<Database> {
  if (options.databaseUrl !== undefined) return createPostgres(options.databaseUrl, options)
  // The engine has 8 MB, which nobody needs with a PostgreSQL server.
  const { openEmbedded } = await import('./embedded.ts')
  const embedded = await openEmbedded(options.dataDir, { asIs: options.asIs ?? false })
  return database('embedded', embedded.adapterFactory, options, {
    adapterFactory: embedded.adapterFactory,
    migration: embedded.migration,
    schema: 'public',
    admission: {},
    raw: undefined,
    snapshot: undefined,
    pool: () => undefined,
    check: () => Promise.resolve(),
    release: embedded.close,
  })
}

function createPostgres(databaseUrl: string, options: DatabaseOptions): Database {
  const target = readDatabaseUrl(databaseUrl)
  const { schema, isPooled } = target
  const admission: Admission = {}
  // The adapter reads and writes all times as if the session's zone were UTC, whatever the server's is. Compiling a plan
  // takes longer than running any of our statements.
  const prepare = async (client: pg.ClientBase): Promise<unknown> =>
    isPooled || client.query(`SET TIME ZONE 'UTC'; SET jit = off; SET search_path TO ${pg.escapeIdentifier(schema)}`)
  // What is prepared in one session is not there in the next.
  const nameFor = isPooled ? () => undefined : nameOf
  const config: pg.PoolConfig = {
    ...target.config,
    ...target.attempts[0],
    Client: createClientClass(target, options.acquireTimeoutMs),
    connectionTimeoutMillis: options.acquireTimeoutMs,
    onConnect: (client) => prepare(client) as unknown as void,
  }
  const pool = createPool({
    ...config,
    max: options.poolSize,
    // Statements on one connection don't wait for each other's results.
    pipeline: true,
    onConnect: (async (client) => {
      await prepare(client)
      await admission.admit?.(rawStatements(onConnection(client), nameFor))
    }) as (client: pg.ClientBase) => void,
    // A node that hangs in a transaction must not hold a topic's row for all others. A pooler refuses to pass these on.
    ...(!isPooled && {
      statement_timeout: options.statementTimeoutMs,
      idle_in_transaction_session_timeout: options.statementTimeoutMs,
    }),
  })
  const adapterFactory = postgresMigrationFactory(config, schema)
  return database(
    'postgresql',
    new PrismaPg(pool, { schema, statementNameGenerator: ({ sql }) => nameFor(sql) as string }),
    options,
    {
      adapterFactory,
      migration: (change) => inSession(adapterFactory, change),
      schema,
      admission,
      raw: rawStatements(onPool(pool), nameFor),
      snapshot: snapshots(pool, nameFor),
      pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
      async check() {
        try {
          await check(pool)
          if (isPooled) await checkSessions(pool, schema, options.statementTimeoutMs)
        } catch (error) {
          throw error instanceof DatabaseStartError ? error : unreachable(target, error)
        }
      },
      release: () => pool.end(),
    },
  )
}

function database(
  engine: Database['engine'],
  adapter: SqlDriverAdapterFactory,
  { acquireTimeoutMs, statementTimeoutMs }: DatabaseOptions,
  {
    snapshot,
    release,
    ...rest
  }: Pick<Database, 'adapterFactory' | 'migration' | 'schema' | 'admission' | 'raw' | 'pool' | 'check'> & {
    /** Undefined if the client's own transactions do. */
    snapshot: Database['snapshot'] | undefined
    release: () => Promise<void>
  },
): Database {
  const prisma = new PrismaClient({ adapter, transactionOptions: { maxWait: acquireTimeoutMs, timeout: statementTimeoutMs } })
  const disconnect = async (): Promise<void> => {
    try {
      await prisma.$disconnect()
    } finally {
      await release()
    }
  }
  let closing: Promise<void> | undefined
  return {
    ...rest,
    prisma,
    engine,
    snapshot: snapshot ?? ((first, read) => prisma.$transaction((tx) => readWith(tx, tx.$queryRaw(first), read))),
    close: () => (closing ??= disconnect()),
  }
}

/** Reads with `db`, which is invalid once `read` has ended. Rejects if there are no `rows`, whatever `read` made of that. */
async function readWith<T>(
  db: RawDb,
  rows: Promise<unknown[]>,
  read: (rows: Promise<unknown[]>, db: RawDb) => Promise<T>,
): Promise<T> {
  let isOver = false
  const refuse = (): Promise<never> => Promise.reject(new Error('a statement came after the end of its snapshot'))
  const reading = read(rows, {
    $queryRaw: (query, ...values) => (isOver ? refuse() : db.$queryRaw(query, ...values)),
    $executeRaw: () => Promise.reject(new Error('a snapshot is only read')),
  })
  try {
    const [result] = await Promise.all([reading, rows])
    return result
  } finally {
    isOver = true
  }
}

/** Directly to a connection of the pool, for the same reason as `rawStatements`. */
function snapshots(pool: pg.Pool, nameFor: NameFor): Database['snapshot'] {
  pool.on('acquire', (client) => heldBack.get(client)?.())
  return async (first, read) => {
    const client = await pool.connect()
    const raw = rawStatements(onConnection(client), nameFor)
    // Sent along with what is read in this turn; nothing counts that was read without it.
    writeTogether(client)
    const begun = client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const rows = Promise.all([raw.$queryRaw<unknown[]>(first), begun]).then(([found]) => found)
    try {
      const result = await readWith(raw, rows, read)
      // The results are complete: nobody waits for the end, and it goes along with what the next user of the connection sends.
      writeWithNext(client)
      client.query('COMMIT').catch(() => undefined)
      client.release()
      return result
    } catch (error) {
      client.query('ROLLBACK').then(
        () => client.release(),
        (failure: Error) => client.release(failure),
      )
      throw error
    }
  }
}

/** How long the end of a read waits for other statements to go along with. */
const END_WAIT_MS = 2

const heldBack = new WeakMap<pg.ClientBase, () => void>()

/** Holds back what is sent until the connection is used again, though not for long. */
function writeWithNext(client: pg.ClientBase): void {
  const { stream } = (client as unknown as Wire).connection
  const release = (): void => {
    clearTimeout(timer)
    heldBack.delete(client)
    setImmediate(() => stream.uncork())
  }
  const timer = setTimeout(release, END_WAIT_MS)
  heldBack.set(client, release)
  stream.cork()
}

/** Writes what is sent in this turn of the event loop at once. */
function writeTogether(client: pg.ClientBase): void {
  const { stream } = (client as unknown as Wire).connection
  stream.cork()
  setImmediate(() => stream.uncork())
}

/** The name under which a session prepares a statement; undefined: none. */
type NameFor = (sql: string) => string | undefined

type Run = (statement: pg.Query) => Promise<pg.QueryResult>

/** Runs statements on a pool, or on one connection. */
const onPool =
  (pool: pg.Pool): Run =>
  (statement) =>
    // The types know of no promise for a statement that is an object of the driver.
    pool.query(statement) as unknown as Promise<pg.QueryResult>

const onConnection =
  (client: pg.ClientBase): Run =>
  (statement) =>
    new Promise((resolve, reject) => {
      const callback = (error: Error | null, result: pg.QueryResult): void => (error ? reject(error) : resolve(result))
      client.query(Object.assign(statement, { callback }))
    })

/**
 * Directly to the driver: passing a statement through the client takes 0.3 ms of CPU, more than most of our statements take on
 * the server. As objects of the driver: it copies a configuration property by property.
 */
function rawStatements(runStatement: Run, nameFor: NameFor): RawDb {
  const run = (strings: TemplateStringsArray | Prisma.Sql, values: unknown[]): Promise<pg.QueryResult> => {
    const { text, values: parameters } = 'raw' in strings ? Prisma.sql(strings, ...values) : strings
    return runStatement(Object.assign(new pg.Query(text, parameters), { name: nameFor(text) }))
  }
  return {
    $queryRaw: async (strings, ...values) => (await run(strings, values)).rows as never,
    $executeRaw: async (strings, ...values) => (await run(strings, values)).rowCount ?? 0,
  }
}

async function check(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  let isReadOnly = true
  let facts: { version: number; encoding: string; isReadOnly: boolean } | undefined
  try {
    const result = await client.query<NonNullable<typeof facts>>(
      `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
        ${IS_READ_ONLY} AS "isReadOnly"`,
    )
    facts = result.rows[0]
    isReadOnly = facts?.isReadOnly ?? true
  } finally {
    // A read-only session stays so, whatever becomes of the server.
    client.release(isReadOnly)
  }
  const { version = 0, encoding = '' } = facts ?? {}
  if (version < 130_000) throw new DatabaseStartError('The PostgreSQL of DATABASE_URL is too old: version 13 or newer is needed.')
  if (encoding !== 'UTF8') {
    throw new DatabaseStartError(`The database of DATABASE_URL stores text as ${encoding}. Create one with ENCODING 'UTF8'.`)
  }
  if (isReadOnly) {
    throw new DatabaseStartError('The PostgreSQL of DATABASE_URL takes no writes: it is a replica, or read-only.', {
      isTemporary: true,
    })
  }
}

/** One session for each: a transaction, its locks and the engine's own advisory lock end with it. */
function postgresMigrationFactory(config: pg.PoolConfig, schema: string): SqlMigrationAwareDriverAdapterFactory {
  return migrationAdapterFactory('@prisma/adapter-pg', async () => {
    const pool = new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0, statement_timeout: 0 })
    const adapter = await new PrismaPg(pool, { schema, disposeExternalPool: true }).connect()
    // The adapter's own splits at every semicolon, even inside of strings and function bodies.
    adapter.executeScript = async (script) => {
      await pool.query(script).catch(scriptError)
    }
    return adapter
  })
}

/** Codes of Node for certificates that are not trusted, or not the server's; the driver's text for missing TLS. */
const NO_TRUST = /CERT|SELF_SIGNED|UNABLE_TO_|does not support SSL|ALTNAME|bind the password/

/** The messages name the servers, never the URL, which may contain a password. */
function unreachable({ attempts, database }: DatabaseTarget, error: unknown): DatabaseStartError {
  const { code = '', message } = error as { code?: string; message: string }
  const places = [...new Set(attempts.map(({ host, port }) => `${host}:${port}`))].join(', ')
  const hosts = [...new Set(attempts.map(({ host }) => host))].join(', ')
  const server = `PostgreSQL at ${places}`
  const reasons: Record<string, string> = {
    ECONNREFUSED: `No ${server} answers. Start it or correct DATABASE_URL.`,
    ENOENT: `No ${server} answers. Start it or correct DATABASE_URL.`,
    ENOTFOUND: `The host ${hosts} of DATABASE_URL is not known. Correct DATABASE_URL.`,
    '28P01': `${server} refuses the user or the password of DATABASE_URL.`,
    '28000': `${server} refuses the user of DATABASE_URL: ${message}.`,
    '3D000': `${server} has no database "${database}". Create it (createdb) or correct DATABASE_URL.`,
  }
  // Our own errors stay as they are; anything else may resolve itself.
  const isTemporary = !/^(28|3D)/.test(code) && !NO_TRUST.test(`${code} ${message}`)
  return new DatabaseStartError(reasons[code] ?? `${server} can't be used: ${message || code}.`, { cause: error, isTemporary })
}
