import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestApp } from '../support/app.ts'
import { GRAPHQL_WS, LEGACY, textsOf } from '../support/chat-client.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import { serverQuery } from '../support/database.ts'
import { people, say } from '../support/people.ts'
import { REDIS_URL } from '../support/redis-server.ts'

const PROTOCOLS = [LEGACY, GRAPHQL_WS]

describe.skipIf(skipCluster)('a node of a later version on the same database and Redis', () => {
  let cluster: TestCluster
  let app: TestApp
  let redis: Redis
  beforeAll(async () => {
    cluster = await startCluster(1)
    ;[app] = cluster.nodes as [TestApp]
    redis = new Redis(REDIS_URL)
  })
  afterAll(async () => {
    await redis.quit()
    await cluster.stop()
  })

  test('may log, publish and ask what this one does not know: it passes over that and nothing else', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const url = cluster.env['DATABASE_URL'] as string
    const prefix = cluster.env['REDIS_PREFIX'] as string
    const publish = (channel: string, message: object): Promise<number> =>
      redis.publish(prefix + channel, JSON.stringify(message))
    const clients = await Promise.all(PROTOCOLS.map((each) => each.connect(app, bob)))
    await say(app, ann, bob, 'before')
    for (const client of clients) expect(textsOf(await client.settle())).toEqual(['before'])
    const cursors = clients.map((client) => client.cursor())

    const topic = `user:${bob.id}`
    await serverQuery(
      `WITH t AS (UPDATE topics SET seq = seq + 1 WHERE name = '${topic}' RETURNING seq)
       INSERT INTO events (topic, seq, kind, payload, xid, snapshot)
       SELECT '${topic}', seq, 'poll_opened', '{"pollId": 1}', pg_current_xact_id()::text::bigint, pg_current_snapshot()::text FROM t`,
      url,
    )
    const event = { at: Date.now(), kind: 'poll_opened', payload: { pollId: 1 } }
    await publish(topic, { from: 'later', v: 1, hint: { seq: 1_000, event: { ...event, id: 9 } } })
    await publish(topic, { from: 'later', v: 1, hint: { seq: null, event: { ...event, id: null } } })
    await publish(topic, { from: 'later', v: 2, packed: 'AAAA' })
    await publish('audience', { from: 'later', v: 1, hint: { topics: [topic], event: { ...event, id: null } } })
    await publish('control', { from: 'later', v: 1, hint: { id: 'x', from: 'later', kind: 'polls', payload: {} } })
    await redis.lpush(`${prefix}checkpoint:${bob.id}`, JSON.stringify({ v: 2, packed: 'AAAA' }))

    await say(app, ann, bob, 'after')
    for (const client of clients) expect(textsOf(await client.settle())).toEqual(['after'])
    for (const [index, transport] of PROTOCOLS.entries()) {
      const resumed = await transport.connect(app, bob, cursors[index])
      expect(textsOf(await resumed.settle())).toEqual(['after'])
      expect(resumed.isIncomplete()).toBe(false)
    }
    const errors = app.logged.filter(({ level, stage }) => Number(level) >= 50 && stage !== 'check')
    expect(errors).toEqual([])
  })
})
