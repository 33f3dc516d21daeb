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

  test('leave connections to the database for everybody, however many wait for a lock', async () => {
    const [mallory, victim, ann, bob] = await Promise.all([app.user(), app.user(), app.user(), app.user()])
    const block = () => app.over(mallory).run(BLOCK, { id: victim.id })
    await block()
    const locker = new pg.Client({ connectionString: url })
    await locker.connect()
    try {
      await locker.query('BEGIN')
      await locker.query('SELECT FROM topics WHERE name = $1 FOR UPDATE', [`user:${mallory.id}`])
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
    } finally {
      await locker.end()
    }
  })

  test('are not begun once the user is banned', async () => {
    const [mallory, ann] = await Promise.all([app.user(), app.user()])
    const block = () => app.over(mallory).run(BLOCK, { id: ann.id })
    const locker = new pg.Client({ connectionString: url })
    await locker.connect()
    try {
      await locker.query('BEGIN')
      await locker.query('SELECT FROM topics WHERE name = $1 FOR UPDATE', [`user:${ann.id}`])
      const blocked = Array.from({ length: 10 }, block)
      const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
      await expect.poll(async () => (await locker.query<{ count: number }>(waiting)).rows[0]?.count).toBe(2)
      await app.admin.data('mutation ($id: ID!) { banUser(userId: $id, reason: "x") { id } }', { id: mallory.id })
      await locker.query('ROLLBACK')
      const outcomes = (await Promise.all(blocked)).map(({ errors }) => errors?.[0]?.extensions.code ?? 'OK')
      expect(outcomes.toSorted()).toEqual([...Array<string>(8).fill('FORBIDDEN'), 'OK', 'OK'])
    } finally {
      await locker.end()
    }
  })

  test.each([LISTS, SEARCH])('%s leaves connections to the database for everybody', async (query) => {
    const [mallory, ann] = await Promise.all([app.user(), app.user()])
    const locker = new pg.Client({ connectionString: url })
    await locker.connect()
    try {
      await locker.query('BEGIN')
      await locker.query('LOCK TABLE members')
      const reading = Array.from({ length: 20 }, () => app.over(mallory).run(query))
      await expect.poll(() => statementsBehind(locker)).toBeGreaterThanOrEqual(2)
      for (let count = 0; count < 3; count++) {
        expect(await app.over(ann).data(USER, { id: mallory.id })).toMatchObject({ user: {} })
        expect(await statementsBehind(locker)).toBe(2)
      }
      await locker.query('ROLLBACK')
      for (const { errors } of await Promise.all(reading)) expect(errors).toBeUndefined()
    } finally {
      await locker.end()
    }
  })
})
