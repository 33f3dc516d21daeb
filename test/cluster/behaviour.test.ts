import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp, type TestUser } from '../support/app.ts'
import { describeBehaviour } from '../support/behaviour.ts'
import { GRAPHQL_WS, LEGACY_CAPABLE } from '../support/chat-client.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import { createGroup, direct, people, run, say } from '../support/people.ts'

describe.skipIf(skipCluster)('two nodes, each client on the next one', () => {
  let cluster: TestCluster
  const start = async (): Promise<TestApp> => {
    cluster = await startCluster(2)
    return cluster.anywhere
  }
  // What comes from another node goes on as what comes from this one, of which every transport is checked on one node.
  describeBehaviour(start, { transports: [GRAPHQL_WS], capable: [LEGACY_CAPABLE] })
})

describe.skipIf(skipCluster)('two nodes', () => {
  let cluster: TestCluster
  let one: TestApp
  let two: TestApp
  beforeAll(async () => {
    cluster = await startCluster(2, { PRESENCE_GRACE_MS: '300' })
    ;[one, two] = cluster.nodes as [TestApp, TestApp]
  })
  afterAll(() => cluster.stop())

  test('a client that was cut resumes on the other node with exactly what it missed', async () => {
    const { ann, bob } = await people(one, 'ann', 'bob')
    const group = await createGroup(one, ann, [bob])
    const first = await one.ready(bob)
    await say(two, ann, group.conversation, 'group')
    await say(one, ann, bob, 'direct')
    const texts = ['group', 'direct']
    for (const text of texts) await first.inbox.next(({ data }) => data.content === text)
    const { message_id: cursor = '' } = await (async () => {
      await say(one, ann, bob, 'last')
      return await first.inbox.next(({ data }) => data.content === 'last')
    })()
    await first.close()
    for (const text of ['1', '2']) await say(two, ann, group.conversation, text)
    await say(one, ann, bob, '3')
    const second = await two.ready(bob, { headers: { 'last-event-id': cursor } })
    const answer = await second.inbox.next(({ type }) => type === 'resume')
    expect(second.inbox.drain().map(({ data }) => data.content as string)).toEqual(['1', '2', '3'])
    expect(answer.data).toEqual({ success: true, replayed: 3, complete: true })
  })

  test('servers of another schema of the database hear nothing of it, though Redis and its prefix are the same', async () => {
    const { ann, bob } = await people(one, 'ann', 'bob')
    const tenant = await startApp({ ...cluster.env, DATABASE_URL: `${cluster.env['DATABASE_URL']}?schema=tenant_1` })
    try {
      const ours = await two.ready(bob)
      await tenant.over(ann).data('{ viewer { id } }')
      const [theirs] = await Promise.all([tenant.ready(bob), tenant.ready(ann)])
      await say(one, ann, bob, 'ours')
      await ours.inbox.next(({ data }) => data.content === 'ours')
      await say(tenant, ann, bob, 'theirs')
      const { data } = await theirs.inbox.next(({ type }) => type === 'message_sent')
      expect(data.content).toBe('theirs')
      expect(await one.over(bob).data('query ($id: ID!) { user(id: $id) { online } }', { id: String(ann.id) })).toEqual({
        user: { online: false },
      })
    } finally {
      await tenant.stop()
    }
  })

  test('a user is online while a connection is open on any node, told once', async () => {
    const { ann, bob } = await people(one, 'ann', 'bob')
    await say(one, ann, bob, 'hi')
    const watcher = await one.ready(ann)
    const status = (): Promise<boolean> =>
      watcher.inbox
        .next(({ type, data }) => type === 'online_status' && data.user_id === bob.id)
        .then(({ data }) => data.online as boolean)
    const [a, b] = [await one.ready(bob), await two.ready(bob)]
    expect(await status()).toBe(true)
    await a.close()
    // Over the grace and from node to node: nothing.
    const c = await one.ready(bob)
    await b.close()
    const online = async (): Promise<boolean> =>
      (await two.over(ann).data(`{ user(id: ${bob.id}) { online } }`)).user.online as boolean
    expect(await online()).toBe(true)
    await c.close()
    expect(await status()).toBe(false)
    expect(await online()).toBe(false)
    expect((await watcher.settle()).filter(({ type }) => type === 'online_status')).toEqual([])
  })

  test('typing belongs to the user: what one node was told another one ends', async () => {
    const { ann, bob, cat } = await people(one, 'ann', 'bob', 'cat')
    const watcher = await two.ready(bob)
    const [a, b] = [await one.ready(ann), await two.ready(ann)]
    const marker = await one.ready(cat)
    const next = (of: TestUser): Promise<boolean> =>
      watcher.inbox
        .next(({ type, data }) => type === 'typing' && data.user_id === of.id)
        .then(({ data }) => data.typing as boolean)
    // What a node publishes comes in its order: when this has come to the second node, all that the first one said before has.
    const typing = async (): Promise<boolean> => {
      const state = await next(ann)
      for (const typing of [true, false]) {
        await marker.request('typing', { session_id: direct(cat, bob), typing })
        expect(await next(cat)).toBe(typing)
      }
      return state
    }
    const say = async (client: typeof a, state: boolean): Promise<void> => {
      await client.request('typing', { session_id: direct(ann, bob), typing: state })
    }
    await say(a, true)
    expect(await typing()).toBe(true)
    await say(b, false)
    expect(await typing()).toBe(false)
    await say(a, true)
    expect(await typing()).toBe(true)
    await b.request('message_sent', { receiver_id: bob.id, content: 'done' })
    expect(await typing()).toBe(false)
    await watcher.inbox.next(({ type }) => type === 'message_sent')
    expect(await watcher.settle()).toEqual([])
  })

  test('disconnectUser closes the connections on every node and counts them', async () => {
    const { bob } = await people(one, 'bob')
    const clients = [await one.ready(bob), await two.ready(bob), await two.ready(bob)]
    expect((await one.admin.data(`mutation { disconnectUser(userId: ${bob.id}, reason: "out") }`)).disconnectUser).toBe(3)
    for (const { closed } of clients) expect(await closed).toEqual({ code: 4403, reason: 'out' })
  })

  test('who is removed on one node gets nothing on the other that was sent after, and may send nothing', async () => {
    const { ann, bob } = await people(one, 'ann', 'bob')
    const { id, conversation } = await createGroup(one, ann, [bob])
    const client = await two.ready(bob)
    await run(one, ann, `removeGroupMember(groupId: ${id}, userId: ${bob.id}) { id }`)
    await say(one, ann, conversation, 'secret')
    await client.inbox.next(({ type }) => type === 'user_left_group')
    expect((await client.request('message_sent', { conversation_id: conversation, content: 'hi', is_group: true })).code).toBe(
      403,
    )
    await say(one, ann, bob, 'direct')
    expect((await client.inbox.next(({ type }) => type === 'message_sent')).data.content).toBe('direct')
    expect(await client.settle()).toEqual([])
  })
})
