import { createSecretKey } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'
import { signToken } from '../../src/auth/verify.ts'
import { RedisStartError } from '../../src/pubsub/redis-problem.ts'
import { loadSettings } from '../../src/settings.ts'
import { SECRET } from '../support/app.ts'
import { skipCluster } from '../support/cluster.ts'
import { copyServerDatabase, databaseName, dropServerDatabase, serverQuery } from '../support/database.ts'
import { connectGraphqlWs, connectHttp, type Result } from '../support/graphql-client.ts'
import { connectLegacy, type Frame, type LegacyClient } from '../support/legacy-client.ts'
import { createRedisServer, freePort, skipRedisServer, type RedisServer } from '../support/redis-server.ts'
import { endProcesses, run, start, type RunningServer } from '../support/server-process.ts'

/** How long the users of a node that died may seem to be there. */
const OFFLINE_WITHIN_MS = 15_000

const ann = 1
const bob = 2
const cat = 3
const tokenFor = (userId: number): string =>
  signToken(createSecretKey(Buffer.from(SECRET)), { userId, name: `User ${userId}`, ttlSeconds: 3600 })

async function legacy({ port }: RunningServer, userId: number, headers: Record<string, string> = {}): Promise<LegacyClient> {
  const client = await connectLegacy(`ws://127.0.0.1:${port}/ws/connect`, {
    headers: { authorization: `Bearer ${tokenFor(userId)}`, ...headers },
  })
  await client.inbox.next(({ type }) => type === 'connection_established')
  return client
}

const isStatusOf =
  (userId: number, online: boolean) =>
  ({ type, data }: Frame): boolean =>
    type === 'online_status' && data.user_id === userId && data.online === online
const isMessage = ({ type, data }: Frame): boolean => type === 'message_sent' && typeof data.content === 'string'
const statuses = (frames: readonly Frame[]): unknown[] =>
  frames.filter(({ type }) => type === 'online_status').map(({ data }) => [data.user_id, data.online])

describe.skipIf(skipCluster || skipRedisServer)('two processes', () => {
  let redis: RedisServer
  let database: string
  let env: Record<string, string>
  beforeAll(async () => {
    redis = await createRedisServer()
    await redis.start()
  })
  afterAll(() => redis.close())
  beforeEach(async () => {
    database = await copyServerDatabase()
    env = {
      DATABASE_URL: database,
      REDIS_URL: redis.url,
      REDIS_PREFIX: `${databaseName(database)}:`,
      JWT_SECRET: SECRET,
      RATE_LIMIT_PER_SECOND: '0',
      PRESENCE_GRACE_MS: '2000',
    }
  })
  afterEach(async () => {
    endProcesses()
    await dropServerDatabase(database)
  })

  /** Two nodes, and on the second one an observer who has talked with all the others. */
  async function setup(): Promise<{ one: RunningServer; two: RunningServer; observer: LegacyClient }> {
    const [one, two] = await Promise.all([start(env), start(env)])
    for (const other of [bob, cat]) await connectHttp(`${two.url}/graphql`, tokenFor(other)).data('{ viewer { id } }')
    const observer = await legacy(two, ann)
    for (const other of [bob, cat]) await observer.request('message_sent', { receiver_id: other, content: 'hello' })
    return { one, two, observer }
  }

  test('when a node is killed, those who were only there go offline within 15 s, announced once, and stop typing; the others do not', async () => {
    const { one, two, observer } = await setup()
    const client = await legacy(one, bob)
    await observer.inbox.next(isStatusOf(bob, true))
    await legacy(one, cat)
    await legacy(two, cat)
    await observer.inbox.next(isStatusOf(cat, true))
    await client.request('typing', { session_id: `direct_${ann}_${bob}`, typing: true })
    const isTyping = ({ type }: Frame): boolean => type === 'typing'
    expect((await observer.inbox.next(isTyping)).data).toMatchObject({ user_id: bob, typing: true })
    observer.inbox.drain()
    one.child.kill('SIGKILL')
    const killed = Date.now()
    await vi.waitFor(() => expect(statuses(observer.inbox.waiting)).toEqual([[bob, false]]), { timeout: 30_000, interval: 100 })
    expect(Date.now() - killed).toBeLessThan(OFFLINE_WITHIN_MS)
    // 13 s after it was said, for nobody else knows that it ended.
    const ended = (): Frame | undefined => observer.inbox.waiting.find(isTyping)
    await vi.waitFor(() => expect(ended()?.data).toMatchObject({ user_id: bob, typing: false }), {
      timeout: 30_000,
      interval: 100,
    })
    // Later changes of presence are announced after it.
    const later = await legacy(two, bob)
    await observer.inbox.next(isStatusOf(bob, true))
    await later.close()
    await expect
      .poll(() => statuses(observer.inbox.waiting))
      .toEqual([
        [bob, false],
        [bob, false],
      ])
  })

  test('when a node is killed, its clients resume on the other with what they had, and get what they missed', async () => {
    const { one, two, observer } = await setup()
    const client = await legacy(one, bob)
    const over = connectGraphqlWs(`ws://127.0.0.1:${one.port}/graphql`, tokenFor(bob))
    const query = 'subscription ($after: ID) { events(after: $after) { id ... on MessageSent { message { content } } } }'
    const subscription = await over.subscribe(query, { after: '0' })
    await observer.request('message_sent', { receiver_id: bob, content: 'before' })
    const before = await client.inbox.next(isMessage)
    const heard = await subscription.inbox.next((result: Result) => result.data?.events.message?.content === 'before')
    const id: string = heard.data?.events.id
    expect(id).toBe(before.message_id)
    one.child.kill('SIGKILL')
    await Promise.all([one.ended, client.closed])
    const missed = ['missed 1', 'missed 2']
    for (const content of missed) await observer.request('message_sent', { receiver_id: bob, content })

    const resumed = await legacy(two, bob, { 'last-event-id': before.message_id as string })
    for (const content of missed) expect((await resumed.inbox.next(isMessage)).data.content).toBe(content)
    expect(await resumed.inbox.next(({ type }) => type === 'resume')).toMatchObject({ data: { replayed: 2, complete: true } })
    const again = connectGraphqlWs(`ws://127.0.0.1:${two.port}/graphql`, tokenFor(bob))
    const events = await again.subscribe(query, { after: id })
    for (const content of missed) expect((await events.inbox.next()).data?.events.message.content).toBe(content)
    expect(resumed.inbox.drain().filter(isMessage)).toEqual([])
    await again.close()
    await over.close()
  })

  test('when a node stops, who comes back on the other in time was never away, and who does not goes once', async () => {
    const { one, two, observer } = await setup()
    const [staying, leaving] = [await legacy(one, bob), await legacy(one, cat)]
    for (const user of [bob, cat]) await observer.inbox.next(isStatusOf(user, true))
    observer.inbox.drain()
    one.child.kill('SIGTERM')
    expect((await Promise.all([staying.closed, leaving.closed])).map(({ code }) => code)).toEqual([1012, 1012])
    const back = await legacy(two, bob)
    expect(await one.ended).toBe(0)
    await vi.waitFor(() => expect(statuses(observer.inbox.waiting)).toEqual([[cat, false]]), { timeout: 30_000, interval: 50 })
    await back.request('message_sent', { receiver_id: ann, content: 'I am here' })
    await observer.inbox.next(({ type, data }) => type === 'message_sent' && data.content === 'I am here')
    expect(statuses(observer.inbox.drain())).toEqual([[cat, false]])
  })

  test('a server whose REDIS_URL is wrong exits 1 where waiting can not help, with one sentence', async () => {
    const log = pino({ level: 'silent' })
    const problemWith = async (url: string): Promise<unknown> => {
      const app = createApp(loadSettings({ ...env, PORT: '0', REDIS_URL: url }), log)
      return await app.start().then(
        () => app.stop(),
        (error: unknown) => error,
      )
    }
    const locked = await createRedisServer('--requirepass', 'secret')
    await locked.start()
    const { host } = new URL(locked.url)
    try {
      const refused = run({ ...env, REDIS_URL: `redis://:hidden@${host}` })
      const { host: postgres } = new URL(database)
      const plain = new URL(redis.url).host
      const wrong: Record<string, string> = {
        [locked.url]: `Redis at ${host} asks for a password, and REDIS_URL holds none: redis://:password@host:6379.`,
        [`redis://:hidden@${postgres}`]: `PostgreSQL answers at ${postgres}, where REDIS_URL expects Redis. Correct REDIS_URL.`,
        [`rediss://:hidden@${plain}`]: `Redis at ${plain} does not speak TLS. Write redis:// in REDIS_URL.`,
        [`${redis.url}/99`]: `Redis at ${plain} has no database of the number in REDIS_URL. Correct REDIS_URL.`,
      }
      for (const [url, message] of Object.entries(wrong)) {
        const problem = await problemWith(url)
        expect(problem).toBeInstanceOf(RedisStartError)
        expect(problem).toMatchObject({ message })
      }
      expect(await refused.ended).toBe(1)
      expect(refused.err()).toBe(`Redis at ${host} refuses the user or the password of REDIS_URL.\n`)
    } finally {
      await locked.close()
    }
  })

  test('a node that starts with neither storage there waits, says so, and gets ready by itself', async () => {
    const own = await createRedisServer()
    const name = databaseName(database)
    await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    try {
      // The server is asked before it prints its own.
      const port = await freePort()
      const server = run({ ...env, PORT: String(port), REDIS_URL: own.url })
      const ready = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/ready`)).status
      await vi.waitFor(async () => expect(await ready()).toBe(503), { timeout: 20_000, interval: 50 })
      await vi.waitFor(() => expect(server.err()).toContain('Waiting for it.'), { timeout: 20_000 })
      expect(server.err()).toContain('redis connect')
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      await own.start()
      await vi.waitFor(async () => expect(await ready()).toBe(200), { timeout: 20_000, interval: 50 })
      const viewer = await connectHttp(`http://127.0.0.1:${port}/graphql`, tokenFor(ann)).data('{ viewer { id } }')
      expect(viewer).toEqual({ viewer: { id: '1' } })
    } finally {
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      await own.close()
    }
  })
})
