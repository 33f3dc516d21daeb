import { describe, expect, test } from 'vitest'
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
})
