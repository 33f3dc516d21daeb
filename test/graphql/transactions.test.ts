import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { copyServerDatabase, dropServerDatabase, skipServer, statementsBehind } from '../support/database.ts'

const BLOCK = 'mutation ($id: ID!) { blockUser(userId: $id) { id } }'
const SEND = 'mutation ($id: ID!) { sendMessage(input: { receiverId: $id, content: "hello" }) { id } }'

const LISTS =
  '{ a: conversations(first: 1) { edges { cursor } } b: conversations(first: 1, filter: UNREAD) { edges { cursor } } }'
const SEARCH = '{ searchMessages(text: "hello") { edges { node { id } } } }'
const USER = 'query ($id: ID!) { user(id: $id) { name } }'

describe.skipIf(skipServer)('transactions and long reads of one user', () => {
  let app: TestApp
  let url: string
  beforeAll(async () => {
    url = await copyServerDatabase()
    app = await startApp({ DATABASE_URL: url, DB_POOL_SIZE: '4' })
  })
  afterAll(async () => {
    await app.stop()
    await dropServerDatabase(url)
  })

  /** Runs `work` while a client has locks, which this statement takes. */
  async function whileLocked(lock: pg.QueryConfig, work: (locker: pg.Client) => Promise<void>): Promise<void> {
    const locker = new pg.Client({ connectionString: url })
    await locker.connect()
    try {
      await locker.query('BEGIN')
      await locker.query(lock)
      await work(locker)
    } finally {
      await locker.end()
    }
  }

  const topicOf = (userId: number | string): pg.QueryConfig => ({
    text: 'SELECT FROM topics WHERE name = $1 FOR UPDATE',
    values: [`user:${userId}`],
  })

  test('leave connections to the database for everybody, however many wait for a lock', async () => {
    const [mallory, victim, ann, bob] = await Promise.all([app.user(), app.user(), app.user(), app.user()])
    const block = () => app.over(mallory).run(BLOCK, { id: victim.id })
    await block()
    await whileLocked(topicOf(mallory.id), async (locker) => {
      const blocked = Array.from({ length: 20 }, block)
      for (const [from, to] of [
        [ann, bob],
        [bob, ann],
      ] as const) {
        expect(await app.over(from).data(SEND, { id: to.id })).toMatchObject({ sendMessage: {} })
        expect(await app.over(from).data(BLOCK, { id: victim.id })).toMatchObject({ blockUser: {} })
      }
      await locker.query('ROLLBACK')
      for (const { data, errors } of await Promise.all(blocked)) {
        expect(errors).toBeUndefined()
        expect(data).toMatchObject({ blockUser: { id: String(victim.id) } })
      }
    })
  })

  test('are not begun once the user is banned', async () => {
    const [mallory, ann] = await Promise.all([app.user(), app.user()])
    const block = () => app.over(mallory).run(BLOCK, { id: ann.id })
    await whileLocked(topicOf(ann.id), async (locker) => {
      const blocked = Array.from({ length: 10 }, block)
      await expect.poll(() => statementsBehind(locker)).toBe(2)
      await app.admin.data('mutation ($id: ID!) { banUser(userId: $id, reason: "x") { id } }', { id: mallory.id })
      await locker.query('ROLLBACK')
      const outcomes = (await Promise.all(blocked)).map(({ errors }) => errors?.[0]?.extensions.code ?? 'OK')
      expect(outcomes.toSorted()).toEqual([...Array<string>(8).fill('FORBIDDEN'), 'OK', 'OK'])
    })
  })

  test.each([LISTS, SEARCH])('%s leaves connections to the database for everybody', async (query) => {
    const [mallory, ann] = await Promise.all([app.user(), app.user()])
    await whileLocked({ text: 'LOCK TABLE members' }, async (locker) => {
      const reading = Array.from({ length: 20 }, () => app.over(mallory).run(query))
      await expect.poll(() => statementsBehind(locker)).toBeGreaterThanOrEqual(2)
      for (let count = 0; count < 3; count++) {
        expect(await app.over(ann).data(USER, { id: mallory.id })).toMatchObject({ user: {} })
        expect(await statementsBehind(locker)).toBe(2)
      }
      await locker.query('ROLLBACK')
      for (const { errors } of await Promise.all(reading)) expect(errors).toBeUndefined()
    })
  })
})
