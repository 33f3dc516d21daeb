import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import { databaseName, serverQuery } from '../support/database.ts'
import { connectGraphqlWs, type Result } from '../support/graphql-client.ts'
import type { Frame } from '../support/legacy-client.ts'
import { createRedisServer, skipRedisServer, type RedisServer } from '../support/redis-server.ts'

/** A banned user's tokens are refused at every door, and what is open is closed. */

const BAN =
  'mutation ($id: ID!, $until: DateTime) { banUser(userId: $id, until: $until, reason: "for a reason") { id bannedUntil } }'
const ban = (app: TestApp, { id }: TestUser, until?: string) => app.admin.data(BAN, { id: String(id), until })
const unban = (app: TestApp, { id }: TestUser) =>
  app.admin.data('mutation ($id: ID!) { unbanUser(userId: $id) { bannedUntil } }', { id: String(id) })

let app: TestApp
beforeAll(async () => {
  app = await sharedApp()
})
afterAll(() => app.stop())

test('the legacy handshake is refused with 403', async () => {
  const ann = await app.user()
  await ban(app, ann)
  const refused = await app.legacy(ann).catch((error: unknown) => error)
  expect(refused).toMatchObject({ status: 403 })
  expect(JSON.parse((refused as { body: string }).body)).toMatchObject({
    type: 'error',
    code: 403,
    msg: '认证失败',
    data: { details: { error: 'banned' } },
  })
})

test('a live legacy connection gets an error frame, then 4403', async () => {
  const ann = await app.user()
  const client = await app.ready(ann)
  await ban(app, ann)
  expect(await client.closed).toEqual({ code: 4403, reason: 'banned' })
  expect(client.texts.map((text) => JSON.parse(text) as Frame).at(-1)).toMatchObject({
    type: 'error',
    code: 403,
    msg: '认证失败',
    data: { details: { error: 'banned' } },
  })
})

test('a graphql-ws connection is closed with 4403, now and when it is opened, with the time in the reason', async () => {
  const ann = await app.user()
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const live = app.graphqlWs(ann)
  await live.data('{ viewer { id } }')
  const closed = new Promise((resolve) => live.client.on('closed', resolve))
  expect((await ban(app, ann, until)).banUser).toEqual({ id: String(ann.id), bannedUntil: until })
  expect(await closed).toMatchObject({ code: 4403, reason: `banned until ${until}` })
  const { client, close } = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), tokenOf({ userId: ann.id, name: ann.name }))
  expect(await new Promise((resolve) => client.on('closed', resolve))).toMatchObject({
    code: 4403,
    reason: `banned until ${until}`,
  })
  await close()
})

test('HTTP and SSE requests are 403 FORBIDDEN, and a live stream ends with an error', async () => {
  const ann = await app.user()
  const stream = await app.over(ann).subscribe('subscription { events { id } }')
  await ban(app, ann)
  expect(await stream.ended).toMatchObject([{ message: 'banned', extensions: { code: 'FORBIDDEN' } }])
  for (const accept of ['application/json', 'text/event-stream']) {
    const response = await fetch(app.graphqlUrl, {
      method: 'POST',
      headers: { accept, 'content-type': 'application/json', authorization: `Bearer ${tokenOf({ userId: ann.id })}` },
      body: JSON.stringify({ query: '{ viewer { id } }' }),
    })
    expect([response.status, await response.json()]).toMatchObject([
      403,
      { errors: [{ message: 'banned', extensions: { code: 'FORBIDDEN' } }] },
    ])
  }
})

test.each<[string, (app: TestApp, user: TestUser) => Promise<unknown>, string]>([
  ['banned', ban, 'banned'],
  [
    'whose tokens were revoked',
    (to, { id }) =>
      to.admin.data('mutation ($id: ID!, $at: DateTime!) { disconnectUser(userId: $id, revokeBefore: $at) }', {
        id: String(id),
        at: new Date(Date.now() + 2000).toISOString(),
      }),
    'the token was revoked',
  ],
])('a request of a user who is %s before its body has come is not carried out', async (_, end, reason) => {
  const [ann, bob] = [await app.user(), await app.user()]
  const body = JSON.stringify({ query: `mutation { sendMessage(input: { receiverId: "${bob.id}", content: "late" }) { id } }` })
  const request = httpRequest(app.graphqlUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokenOf({ userId: ann.id, name: ann.name })}`,
      'content-type': 'application/json',
      'content-length': body.length,
    },
  })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  request.write(body.slice(0, 10))
  // The server has taken the token by then: it is at the body.
  await expect.poll(() => app.admin.data('{ viewer { id } }')).toBeDefined()
  await new Promise((resolve) => setTimeout(resolve, 200))
  await end(app, ann)
  request.end(body.slice(10))
  const [response] = await answered
  const text = (await response.setEncoding('utf8').toArray()).join('')
  expect(JSON.parse(text)).toMatchObject({ errors: [{ message: reason }] })
  expect(await app.over(bob).data('{ conversations { edges { node { id } } } }')).toEqual({ conversations: { edges: [] } })
})

test('only admins see the reason, in the audit log', async () => {
  const ann = await app.user()
  const client = await app.ready(ann)
  await ban(app, ann)
  await client.closed
  expect(client.texts.join()).not.toContain('for a reason')
  const { auditLog } = await app.admin.data(
    `{ auditLog(action: "banUser", targetId: "${ann.id}") { edges { node { details } } } }`,
  )
  expect(auditLog.edges).toEqual([{ node: { details: { until: null, reason: 'for a reason' } } }])
})

test('a ban has an end, or none, is replaced by another one, and lifted', async () => {
  const ann = await app.user()
  expect((await ban(app, ann)).banUser.bannedUntil).toBe('9999-12-31T23:59:59.999Z')
  const later = new Date(Date.now() + 3_600_000).toISOString()
  await ban(app, ann, later)
  const { users } = await app.admin.data('{ users(banned: true, first: 100) { edges { node { id bannedUntil } } } }')
  expect(users.edges).toContainEqual({ node: { id: String(ann.id), bannedUntil: later } })
  expect((await app.over(ann).run('{ viewer { id } }')).errors).toHaveLength(1)
  const soon = Date.now() + 2500
  await ban(app, ann, new Date(soon).toISOString())
  await expect.poll(async () => (await app.over(ann).run('{ viewer { id } }')).data).toBeDefined()
  expect(Date.now()).toBeGreaterThanOrEqual(soon)
  await ban(app, ann)
  expect(await unban(app, ann)).toEqual({ unbanUser: { bannedUntil: null } })
  await app.over(ann).data('{ viewer { id } }')
})

test('what makes no sense is BAD_USER_INPUT', async () => {
  const ann = await app.user()
  const codes = async (userId: string, until: string | null) =>
    (await app.admin.run(BAN, { id: userId, until })).errors?.map(({ extensions }) => extensions.code)
  expect(await codes('999', null)).toEqual(['BAD_USER_INPUT'])
  expect(await codes(String(ann.id), '2020-01-01T00:00:00Z')).toEqual(['BAD_USER_INPUT'])
  expect(await codes('2147483647', null)).toEqual(['NOT_FOUND'])
})

describe.skipIf(skipCluster)('on two nodes', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster(2)
  })
  afterAll(() => cluster.stop())

  test('nothing of a pipelined burst is accepted later than a second after the answer', async () => {
    const [one, two] = cluster.nodes as [TestApp, TestApp]
    const [ann, bob] = [await one.user(), await one.user()]
    const clients = [await one.ready(ann), await two.ready(ann)]
    let isOver = false
    const send = `mutation { sendMessage(input: { receiverId: "${bob.id}", content: "x" }) { id } }`
    // Over GraphQL until the first refusal, or the end of the socket.
    const others = [one, two].flatMap((node) => [node.graphqlWs(ann), node.over(ann)])
    const refused = Promise.all(
      others.map(async (client) => {
        let results: Result[] | undefined = []
        while (results?.every(({ errors }) => !errors))
          results = await Promise.all(Array.from({ length: 10 }, () => client.run(send))).catch(() => undefined)
      }),
    )
    const burst = Promise.all(
      clients.map(async (client) => {
        for (let count = 0; !isOver && client.socket.readyState === client.socket.OPEN; count++) {
          client.send({ type: 'message_sent', message_id: `${count}`, data: { receiver_id: bob.id, content: 'x' } })
          if (count % 20 === 19) await new Promise((resolve) => setImmediate(resolve))
        }
      }),
    )
    await clients[1]?.inbox.next(({ type }) => type === 'message_sent')
    await ban(one, ann)
    const answeredAt = Date.now()
    for (const client of clients) expect(await client.closed).toMatchObject({ code: 4403 })
    isOver = true
    await Promise.all([burst, refused])
    const { conversationsOf } = await one.admin.data(
      `{ conversationsOf(userId: "${bob.id}") { edges { node { lastMessage { timestamp } } } } }`,
    )
    expect(Date.parse(conversationsOf.edges[0].node.lastMessage.timestamp as string)).toBeLessThan(answeredAt + 1000)
    for (const node of cluster.nodes) {
      expect(await node.legacy(ann).catch((error: unknown) => error)).toMatchObject({ status: 403 })
      expect((await node.over(ann).run('{ viewer { id } }')).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    }
    await unban(two, ann)
    for (const node of cluster.nodes) await node.over(ann).data('{ viewer { id } }')
  })

  test('a node that starts later knows of it', async () => {
    const [one] = cluster.nodes as [TestApp]
    const ann = await one.user()
    await ban(one, ann)
    const later = await startApp({ ...cluster.env })
    try {
      expect((await later.over(ann).run('{ viewer { id } }')).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    } finally {
      await later.stop()
    }
  })
})

/** What a banned user's token gets at every door of a node: HTTP, SSE, the legacy handshake, graphql-ws. */
async function doors(node: TestApp, user: TestUser): Promise<unknown[]> {
  const token = tokenOf({ userId: user.id, name: user.name })
  const statuses = ['application/json', 'text/event-stream'].map(async (accept) => {
    const headers = { accept, 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const response = await fetch(node.graphqlUrl, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query: '{ viewer { id } }' }),
    })
    return [
      response.status,
      ((await response.json()) as { errors: { extensions: { code: string } }[] }).errors[0]?.extensions.code,
    ]
  })
  const handshake = node.legacy(user).then(
    () => 'taken',
    (error: { status: number }) => error.status,
  )
  const { client, close } = connectGraphqlWs(node.graphqlUrl.replace('http', 'ws'), token)
  const closed = new Promise((resolve) => client.on('closed', (event) => resolve((event as CloseEvent).code)))
  const seen = [...(await Promise.all(statuses)), await handshake, await closed]
  await close()
  return seen
}
const REFUSED = [[403, 'FORBIDDEN'], [403, 'FORBIDDEN'], 403, 4403]

describe.skipIf(skipCluster || skipRedisServer)('while a service is away', () => {
  let redis: RedisServer
  let cluster: TestCluster
  beforeAll(async () => {
    redis = await createRedisServer()
    await redis.start()
    cluster = await startCluster(2, { REDIS_URL: redis.url, POSITION_CHECK_MS: '200', DB_ACQUIRE_TIMEOUT_MS: '1000' })
  })
  afterAll(async () => {
    await cluster.stop()
    await redis.close()
  })

  test('Redis: a ban acts on its node at once, and on the others by the database', async () => {
    const [one, two] = cluster.nodes as [TestApp, TestApp]
    const ann = await one.user()
    const clients = [await one.ready(ann), await two.ready(ann)]
    await redis.kill()
    try {
      await ban(one, ann)
      for (const client of clients) expect(await client.closed).toMatchObject({ code: 4403 })
      for (const node of [one, two]) expect(await doors(node, ann)).toEqual(REFUSED)
      await unban(two, ann)
      for (const node of [one, two])
        await expect.poll(async () => (await node.over(ann).run('{ viewer { id } }')).data).toBeDefined()
    } finally {
      await redis.start()
    }
  })

  test('PostgreSQL: a banned user stays out, and a ban that cannot be stored is refused', async () => {
    const [one, two] = cluster.nodes as [TestApp, TestApp]
    const [ann, bob] = [await one.user(), await one.user()]
    const client = await two.ready(ann)
    await ban(one, ann)
    expect(await client.closed).toMatchObject({ code: 4403 })
    const name = databaseName(cluster.env['DATABASE_URL'] as string)
    await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    try {
      await serverQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      for (const node of [one, two]) expect(await doors(node, ann)).toEqual(REFUSED)
      const refused = await one.admin.run(BAN, { id: String(bob.id), until: null })
      expect(refused.errors).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }])
    } finally {
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    }
    await expect.poll(async () => (await two.over(bob).run('{ viewer { id } }')).data).toBeDefined()
  })
})
