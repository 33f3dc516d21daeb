import { describe, expect, test } from 'vitest'
import { startApp, tokenOf, type TestApp } from '../support/app.ts'
import { skipCluster, startCluster } from '../support/cluster.ts'
import { connectGraphqlWs } from '../support/graphql-client.ts'

const CLUSTER = '{ cluster { nodes { id version startedAt connections protocols { protocol count } lag load topics } } }'
const CONNECTIONS = `query ($id: ID!) {
  connections(userId: $id) { id node user { name } protocol since expiresAt address queue }
}`
const TOPIC = 'query ($id: ID!) { topic(id: $id) { id head subscribers lag nodes { node subscribers position lag } } }'
const ACTIVITY = `subscription ($user: ID, $conversation: ID, $contents: Boolean) {
  activity(userId: $user, conversationId: $conversation, contents: $contents) {
    kind name code user { id } conversationId content skipped
  }
}`
const SEND = 'mutation Send($id: ID!) { sendMessage(input: { receiverId: $id, content: "a secret" }) { id } }'

describe('on one node', () => {
  async function withApp(run: (app: TestApp) => Promise<void>): Promise<void> {
    const app = await startApp()
    try {
      await run(app)
    } finally {
      await app.stop()
    }
  }

  test('cluster, connections and topic say how things are', () =>
    withApp(async (app) => {
      const ann = await app.user('Ann')
      const legacy = await app.ready(ann)
      await app.graphqlWs(ann).data('{ viewer { id } }')
      const { cluster } = await app.admin.data(CLUSTER)
      expect(cluster.nodes).toHaveLength(1)
      expect(cluster.nodes[0]).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string, connections: 2 })
      expect(cluster.nodes[0].protocols).toContainEqual({ protocol: 'legacy', count: 1 })
      const { connections } = await app.admin.data(CONNECTIONS, { id: String(ann.id) })
      expect(connections.map(({ protocol }: { protocol: string }) => protocol)).toEqual(['legacy', 'graphql-ws'])
      expect(connections[0]).toMatchObject({ user: { name: 'Ann' }, address: '127.0.0.1', node: cluster.nodes[0].id, queue: 0 })
      expect(Date.parse(connections[0].expiresAt as string)).toBeGreaterThan(Date.now())
      const bob = await app.user()
      await app.over(bob).data(SEND, { id: String(ann.id) })
      await legacy.settle()
      const id = `user:${ann.id}`
      const { topic } = await app.admin.data(TOPIC, { id })
      expect(topic).toEqual({
        id,
        head: 1,
        subscribers: 1,
        lag: 0,
        nodes: [{ node: cluster.nodes[0].id, subscribers: 1, position: 1, lag: 0 }],
      })
      expect(await app.admin.data(TOPIC, { id: 'user:2147483647' })).toEqual({ topic: null })
    }))

  test('they are for admins', () =>
    withApp(async (app) => {
      const ann = await app.user()
      const client = app.over(ann)
      for (const query of [CLUSTER, '{ connections(userId: "1") { id } }', '{ topic(id: "user:1") { id } }'])
        expect((await client.run(query)).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
      const { ended } = await client.subscribe(ACTIVITY, { user: String(ann.id) })
      expect(await ended).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
      const nothing = await app.admin.subscribe(ACTIVITY, {})
      expect(await nothing.ended).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    }))

  test('activity shows frames, operations and deliveries, contents only where asked for, and the log knows who watched', () =>
    withApp(async (app) => {
      const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
      const hidden = await app.admin.subscribe(ACTIVITY, { user: String(ann.id) })
      const open = await app.admin.subscribe(ACTIVITY, { user: String(bob.id), contents: true })
      await expect.poll(() => app.logged.filter(({ msg }) => msg === 'an administrator watches activity').length).toBe(2)
      const client = await app.ready(ann)
      await app.ready(bob)
      const conversationId = `direct_${ann.id}_${bob.id}`
      await client.request('message_sent', { receiver_id: bob.id, conversation_id: conversationId, content: 'a secret' })
      await client.request('typing', { session_id: 'direct_1_2', typing: 1 })
      await client.request('auth', { token: 'a token' })
      // Users without watchers.
      await app.over(eve).data('{ viewer { id } }')
      await client.close()
      const entries = []
      do entries.push((await hidden.inbox.next()).data.activity)
      while (entries.at(-1).kind !== 'CLOSED')
      const user = { id: String(ann.id) }
      const shown = (kind: string, name: string, code: string | null, conversation: string | null = null) =>
        expect.objectContaining({ kind, name, code, user, conversationId: conversation, content: null, skipped: 0 }) as unknown
      expect(entries).toEqual(
        expect.arrayContaining([
          shown('OPENED', 'legacy', null),
          shown('FRAME', 'message_sent', 'ok', conversationId),
          shown('OPERATION', 'LegacySendMessage', 'ok', conversationId),
          shown('DELIVERY', 'message_sent', null, conversationId),
          shown('FRAME', 'invalid', '400'),
          shown('OPERATION', 'LegacyRefreshToken', 'UNAUTHENTICATED'),
        ]),
      )
      expect(JSON.stringify(entries)).not.toContain('secret')
      const delivery = await open.inbox.next(
        ({ data }) => data.activity.kind === 'DELIVERY' && data.activity.name === 'message_sent',
      )
      expect(delivery.data.activity.content).toMatchObject({ content: 'a secret' })
      expect(JSON.stringify(open.inbox.drain())).not.toContain('a token')
      hidden.close()
      open.close()
    }))

  test('activity tells nobody a token, whatever its variable is called', () =>
    withApp(async (app) => {
      const ann = await app.user()
      const watch = await app.admin.subscribe(ACTIVITY, { user: String(ann.id), contents: true })
      await expect.poll(() => app.logged.some(({ msg }) => msg === 'an administrator watches activity')).toBe(true)
      const t = tokenOf({ userId: ann.id, name: ann.name })
      await app.graphqlWs(ann).data('mutation Renew($t: String!) { refreshToken(token: $t) }', { t })
      const { data } = await watch.inbox.next((result) => result.data.activity.name === 'Renew')
      expect(data.activity).toMatchObject({ kind: 'OPERATION', code: 'ok', content: null })
      watch.close()
    }))

  test('activity ends when the connection goes on with a token that is no admin’s', () =>
    withApp(async (app) => {
      const [ann, bob] = [await app.user(), await app.user()]
      const token = (isAdmin: boolean): string => tokenOf({ userId: bob.id, name: bob.name, isAdmin })
      const console = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), token(true))
      const watch = await console.subscribe(ACTIVITY, { user: String(ann.id) })
      await expect.poll(() => app.logged.some(({ msg }) => msg === 'an administrator watches activity')).toBe(true)
      const renew = 'mutation ($token: String!) { refreshToken(token: $token) }'
      await console.data(renew, { token: token(true) })
      await app.over(ann).data('{ viewer { id } }')
      expect((await watch.inbox.next()).data.activity).toMatchObject({ kind: 'OPERATION', name: 'query' })
      await console.data(renew, { token: token(false) })
      expect(await watch.ended).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
      expect((await console.run(CLUSTER)).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
      await console.close()
    }))

  test('what only admins see of a user ends in open subscriptions when the connection goes on with a token that is no admin’s', () =>
    withApp(async (app) => {
      const [ann, bob] = [await app.user(), await app.user()]
      const token = (isAdmin: boolean): string => tokenOf({ userId: bob.id, name: bob.name, isAdmin })
      const client = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), token(true))
      const received = await client.subscribe('subscription { messageSent { sender { createdAt } } }')
      const sender = await app.ready(ann)
      const createdAt = async (): Promise<unknown> => {
        await sender.request('message_sent', { receiver_id: bob.id, content: 'hello' })
        return (await received.inbox.next()).data.messageSent.sender.createdAt as unknown
      }
      expect(await createdAt()).toEqual(expect.any(String))
      await client.data('mutation ($token: String!) { refreshToken(token: $token) }', { token: token(false) })
      expect(await createdAt()).toBeNull()
      await client.close()
    }))

  test('activity of a conversation leaves out all else', () =>
    withApp(async (app) => {
      const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
      const conversation = `direct_${ann.id}_${bob.id}`
      const watch = await app.admin.subscribe(ACTIVITY, { conversation })
      await expect.poll(() => app.logged.some(({ msg }) => msg === 'an administrator watches activity')).toBe(true)
      await app.ready(bob)
      const client = await app.ready(ann)
      await client.request('message_sent', { receiver_id: eve.id, content: 'elsewhere' })
      await client.request('message_sent', { receiver_id: bob.id, content: 'here' })
      const names = []
      do names.push((await watch.inbox.next()).data.activity)
      while (names.length < 2)
      expect(names.map(({ kind }: { kind: string }) => kind)).toEqual(['DELIVERY', 'DELIVERY'])
      expect(new Set(names.map(({ conversationId }: { conversationId: string }) => conversationId))).toEqual(
        new Set([conversation]),
      )
      watch.close()
    }))
})

test.skipIf(skipCluster)('on several nodes all of them answer and are watched', async () => {
  const cluster = await startCluster(2)
  const [one, two] = cluster.nodes as [TestApp, TestApp]
  try {
    const ann = await one.user()
    const bob = await one.user()
    const near = await one.ready(ann)
    const far = await two.ready(ann)
    const { cluster: state } = await one.admin.data(CLUSTER)
    expect(state.nodes.map(({ connections }: { connections: number }) => connections)).toEqual([1, 1])
    const { connections } = await two.admin.data(CONNECTIONS, { id: String(ann.id) })
    expect(new Set(connections.map(({ node }: { node: string }) => node)).size).toBe(2)
    const watch = await one.admin.subscribe(ACTIVITY, { user: String(ann.id) })
    await expect.poll(() => one.logged.some(({ msg }) => msg === 'an administrator watches activity')).toBe(true)
    await two.over(bob).data(SEND, { id: String(ann.id) })
    await Promise.all([near, far].map((client) => client.inbox.next(({ type }) => type === 'message_sent')))
    await far.request('typing', { session_id: `direct_${ann.id}_${bob.id}`, typing: true })
    const frame = await watch.inbox.next(({ data }) => data.activity.kind === 'FRAME')
    expect(frame.data.activity).toMatchObject({ name: 'typing', conversationId: `direct_${ann.id}_${bob.id}` })
    const { topic } = await two.admin.data(TOPIC, { id: `user:${ann.id}` })
    expect([topic.head, topic.subscribers, topic.lag, topic.nodes.length]).toEqual([1, 2, 0, 2])
    watch.close()
  } finally {
    await cluster.stop()
  }
})
