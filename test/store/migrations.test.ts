import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Database, DatabaseStartError } from '../../src/store/database/client.ts'
import { acquireLock, LockedError } from '../../src/store/database/folder-lock.ts'
import { migrate, readMigrations } from '../../src/store/migrations/migrate.ts'
import { GuardedPGlite } from '../../src/store/database/pglite.ts'
import { diffToSchema, type Migration } from '../../src/store/migrations/schema-engine.ts'
import {
  copyDatabase,
  createServerDatabase,
  databaseName,
  dropServerDatabase,
  open,
  serverQuery,
  skipServer,
} from '../support/database.ts'

/** Semicolons where a naive splitter would cut. */
const NEXT: Migration = {
  name: '99990101000000_next',
  script: `CREATE FUNCTION answer() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 42; END; $$;
CREATE TABLE extra (note text NOT NULL DEFAULT 'one; two');`,
}
/** Takes away what older servers need. */
const CONTRACTING: Migration = {
  name: '99990103000000_contracting',
  script: `DROP TABLE extra; UPDATE installation SET needs_migration = '99990103000000_contracting';`,
}
const BAD: Migration = { name: '99990102000000_bad', script: 'CREATE TABLE half_made (id int); SELECT no_such_column;' }

const refusal = async (attempt: Promise<unknown>): Promise<string> => {
  const error = await attempt.then(
    () => expect.fail('it was not refused'),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(DatabaseStartError)
  return (error as DatabaseStartError).message
}

const rows = (database: Database, sql: string): Promise<Record<string, unknown>[]> => database.prisma.$queryRawUnsafe(sql)

/** Every column, index, constraint and enum value, as PostgreSQL itself spells them. */
const catalog = async (database: Database): Promise<string[]> => {
  const found = await rows(
    database,
    `SELECT concat_ws(' ', table_name, column_name, udt_name, datetime_precision, is_nullable, column_default) AS line
     FROM information_schema.columns WHERE table_schema = 'public'
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
     UNION ALL SELECT concat_ws(' ', conrelid::regclass::text, conname, pg_get_constraintdef(oid)) FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
     UNION ALL SELECT concat_ws(' ', enumtypid::regtype::text, enumsortorder, enumlabel) FROM pg_enum
     ORDER BY line`,
  )
  return found.map(({ line }) => String(line))
}

const history = (database: Database): Promise<Record<string, unknown>[]> =>
  rows(database, 'SELECT * FROM _prisma_migrations ORDER BY migration_name')

let ours: Migration[]
let embedded: Database
let embeddedFolder: string

beforeAll(async () => {
  ours = await readMigrations()
  embeddedFolder = await copyDatabase()
  embedded = await open({ dataDir: embeddedFolder })
})

afterAll(async () => {
  await embedded.close()
  await rm(embeddedFolder, { recursive: true, force: true })
})

describe('the embedded database', () => {
  test('the migrations make what schema.prisma says', async () => {
    expect(await diffToSchema(embedded.adapterFactory)).toBeUndefined()
  })

  test('migrating again changes nothing', async () => {
    const before = await history(embedded)
    await migrate(embedded)
    expect(await history(embedded)).toEqual(before)
    expect(before.map((row) => row['migration_name'])).toEqual(ours.map(({ name }) => name))
  })

  test('a migration that fails leaves nothing behind', async () => {
    const before = [await history(embedded), await catalog(embedded)]
    expect(await refusal(migrate(embedded, [...ours, NEXT, BAD]))).toContain('no_such_column')
    expect([await history(embedded), await catalog(embedded)]).toEqual(before)
  })

  test('statements of others wait for the migration, and one that fails does not fail it', async () => {
    const database = await open()
    try {
      const migrating = migrate(database)
      let isOver = false
      void migrating.then(
        () => (isOver = true),
        () => (isOver = true),
      )
      while (!isOver) {
        await rows(database, 'SELECT FROM no_such_table').catch(() => undefined)
        // Of the tables they see either none or all.
        const [row] = await rows(database, 'SELECT count(*)::int AS count FROM _prisma_migrations').catch(() => [])
        expect([undefined, ours.length]).toContain(row?.['count'])
      }
      await migrating
    } finally {
      await database.close()
    }
  })

  test('a transaction whose COMMIT fails is reported as failed', async () => {
    await embedded.prisma.$executeRawUnsafe('CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
    const twice = embedded.prisma.$transaction(async (transaction) => {
      await transaction.$executeRawUnsafe('INSERT INTO late VALUES (1)')
      await transaction.$executeRawUnsafe('INSERT INTO late VALUES (1)')
    })
    await expect(twice).rejects.toThrow(/duplicate key/)
    expect(await rows(embedded, 'SELECT * FROM late')).toEqual([])
    await embedded.prisma.$executeRawUnsafe('DROP TABLE late')
  })
})

describe.skipIf(skipServer)('PostgreSQL', () => {
  const created: string[] = []
  const opened: Database[] = []

  const createDatabase = async (options = ''): Promise<string> => {
    const url = await createServerDatabase(options)
    created.push(url)
    return url
  }

  const openServer = async (databaseUrl: string): Promise<Database> => {
    const database = await open({ databaseUrl })
    opened.push(database)
    return database
  }

  const migrated = async (): Promise<Database> => {
    const database = await openServer(await createDatabase())
    await migrate(database)
    return database
  }

  /** Refused, and neither the history nor a table is different afterwards. */
  const expectUntouched = async (database: Database, migrations?: Migration[]): Promise<string> => {
    const before = [await history(database), await catalog(database)]
    const message = await refusal(migrate(database, migrations))
    expect([await history(database), await catalog(database)]).toEqual(before)
    return message
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()))
    await Promise.all(created.splice(0).map(dropServerDatabase))
  })

  test('the migrations make the same tables, indexes and constraints as in the embedded database', async () => {
    expect(await catalog(await migrated())).toEqual(await catalog(embedded))
  })

  test('nodes that start at once on an empty database all come up, and each migration ran once', async () => {
    const url = await createDatabase()
    const nodes = await Promise.all([openServer(url), openServer(url), openServer(url)])
    await Promise.all(nodes.map((node) => migrate(node)))
    expect((await history(nodes[0])).map((row) => row['migration_name'])).toEqual(ours.map(({ name }) => name))
    const held =
      "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()"
    await expect.poll(() => rows(nodes[0], held)).toEqual([])
  })

  test('an older database gets what it lacks, functions and texts with semicolons too', async () => {
    const database = await migrated()
    await migrate(database, [...ours, NEXT])
    expect(await rows(database, 'SELECT answer()')).toEqual([{ answer: 42 }])
    expect((await history(database)).map((row) => row['migration_name'])).toEqual([...ours, NEXT].map(({ name }) => name))
  })

  test('a migration that fails leaves nothing behind', async () => {
    expect(await expectUntouched(await migrated(), [...ours, NEXT, BAD])).toContain('no_such_column')
  })

  test('a newer database is used where its migrations only added something, and refused by their names where they did more', async () => {
    const database = await migrated()
    await migrate(database, [...ours, NEXT])
    const before = await history(database)
    await migrate(database)
    expect(await history(database)).toEqual(before)
    await migrate(database, [...ours, NEXT, CONTRACTING])
    expect(await expectUntouched(database)).toContain(CONTRACTING.name)
    expect(await expectUntouched(database, [...ours, NEXT])).toContain(CONTRACTING.name)
  })

  test('a database with an unfinished migration is refused', async () => {
    const database = await migrated()
    await database.prisma.$executeRawUnsafe('UPDATE _prisma_migrations SET finished_at = NULL')
    expect(await expectUntouched(database)).toMatch(/never finished/)
  })

  test('a migration that was edited after it ran is refused, other ends of lines are not', async () => {
    const database = await migrated()
    const changed = (change: (script: string) => string): Migration[] =>
      ours.map((migration) => ({ ...migration, script: change(migration.script) }))
    expect(
      await expectUntouched(
        database,
        changed((script) => `${script}-- more`),
      ),
    ).toMatch(/edited/)
    await migrate(
      database,
      changed((script) => script.replaceAll('\n', '\r\n')),
    )
  })

  test("a database with someone else's tables is refused", async () => {
    const database = await openServer(await createDatabase())
    await database.prisma.$executeRawUnsafe('CREATE TABLE invoices (id int)')
    expect(await refusal(migrate(database))).toContain('invoices')
    expect(await rows(database, 'SELECT relname FROM pg_class WHERE relnamespace = 2200')).toEqual([{ relname: 'invoices' }])
  })

  test("times are the same whatever the server's time zone is", async () => {
    const url = await createDatabase()
    await serverQuery(`ALTER DATABASE ${databaseName(url)} SET timezone = 'America/New_York'`)
    const database = await openServer(url)
    await migrate(database)
    const lastActive = new Date('2024-07-01T12:00:00.123Z')
    await database.prisma.user.create({ data: { id: 1, name: 'Ann', lastActive } })
    expect(await database.prisma.user.findUnique({ where: { id: 1 } })).toMatchObject({ lastActive })
    expect(await rows(database, 'SELECT extract(epoch FROM last_active)::float8 AS s FROM users')).toEqual([
      { s: lastActive.getTime() / 1000 },
    ])
    const { createdAt } = await database.prisma.user.findUniqueOrThrow({ where: { id: 1 } })
    expect(Math.abs(createdAt.getTime() - Date.now())).toBeLessThan(60_000)
  })

  test('connections that the server ends while they idle are replaced', async () => {
    const url = await createDatabase()
    const database = await openServer(url)
    await rows(database, 'SELECT 1')
    await serverQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${databaseName(url)}'`)
    await expect.poll(() => rows(database, 'SELECT 1 AS one').catch(() => undefined)).toEqual([{ one: 1 }])
  })

  test('what is wrong with DATABASE_URL is told without its password', async () => {
    const missing = await refusal(open({ databaseUrl: 'postgresql://postgres:s3cret@127.0.0.1:5432/no_such_database' }))
    expect(missing).toContain('no database "no_such_database"')
    expect(missing).not.toContain('s3cret')
    const latin = await createDatabase("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    expect(await refusal(open({ databaseUrl: latin }))).toContain('LATIN1')
  })
})

test('a PostgreSQL that does not answer is told by its address', async () => {
  expect(await refusal(open({ databaseUrl: 'postgresql://u:s3cret@127.0.0.1:1/db' }))).toContain('127.0.0.1:1')
  expect(await refusal(open({ databaseUrl: 'postgresql://u:s3cret@[/db' }))).not.toContain('s3cret')
})

describe('the folder of the embedded database', () => {
  let home: string
  let folder: string

  const contents = async (): Promise<string[]> => (await readdir(home, { recursive: true })).toSorted()

  /** Refused, and every file that was there is there, none besides. */
  const expectRefused = async (dataDir: string): Promise<string> => {
    const before = await contents()
    const message = await refusal(open({ dataDir }))
    expect(await contents()).toEqual(before)
    return message
  }

  const killed = async (): Promise<number> => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    child.kill('SIGKILL')
    await once(child, 'exit')
    return child.pid ?? expect.fail('no process')
  }

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'parley-'))
    folder = join(home, 'data')
    // As a start leaves it that was killed in the middle.
    await mkdir(join(folder, 'pg', 'base'), { recursive: true, mode: 0o755 })
    await chmod(folder, 0o755)
    await writeFile(join(folder, 'parley.json'), '{"state":"creating"}')
    await writeFile(join(folder, 'pg', 'PG_VERSION'), '17\n')
  })

  afterAll(() => rm(home, { recursive: true, force: true }))

  test('a creation that was killed starts anew; what is stored is there at the next start', async () => {
    const exitCode = process.exitCode
    const first = await open({ dataDir: folder })
    await migrate(first)
    await first.prisma.user.create({ data: { id: 1, name: 'Ann' } })
    // It was there before, for everybody to read.
    const modes = ['.', 'pg', 'pg/PG_VERSION', 'parley.json'].map(async (name) => (await stat(join(folder, name))).mode & 0o777)
    expect(await Promise.all(modes)).toEqual([0o700, 0o700, 0o600, 0o600])
    expect(await expectRefused(folder)).toContain(`in use by process ${process.pid}`)
    await first.close()
    await first.close()
    const second = await open({ dataDir: folder })
    expect(await second.prisma.user.findMany()).toMatchObject([{ id: 1, name: 'Ann' }])
    await second.close()
    expect(process.exitCode).toBe(exitCode)
    expect((await readdir(folder)).toSorted()).toEqual(['parley.json', 'pg'])
  })

  test('a killed server loses nothing that it had confirmed and does not block the next', async () => {
    const source = `
      const { openDatabase } = await import(${JSON.stringify(new URL('../../dist/store/database/client.js', import.meta.url).href)})
      const options = { databaseUrl: undefined, poolSize: 1, acquireTimeoutMs: 5000, statementTimeoutMs: 5000 }
      const { prisma } = await openDatabase({ ...options, dataDir: ${JSON.stringify(folder)} })
      for (let id = 1000; ; id++) {
        await prisma.user.create({ data: { id, name: 'x' } })
        if (id % 50 === 0) await prisma.$executeRawUnsafe('CHECKPOINT')
        process.stdout.write(id + '\\n')
      }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const confirmed: number[] = []
    for await (const line of createInterface(child.stdout)) {
      confirmed.push(Number(line))
      if (confirmed.length === 120) child.kill('SIGKILL')
    }
    expect(confirmed.length).toBeGreaterThanOrEqual(120)
    const database = await open({ dataDir: folder })
    const stored = await database.prisma.user.findMany({ where: { id: { gte: 1000 } }, select: { id: true } })
    await database.close()
    expect(stored.map(({ id }) => id)).toEqual(expect.arrayContaining(confirmed))
  })

  test('a write that fails ends the engine: nothing is confirmed any more, nothing hangs, the next start has the rest', async () => {
    const engine = await GuardedPGlite.start(join(folder, 'pg'))
    await engine.exec("INSERT INTO users (id, name) VALUES (2, 'before')")
    const { FS } = engine.Module
    const operations = FS.filesystems.NODEFS.stream_ops
    const { write } = operations
    const NO_SPACE = 51
    operations.write = () => {
      throw new FS.ErrnoError(NO_SPACE)
    }
    await expect(engine.exec("INSERT INTO users (id, name) VALUES (3, 'lost')")).rejects.toThrow(/stopped/)
    operations.write = write
    await expect(engine.transaction((transaction) => transaction.query('SELECT 1'))).rejects.toThrow(/stopped/)
    await engine.stop()
    const database = await open({ dataDir: folder })
    expect(await database.prisma.user.findMany({ where: { id: { in: [2, 3] } } })).toMatchObject([{ id: 2 }])
    await database.close()
  })

  test('a folder with other files is refused', async () => {
    const foreign = join(home, 'foreign')
    await mkdir(foreign)
    await writeFile(join(foreign, 'thesis.odt'), 'years of work')
    expect(await expectRefused(foreign)).toContain('thesis.odt')
  })

  test('a file in place of the folder is refused', async () => {
    const file = join(home, 'file')
    await writeFile(file, 'text')
    expect(await expectRefused(file)).toContain('not a folder')
    expect(await expectRefused(join(file, 'inside'))).toContain('not a folder')
    expect(await expectRefused(join(file, 'inside', 'deeper'))).toContain('not a folder')
    for (const folder of ['/proc/nope', '/proc/nope/deeper'])
      expect(await expectRefused(folder)).toContain('it can not be created there')
    expect(await expectRefused(join(tmpdir(), 'x'.repeat(300)))).toContain('the name is too long')
    expect(await readFile(file, 'utf8')).toBe('text')
  })

  test.each([
    [
      'another major version',
      'pg/PG_VERSION',
      '16\n',
      /PostgreSQL 16, .*embeds PostgreSQL 17\. Export it .*parley export.*parley import/,
    ],
    ['an unreadable version', 'pg/PG_VERSION', '\0\0', /damaged/],
    ['an unreadable marker', 'parley.json', '{', /damaged/],
  ])('a database with %s is refused', async (_case, name, text, message) => {
    const path = join(folder, name)
    const before = await readFile(path, 'utf8')
    await writeFile(path, text)
    expect(await expectRefused(folder)).toMatch(message)
    expect(await readFile(path, 'utf8')).toBe(text)
    await writeFile(path, before)
  })

  describe('its lock', () => {
    const path = (): string => join(home, 'lock')

    /** What a holder on this machine writes, with another process in it. */
    const leave = async (change: object): Promise<void> => {
      const release = await acquireLock(path())
      const owner = JSON.parse(await readFile(path(), 'utf8')) as object
      await release()
      await writeFile(path(), JSON.stringify({ ...owner, ...change }))
    }

    const touch = (ageSeconds: number): Promise<void> => {
      const time = new Date(Date.now() - ageSeconds * 1000)
      return utimes(path(), time, time)
    }

    afterEach(() => rm(path(), { force: true }))

    test('is held until it is released', async () => {
      const release = await acquireLock(path())
      await expect(acquireLock(path())).rejects.toMatchObject({ name: 'LockedError', pid: process.pid })
      await release()
      await (
        await acquireLock(path())
      )()
    })

    test('of a dead process is taken by exactly one of those who find it', async () => {
      await leave({ pid: await killed(), started: '1' })
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(path())))
      const taken = results.filter((result) => result.status === 'fulfilled')
      expect(taken).toHaveLength(1)
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(LockedError)
      await taken[0]?.value()
      expect((await readdir(home)).filter((name) => name.startsWith('lock'))).toEqual([])
    })

    test.runIf(process.platform === 'linux')('of a process whose pid belongs to another one by now is taken', async () => {
      await leave({ pid: process.pid, started: '1' })
      await (
        await acquireLock(path())
      )()
    })

    test('of another container is taken when it has been silent, and respected while it shows life', async () => {
      await leave({ where: 'elsewhere' })
      await touch(3600)
      await (
        await acquireLock(path())
      )()
      await leave({ where: 'elsewhere' })
      const attempt = acquireLock(path())
      const beats = setInterval(() => void touch(1).catch(() => undefined), 20)
      await expect(attempt)
        .rejects.toBeInstanceOf(LockedError)
        .finally(() => clearInterval(beats))
    })

    test('that is only half written is taken when nobody completes it', async () => {
      await writeFile(path(), '')
      await touch(3600)
      await (
        await acquireLock(path())
      )()
    })
  })
})
