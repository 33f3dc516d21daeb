import { describe, expect, test } from 'vitest'
import { readDatabaseUrl } from '../../src/store/database/url.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { createStore } from '../../src/store/store.ts'
import { createServerDatabase, dropServerDatabase, open, skipServer } from '../support/database.ts'

const problemOf = (url: string): string => {
  try {
    readDatabaseUrl(url)
    return 'none'
  } catch (error) {
    return (error as Error).message
  }
}

const places = (url: string): string[] =>
  readDatabaseUrl(url).attempts.map(({ host, port, ssl }) => `${host}:${port}${ssl === false ? '' : ' encrypted'}`)

describe('DATABASE_URL is read as libpq reads it', () => {
  test.each([
    ['postgresql://db/chat', ['db:5432']],
    ['postgres://u:p@db:5433/chat', ['db:5433']],
    ['postgresql://[::1]:5433/chat', ['::1:5433']],
    ['postgresql:///chat', ['localhost:5432']],
    ['postgresql://user@/chat?host=/var/run/postgresql', ['/var/run/postgresql:5432']],
    ['postgresql://%2Fvar%2Frun%2Fpostgresql/chat', ['/var/run/postgresql:5432']],
    ['postgresql://a,b:5433/chat', ['a:5432', 'b:5433']],
    ['postgresql:///chat?host=a,b&port=1', ['a:1', 'b:1']],
    ['postgresql:///chat?host=a,b&port=1,2', ['a:1', 'b:2']],
    ['postgresql://db/chat?sslmode=disable', ['db:5432']],
    ['postgresql://db/chat?sslmode=allow', ['db:5432', 'db:5432 encrypted']],
    ['postgresql://db/chat?sslmode=prefer', ['db:5432 encrypted', 'db:5432']],
    ['postgresql://db/chat?sslmode=require', ['db:5432 encrypted']],
    ['postgresql:///chat?host=/run/postgresql&sslmode=require', ['/run/postgresql:5432']],
  ])('%s leads to %o', (url, expected) => {
    expect(places(url)).toEqual(expected)
  })

  test('require encrypts without verification, verify-full checks certificate and name', () => {
    const [loose] = readDatabaseUrl('postgresql://db/chat?sslmode=require').attempts
    expect(loose.ssl).toEqual({ rejectUnauthorized: false })
    const [strict] = readDatabaseUrl('postgresql://db/chat?sslmode=verify-full').attempts
    expect(strict.ssl).toEqual({})
    expect(problemOf('postgresql://db/chat?sslmode=verify-ca')).toContain('sslmode=verify-ca needs sslrootcert')
  })

  test('user, password, database and options are decoded, whatever characters they have', () => {
    const { config, database, schema } = readDatabaseUrl(
      'postgresql://us%40er:p%2F%3F%23%25@db/my%20chat?application_name=x&options=-c%20work_mem%3D8MB&schema=tenant_0',
    )
    expect(config).toMatchObject({ user: 'us@er', password: 'p/?#%', database: 'my chat', application_name: 'x' })
    expect(config.options).toBe('-c work_mem=8MB')
    expect([database, schema]).toEqual(['my chat', 'tenant_0'])
    expect(readDatabaseUrl('postgresql://u:p@ss#word@db/chat').config).toMatchObject({ user: 'u', password: 'p@ss#word' })
  })

  test.each([
    ['connection_limit=5', 'connection_limit has no effect here: set DB_POOL_SIZE instead'],
    ['connect_timeout=5&foo=1', 'connect_timeout has no effect here: set DB_ACQUIRE_TIMEOUT_MS instead; foo has no effect here'],
    ['pgbouncer=yes', 'pgbouncer came as "yes", expected true, false'],
    ['sslmode=on', 'sslmode came as "on", expected disable, allow, prefer'],
    ['target_session_attrs=standby', 'target_session_attrs came as "standby", expected any, read-write, primary'],
    ['options=-csearch_path%3Dx', 'options sets search_path: set schema instead'],
    ['schema=', 'schema is no name of a schema'],
    ['schema=%22', 'schema is no name of a schema'],
    ['channel_binding=require', 'channel_binding=require needs sslmode=require'],
    ['sslmode=verify-full&sslrootcert=/nowhere', "sslrootcert is the path of a file that can't be read"],
  ])('%s is refused by its name', (query, problem) => {
    const message = problemOf(`postgresql://u:s3cret@db/chat?${query}`)
    expect(message).toContain(`DATABASE_URL: ${problem}`)
    expect(message).not.toContain('s3cret')
  })

  test.each([
    'postgresql://u:s3cret@[/db',
    'postgresql://u:s3%cret@db/x',
    'postgresql://u:s3cret@db:port/x',
    'postgresql://a:1:2/x',
  ])('%s can not be read, and is not repeated', (url) => {
    expect(problemOf(url)).toBe("DATABASE_URL can't be read. It looks like postgresql://user:password@host:5432/database.")
  })
})

describe.skipIf(skipServer)('on PostgreSQL', () => {
  test('servers with different schemas share a database and nothing else', async () => {
    const url = await createServerDatabase()
    const databases = await Promise.all(
      ['tenant_0', 'Tenant 1', 'public'].map((schema) => open({ databaseUrl: `${url}?schema=${schema}` })),
    )
    try {
      // At the same time, and again.
      for (let turn = 0; turn < 2; turn++) await Promise.all(databases.map((database) => migrate(database)))
      const stores = databases.map((database) => createStore(database))
      for (const [index, store] of stores.entries()) {
        await store.users.upsert([1, 2].map((id) => ({ id, name: `${index}`, avatar: undefined })))
        // Statements of our own, those of the client, and transactions.
        const to = { receiverId: 2, conversationId: null, mediaUrl: null, messageType: 'text', key: null }
        await store.messages.sendBatch([{ senderId: 1, content: `in ${index}`, ...to }])
        await store.transaction(async ({ groups }) => groups.addJoinRequests((await groups.create(GROUP)).id, [1]))
      }
      for (const [index, store] of stores.entries()) {
        expect((await store.users.byIds([1])).get(1)?.name).toBe(`${index}`)
        expect((await store.messages.page('direct_1_2', undefined, 10)).map(({ content }) => content)).toEqual([`in ${index}`])
        expect(await store.groups.joinRequests([1])).toEqual(new Map([[1, [1]]]))
      }
    } finally {
      for (const database of databases) await database.close()
      await dropServerDatabase(url)
    }
  })

  test('of several servers the first that is right is taken, encrypted or not as it offers', async () => {
    const url = await createServerDatabase()
    try {
      const several = url.replace('127.0.0.1:5432', '127.0.0.1:1,127.0.0.1:5432')
      const database = await open({ databaseUrl: `${several}?sslmode=prefer&target_session_attrs=read-write` })
      await migrate(database)
      await createStore(database).ping()
      await database.close()
      const none = open({ databaseUrl: several.replaceAll('5432', '2') })
      await expect(none).rejects.toThrow('No PostgreSQL at 127.0.0.1:1, 127.0.0.1:2 answers')
    } finally {
      await dropServerDatabase(url)
    }
  })
})

const GROUP = {
  name: 'G',
  avatar: null,
  announcement: null,
  joinApprovalRequired: true,
  allowInvitation: true,
  allowSendMessages: true,
  historyVisible: true,
}
