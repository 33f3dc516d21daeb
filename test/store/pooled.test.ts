import { describe, expect, test } from 'vitest'
import { Prisma } from '../../src/store/generated/client.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { createServerDatabase, dropServerDatabase, open, serverQuery, skipServer } from '../support/database.ts'
import { skipPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'

describe.skipIf(skipServer || skipPgBouncer)('a pooler in transaction mode', () => {
  test('whose sessions lack settings is refused with the statements that give them, which do', async () => {
    const url = await createServerDatabase()
    const bouncer = await startPgBouncer(url, 'SELECT 1')
    const databaseUrl = bouncer.url
    const message = await open({ databaseUrl }).then(
      () => expect.fail('it was not refused'),
      (error: Error) => error.message,
    )
    expect(message).toContain('lack settings')
    const statements = message.match(/ALTER ROLE [^;]+;/g) ?? []
    for (const name of ['jit', 'statement_timeout', 'idle_in_transaction_session_timeout'])
      expect(statements.filter((each) => each.includes(` SET ${name} = `))).toHaveLength(1)
    for (const statement of statements) await serverQuery(statement)
    await serverQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${url.split('/').at(-1)}'`)
    const database = await open({ databaseUrl })
    await database.close()
    await bouncer.close()
    await dropServerDatabase(url)
  })

  test('is migrated through by two nodes at once, and no lock is left with its sessions', async () => {
    const url = await createServerDatabase()
    const bouncer = await startPgBouncer(url)
    const databases = await Promise.all([1, 2].map(() => open({ databaseUrl: bouncer.url })))
    await Promise.all(databases.map((database) => migrate(database)))
    const locks = await databases[0]?.prisma.$queryRawUnsafe(
      "SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    expect(locks).toEqual([])
    await Promise.all(databases.map((database) => database.close()))
    await bouncer.close()
    await dropServerDatabase(url)
  })
  test('runs each snapshot in a transaction of its own, many at once', async () => {
    const url = await createServerDatabase()
    const bouncer = await startPgBouncer(url)
    const database = await open({ databaseUrl: bouncer.url })
    const position = Prisma.sql`SELECT pg_current_snapshot()::text AS at, current_setting('transaction_isolation') AS isolation`
    const read = async () =>
      await database.snapshot(position, async (rows, db) => {
        const [together] = await db.$queryRaw<unknown[]>(position)
        await rows
        await serverQuery('SELECT pg_current_xact_id()')
        const [later] = await db.$queryRaw<unknown[]>(position)
        return { first: (await rows)[0], together, later }
      })
    for (const { first, together, later } of await Promise.all(Array.from({ length: 30 }, read))) {
      expect(first).toMatchObject({ isolation: 'repeatable read' })
      expect(together).toEqual(first)
      expect(later).toEqual(first)
    }
    await expect(database.prisma.$queryRawUnsafe(`SELECT current_setting('transaction_isolation') AS of`)).resolves.toEqual([
      { of: 'read committed' },
    ])
    await database.close()
    await bouncer.close()
    await dropServerDatabase(url)
  })
})
