import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createSnapshots } from '../../src/chat/snapshots.ts'
import { ChatError } from '../../src/errors.ts'
import { createTestChat, refusal, type TestChat } from '../support/chat.ts'
import { databaseName, describeServers, open, openEmbeddedStore, serverQuery } from '../support/database.ts'
import { GROUP_INFO } from '../support/group-info.ts'

const codesOf = async (attempts: readonly Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(attempts)).map((done) =>
    done.status === 'fulfilled' ? 'done' : done.reason instanceof ChatError ? done.reason.code : done.reason,
  )

/** A call of every kind: reads, the send path, transactions and single writes. */
const everything = (
  { chat, store, send }: TestChat,
  [a = 0, b = 0]: readonly number[],
  messageId: number,
  groupId: number,
): Promise<unknown>[] => [
  send(a, { receiverId: b }),
  send(b, { conversationId: `group_${groupId}` }, { key: 'k' }),
  chat.receipts.markMessage(b, messageId),
  chat.reactions.add(b, messageId, 'x'),
  chat.groups.update(a, groupId, { name: 'x' }),
  chat.groups.create(a, GROUP_INFO, []),
  chat.notifications.send('n', {}, [a]),
  chat.typing.set(a, null, `group_${groupId}`, true),
  chat.users.upsert({ id: a, name: `user${a}`, avatar: null }),
  chat.reads.users([a]),
  chat.reads.groups([groupId]),
  chat.reads.joinRequests([groupId]),
  chat.reads.messagePage(`group_${groupId}`, undefined, 10),
  store.log.heads([`user:${a}`]),
  store.log.sweep(1, 10),
  store.ping(),
]

describeServers((on, isPooled) => {
  const setUp = async (node: TestChat): Promise<[number[], number, number]> => {
    const users = await node.users(2)
    const [a = 0, b = 0] = users
    return [users, (await node.send(a, { receiverId: b })).id, await node.group(a, [b])]
  }

  /** Ends all connections to the test's database but the one that asks. */
  const terminate = (): Promise<void> =>
    serverQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${databaseName(on().url ?? '')}'`)

  test('while the database is gone everything is UNAVAILABLE without internals; afterwards everything works again', async () => {
    const node = createTestChat(on().store)
    const args = await setUp(node)
    const name = databaseName(on().url ?? '')
    await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    try {
      await terminate()
      const published = node.published.length
      const codes = await codesOf(everything(node, ...args))
      expect(codes).toEqual(codes.map(() => 'UNAVAILABLE'))
      const { message } = await refusal(node.store.ping())
      expect(message).toBe(
        'the database is not reachable; whether a change was stored is not known: try again, a send with the same key',
      )
      expect(node.published).toHaveLength(published)
    } finally {
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    }
    // A pooler tries again after a pause of its own, and each of the connections to it may find that out by itself.
    const pings = (): Promise<unknown[]> => codesOf(Array.from({ length: 16 }, () => node.store.ping()))
    if (isPooled) await expect.poll(pings).toEqual(Array.from({ length: 16 }, () => 'done'))
    expect(await codesOf(everything(node, ...args))).toEqual(Array.from({ length: 16 }, () => 'done'))
    await node.expectLogPublished()
    await node.close()
  })

  test('connections that end in the middle of statements and transactions make them UNAVAILABLE, and nothing half stored', async () => {
    const node = createTestChat(on().store)
    const [users, messageId, groupId] = await setUp(node)
    const [a = 0, b = 0] = users
    // Somebody else holds the topics, so that all of these stand in the middle of their work.
    const holder = new pg.Client({ connectionString: on().url })
    holder.on('error', () => undefined)
    await holder.connect()
    await holder.query('BEGIN')
    await holder.query(`SELECT 1 FROM topics WHERE name IN ('user:${a}', 'user:${b}', 'group:${groupId}') FOR UPDATE`)
    const codes = codesOf([
      node.send(a, { receiverId: b }, { content: 'lost' }),
      node.send(b, { conversationId: `group_${groupId}` }, { content: 'lost' }),
      node.chat.reactions.add(b, messageId, 'lost'),
    ])
    const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    await expect.poll(() => on().query(waiting)).toEqual([{ count: 2 }])
    await terminate()
    expect(await codes).toEqual(['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE'])
    expect(await node.chat.reads.reactions([messageId])).toEqual([])
    const lost = await on().query("SELECT count(*)::int AS count FROM messages WHERE content = 'lost'")
    expect(lost).toEqual([{ count: 0 }])
    await node.send(a, { receiverId: b })
    await node.expectLogPublished()
    await node.close()
  })

  test('a connection that ends between two statements of a snapshot fails it, and nothing else', async () => {
    const { store, database } = await on().another({ poolSize: 2 })
    const reading = store.snapshot(async ({ readPosition, users }) => {
      await Promise.all([readPosition(), store.ping()])
      await terminate()
      // The idle connection is removed when its end has been seen.
      await expect.poll(() => database.pool()?.total).toBe(1)
      return await users.byIds([1])
    })
    expect(await codesOf([reading])).toEqual(['UNAVAILABLE'])
    expect(await codesOf([store.snapshot(({ users }) => users.byIds([1]))])).toEqual(['done'])
  })

  test('the transaction of a snapshot ends though nothing else uses its connection', async () => {
    const { store } = await on().another({ poolSize: 2 })
    await store.snapshot(({ readPosition }) => readPosition())
    const open = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`
    await expect.poll(() => on().query(open)).toEqual([{ count: 0 }])
  })

  test('a snapshot whose position can not be read is UNAVAILABLE, whatever else is read and whether it is asked for or not', async () => {
    const { store } = await on().another({ statementTimeoutMs: 500 })
    const holder = new pg.Client({ connectionString: on().url })
    await holder.connect()
    await holder.query('BEGIN')
    await holder.query('LOCK TABLE installation IN ACCESS EXCLUSIVE MODE')
    const snapshots = createSnapshots({ store, limit: 2 })
    const codes = await codesOf([
      snapshots.read(1, ({ reads }) => reads.users([1])),
      snapshots.read(2, ({ cursor }) => cursor()),
      store.snapshot(() => Promise.resolve()),
    ])
    expect(codes).toEqual(['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE'])
    await holder.query('ROLLBACK')
    await holder.end()
    expect(await codesOf([snapshots.read(1, ({ cursor }) => cursor())])).toEqual(['done'])
  })

  test('a server that takes no writes is not ready, says so, and is left as soon as it does again', async () => {
    const node = createTestChat(on().store)
    const args = await setUp(node)
    const name = databaseName(on().url ?? '')
    await serverQuery(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    try {
      await terminate()
      const [[a = 0, b = 0]] = args
      expect(await codesOf([node.store.ping(), node.send(a, { receiverId: b })])).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
      const { message } = await refusal(node.store.ping())
      expect(message).toBe('the database takes no writes now; nothing was stored, try again')
      await expect(open({ databaseUrl: on().url })).rejects.toMatchObject({
        isTemporary: true,
        message: 'The PostgreSQL of DATABASE_URL takes no writes: it is a replica, or read-only.',
      })
    } finally {
      await serverQuery(`ALTER DATABASE ${name} RESET default_transaction_read_only`)
      // A pooler keeps its sessions: the operator who switches servers makes it reconnect.
      if (isPooled) await terminate()
    }
    // Sessions from before would stay read-only.
    expect(await codesOf(everything(node, ...args))).toEqual(Array.from({ length: 16 }, () => 'done'))
    await node.close()
  })

  test('no free connection in time, and a statement that runs too long, are UNAVAILABLE', async () => {
    const other = await on().another({ poolSize: 1, acquireTimeoutMs: 2_000, statementTimeoutMs: 6_000 })
    const node = createTestChat(on().store)
    const narrow = createTestChat(other.store)
    const [[a = 0, b = 0]] = await setUp(node)
    const holder = new pg.Client({ connectionString: on().url })
    await holder.connect()
    await holder.query('BEGIN')
    await holder.query(`SELECT 1 FROM topics WHERE name = 'user:${a}' FOR UPDATE`)
    // The first stands at the lock until its time is up, the second gets no connection meanwhile.
    const sent = narrow.send(a, { receiverId: b })
    const codes = codesOf([sent])
    await expect
      .poll(() =>
        on().query(
          `SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
        ),
      )
      .toEqual([{ count: 1 }])
    expect(await codesOf([narrow.store.ping(), narrow.chat.notifications.send('n', {}, [b])])).toEqual([
      'UNAVAILABLE',
      'UNAVAILABLE',
    ])
    expect(await codes).toEqual(['UNAVAILABLE'])
    expect((await refusal(sent)).message).toBe('the database took too long; nothing was stored, try again')
    await holder.query('ROLLBACK')
    await holder.end()
    await narrow.send(a, { receiverId: b })
    await node.close()
    await narrow.close()
  })
})

describe('the embedded database', () => {
  test('once closed, everything is UNAVAILABLE', async () => {
    const opened = await openEmbeddedStore()
    const { store } = opened
    await opened.close()
    const attempts = [
      store.ping(),
      store.users.byIds([1]),
      store.groups.byIds([1]),
      store.transaction((tx) => tx.users.byIds([1])),
    ]
    expect(await codesOf(attempts)).toEqual(attempts.map(() => 'UNAVAILABLE'))
  })
})
