import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestApp } from '../support/app.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import type { Frame, LegacyClient } from '../support/legacy-client.ts'
import { createGroup, people, say, type TestGroup } from '../support/people.ts'

const MODULE = fileURLToPath(new URL('../../dist/push.js', import.meta.url))

/** Runs calls of `parley/push` in a process of their own, which must end by itself; resolves with what each gave. */
async function push(options: object, ...calls: string[]): Promise<unknown> {
  const script = `
    import * as push from ${JSON.stringify(MODULE)}
    const db = await push.openDb(${JSON.stringify(options)})
    const results = []
    for (const call of [${calls.map((call) => `() => push.${call}`).join()}]) results.push(await call())
    await db.close()
    console.log(JSON.stringify(results))
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000 })
  return JSON.parse(stdout)
}

/** The next push that is none of presence. */
const nextOf = (client: LegacyClient): Promise<Frame> => client.inbox.next(({ type }) => type !== 'online_status')

describe.skipIf(skipCluster)('parley/push in a process of its own', () => {
  let cluster: TestCluster
  let one: TestApp
  let two: TestApp
  let withRedis: object
  beforeAll(async () => {
    cluster = await startCluster(2, { POSITION_CHECK_MS: '1000' })
    ;[one, two] = cluster.nodes as [TestApp, TestApp]
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, REDIS_PREFIX: redisPrefix } = cluster.env
    withRedis = { databaseUrl, redisUrl, redisPrefix }
  })
  afterAll(() => cluster.stop())

  const setup = async () => {
    const { ann, bob, cat } = await people(one, 'ann', 'bob', 'cat')
    const group: TestGroup = await createGroup(one, ann, [bob])
    const inDirect = await say(one, ann, bob, 'direct')
    const inGroup = await say(one, ann, group.conversation, 'group')
    const clients = [await one.ready(ann), await two.ready(bob)]
    const calls = [
      `wsPushNewMessage(db, ${inDirect}, false)`,
      `wsPushNewMessage(db, ${inGroup}, true)`,
      `wsPushGroupUpdate(db, ${group.id})`,
      `wsPushMemberJoined(db, ${group.id}, ${bob.id})`,
      `wsPushMemberLeft(db, ${group.id}, ${cat.id})`,
      `wsPushSystemNotification('invoice', { number: 1 }, [${ann.id}, ${bob.id}])`,
    ]
    const pushed = [
      { type: 'message_sent', data: { id: inDirect, content: 'direct' } },
      { type: 'message_sent', data: { id: inGroup, content: 'group' } },
      { type: 'group_updated', data: { group_id: group.id } },
      { type: 'user_joined_group', data: { data: { user_id: bob.id } } },
      { type: 'user_left_group', data: { data: { user_id: cat.id } } },
      { type: 'notification', data: { notification_type: 'invoice', data: { number: 1 } } },
    ]
    return { clients, calls, pushed }
  }

  for (const kind of ['with Redis', 'without Redis, from the log'] as const) {
    test(`each push reaches everyone concerned on every node, ${kind}`, async () => {
      const { clients, calls, pushed } = await setup()
      const options = kind === 'with Redis' ? withRedis : { databaseUrl: cluster.env['DATABASE_URL'] }
      expect(await push(options, ...calls)).toEqual(calls.map(() => true))
      for (const client of clients) {
        const frames: Frame[] = []
        while (frames.length < pushed.length) frames.push(await nextOf(client))
        // Between topics, order is that of arrival where the log is read.
        const byType = (a: { type: string }, b: { type: string }): number => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0)
        const direct = ({ data }: { data: { content?: string } }): number => (data.content === 'group' ? 1 : 0)
        frames.sort((a, b) => byType(a, b) || direct(a) - direct(b))
        expect(frames).toMatchObject(pushed.toSorted((a, b) => byType(a, b) || direct(a) - direct(b)))
        expect(frames.every(({ message_id: id }) => id !== undefined)).toBe(true)
      }
    })
  }

  test('what can not be pushed gives false and throws nothing', async () => {
    const { ann, bob } = await people(one, 'ann', 'bob')
    const message = await say(one, ann, bob, 'direct')
    const group = await createGroup(one, ann, [])
    const calls = [
      `wsPushNewMessage(db, ${message}, true)`,
      `wsPushNewMessage(db, 2 ** 31, false)`,
      `wsPushNewMessage(db, 'x', false)`,
      `wsPushNewMessage({}, ${message}, false)`,
      `wsPushGroupUpdate(db, 0)`,
      `wsPushMemberJoined(db, ${group.id}, 2147483647)`,
      `wsPushMemberLeft(db, NaN, ${bob.id})`,
      `wsPushSystemNotification('', {}, [${bob.id}])`,
      `wsPushSystemNotification('invoice', {}, [2147483647])`,
      `wsPushSystemNotification('invoice', undefined, undefined)`,
    ]
    expect(await push(withRedis, ...calls)).toEqual(calls.map(() => false))
  })
})
