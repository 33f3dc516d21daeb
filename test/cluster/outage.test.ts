import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestApp } from '../support/app.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import { databaseName, serverQuery } from '../support/database.ts'
import { direct, people, say } from '../support/people.ts'
import { createRedisServer, skipRedisServer, type RedisServer } from '../support/redis-server.ts'

/** The node's own answer. */
const readiness = async ({ http }: TestApp): Promise<Record<string, unknown>> => {
  const response = await fetch(`${http}/ready`)
  return { code: response.status, ...((await response.json()) as object) }
}

const READY = { code: 200, status: 'ready', database: 'up', redis: 'up' }

describe.skipIf(skipCluster || skipRedisServer)('an outage', () => {
  let redis: RedisServer
  let cluster: TestCluster
  let one: TestApp
  let two: TestApp
  beforeAll(async () => {
    redis = await createRedisServer()
    await redis.start()
    // Nothing is found by looking from time to time: what is caught up is so because the outage is over.
    cluster = await startCluster(2, { REDIS_URL: redis.url, POSITION_CHECK_MS: '600000', DB_ACQUIRE_TIMEOUT_MS: '1000' })
    ;[one, two] = cluster.nodes as [TestApp, TestApp]
  })
  afterAll(async () => {
    await cluster.stop()
    await redis.close()
  })

  test('of Redis keeps nobody from sending, reading and hearing of what happens on the same node, and is caught up on', async () => {
    const { ann, bob, cat } = await people(one, 'ann', 'bob', 'cat')
    await say(one, ann, bob, 'before')
    const [a, b, near] = [await one.ready(ann), await two.ready(bob), await one.ready(cat)]
    await redis.kill()
    expect((await a.request('message_sent', { receiver_id: cat.id, content: 'near' })).code).toBe(200)
    expect((await near.inbox.next(({ type }) => type === 'message_sent')).data.content).toBe('near')
    const far = ['far 1', 'far 2', 'far 3']
    for (const content of far) expect((await a.request('message_sent', { receiver_id: bob.id, content })).code).toBe(200)
    await expect.poll(() => readiness(one)).toEqual({ code: 503, status: 'not ready', database: 'up', redis: 'down' })
    const messages = await two
      .over(bob)
      .data(`{ conversation(id: "${direct(ann, bob)}") { messages { edges { node { content } } } } }`)
    expect(messages.conversation.messages.edges).toHaveLength(4)
    // Connects and disconnects while nothing can be announced.
    const late = await two.ready(cat)
    await redis.start()
    for (const content of far) expect((await b.inbox.next(({ type }) => type === 'message_sent')).data.content).toBe(content)
    for (const node of [one, two]) await expect.poll(() => readiness(node)).toEqual(READY)
    await say(one, ann, cat, 'after')
    expect((await late.inbox.next(({ type }) => type === 'message_sent')).data.content).toBe('after')
    await near.close()
    await late.close()
    const offline = await a.inbox.next(
      ({ type, data }) => type === 'online_status' && data.user_id === cat.id && data.online === false,
    )
    expect(offline.code).toBe(200)
  })

  test('of PostgreSQL is told to those who need it, keeps every socket open and lets typing go on', async () => {
    const { ann, bob } = await people(one, 'ann', 'bob')
    const [a, b] = [await one.ready(ann), await two.ready(bob)]
    const conversation = direct(ann, bob)
    await a.request('typing', { session_id: conversation, typing: true })
    await a.request('typing', { session_id: conversation, typing: false })
    const name = databaseName(cluster.env['DATABASE_URL'] as string)
    await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    try {
      await serverQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      b.inbox.drain()
      expect(await a.request('message_sent', { receiver_id: bob.id, content: 'no' })).toMatchObject({ type: 'error', code: 503 })
      expect((await two.over(bob).run('{ conversations { edges { cursor } } }')).errors?.[0]?.extensions.code).toBe('UNAVAILABLE')
      expect((await readiness(one))['database']).toBe('down')
      expect((await a.request('typing', { session_id: conversation, typing: true })).code).toBe(200)
      expect((await b.inbox.next(({ type }) => type === 'typing')).data.typing).toBe(true)
    } finally {
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    }
    for (const node of [one, two]) await expect.poll(() => readiness(node)).toEqual(READY)
    expect((await a.request('message_sent', { receiver_id: bob.id, content: 'yes' })).code).toBe(200)
    expect((await b.inbox.next(({ type }) => type === 'message_sent')).data.content).toBe('yes')
    const { conversation: found } = await two
      .over(bob)
      .data(`{ conversation(id: "${conversation}") { messages { edges { cursor } } } }`)
    expect(found.messages.edges).toHaveLength(1)
  })
})
