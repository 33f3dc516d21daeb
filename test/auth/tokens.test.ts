import { createSecretKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import jsonwebtoken from 'jsonwebtoken'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createTimerWheel } from '../../src/lib/timer-wheel.ts'
import { Connections } from '../../src/live/connections.ts'
import { SECRET, sharedApp, startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { skipCluster, startCluster } from '../support/cluster.ts'
import { connectGraphqlWs, connectHttp } from '../support/graphql-client.ts'
import { RefusedError, type LegacyClient } from '../support/legacy-client.ts'

const REFRESH = 'mutation ($token: String!) { refreshToken(token: $token) }'
const EVENTS = 'subscription { events { ... on MessageSent { message { content } } } }'
const SEND = 'mutation ($id: ID!, $content: String!) { sendMessage(input: { receiverId: $id, content: $content }) { id } }'

/** Late enough for a busy machine to connect before. */
const soon = (user: TestUser): string => tokenOf({ userId: user.id, name: user.name, ttlSeconds: 5 })
const later = (user: TestUser): string => tokenOf({ userId: user.id, name: user.name })
const withToken = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

/** Including the frames about the renewal. */
async function renewed(client: LegacyClient, token: string) {
  return await client.request('auth', { token })
}

describe('a token on a living connection', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await sharedApp()
  })
  afterAll(() => app.stop())

  test('legacy: `auth` swaps it, the connection outlives the first one, and says until when', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const staying = await app.ready(ann, withToken(soon(ann)))
    const leaving = await app.ready(ann, withToken(soon(ann)))
    const answer = await renewed(staying, later(ann))
    expect(answer).toMatchObject({ type: 'auth', code: 200, msg: 'success', data: { success: true } })
    expect(Date.parse(String(answer.data.expires_at))).toBeGreaterThan(Date.now() + 3_000_000)
    expect(await leaving.closed).toMatchObject({ code: 4401 })
    expect((await staying.request('message_sent', { receiver_id: bob.id, content: 'still here' })).code).toBe(200)
  })

  test('legacy: a bad token and one of another user are refused, nothing changes, and nothing of them is told', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const client = await app.ready(ann)
    const cases = [
      ['nonsense', 401],
      [tokenOf({ userId: ann.id, ttlSeconds: -1 }), 401],
      [later(bob), 403],
      ['', 401],
    ] as const
    for (const [token, code] of cases) {
      const answer = await renewed(client, token)
      expect(answer).toMatchObject({ type: 'error', code: token === '' ? 400 : code, msg: '认证失败' })
      if (token !== '') expect(JSON.stringify(answer)).not.toContain(token)
    }
    expect((await client.request('auth', { token: 7 })).code).toBe(400)
    expect((await client.request('message_sent', { receiver_id: bob.id, content: 'as before' })).code).toBe(200)
  })

  test('graphql-ws: refreshToken swaps it and returns when it expires; subscriptions go on', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const client = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), soon(ann))
    const left = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), soon(ann))
    const ended = new Promise((resolve) => left.client.on('closed', resolve))
    const events = await client.subscribe(EVENTS)
    await left.data('{ viewer { id } }')
    const { refreshToken } = (await client.data(REFRESH, { token: later(ann) })) as { refreshToken: string }
    expect(Date.parse(refreshToken)).toBeGreaterThan(Date.now() + 3_000_000)
    expect(await ended).toMatchObject({ code: 4401 })
    await app.over(bob).data(SEND, { id: String(ann.id), content: 'after it' })
    expect((await events.inbox.next()).data.events.message.content).toBe('after it')
    expect(await client.run(REFRESH, { token: later(bob) })).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
    expect(await client.run(REFRESH, { token: 'x' })).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    await client.close()
  })

  test('a single HTTP request has no connection to go on', async () => {
    const ann = await app.user()
    const result = await app.over(ann).run(REFRESH, { token: later(ann) })
    expect(result.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
  })
})

describe('revoked tokens', () => {
  const REVOKE = 'mutation ($id: ID!, $before: DateTime) { disconnectUser(userId: $id, revokeBefore: $before) }'
  /** Tokens count in whole seconds: one that is surely older, and one that is surely not. */
  const issuedAt = (user: TestUser, seconds: number): string =>
    jsonwebtoken.sign({ sub: String(user.id), iat: seconds, exp: seconds + 3600 }, createSecretKey(Buffer.from(SECRET)))
  const now = (): number => Math.floor(Date.now() / 1000)

  test('are refused everywhere on this node, newer ones are not', async () => {
    const app = await sharedApp()
    try {
      const ann = await app.user()
      const old = issuedAt(ann, now() - 10)
      const client = await app.ready(ann, withToken(old))
      const before = new Date((now() - 1) * 1000).toISOString()
      expect(await app.admin.data(REVOKE, { id: String(ann.id), before })).toEqual({ disconnectUser: 1 })
      expect((await client.closed).code).toBe(4403)
      const refused = (await app.legacy(ann, withToken(old)).catch((error: unknown) => error)) as RefusedError
      expect(refused).toBeInstanceOf(RefusedError)
      expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
        401,
        { data: { details: { error: 'the token was revoked' } } },
      ])
      expect((await connectHttp(app.graphqlUrl, old).run('{ viewer { id } }')).errors?.[0]?.extensions.code).toBe(
        'UNAUTHENTICATED',
      )
      const fresh = await app.ready(ann, withToken(issuedAt(ann, now())))
      expect(await renewed(fresh, old)).toMatchObject({ code: 401 })
      expect((await fresh.request('ping')).code).toBe(200)
      const future = new Date(Date.now() + 3_600_000).toISOString()
      const result = await app.admin.run(REVOKE, { id: String(ann.id), before: future })
      expect(result.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
      expect((await app.over(ann).run(REVOKE, { id: '1', before })).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    } finally {
      await app.stop()
    }
  })

  test('end the connection that was on its way when they were revoked', async () => {
    const wheel = createTimerWheel()
    const revoked = new Set<number>()
    const connections = new Connections({
      wheel,
      maxPerUser: 2,
      isRevoked: ({ issuedAt: at }) => revoked.has(at),
      onOpened: () => undefined,
      onClosed: () => undefined,
    })
    const opened = (at: number): Promise<string> =>
      new Promise((resolve) => {
        const viewer = { userId: 1, name: 'Ann', avatar: null, isAdmin: false, issuedAt: at, expiresAt: Date.now() + 60_000 }
        connections.open(viewer, {
          protocol: 'legacy',
          address: '',
          queuedBytes: () => 0,
          disconnect: (reason, text) => resolve(`${reason}: ${text}`),
        })
        setImmediate(() => resolve('goes on'))
      })
    revoked.add(1000)
    expect(await Promise.all([opened(1000), opened(2000)])).toEqual(['disconnected: the token was revoked', 'goes on'])
    wheel.stop()
  })

  test.skipIf(skipCluster)('are refused by every node, and by one that starts later', async () => {
    const cluster = await startCluster(2, { POSITION_CHECK_MS: '200' })
    const [one, two] = cluster.nodes as [TestApp, TestApp]
    let third: TestApp | undefined
    try {
      const ann = await one.user()
      const old = issuedAt(ann, now() - 10)
      const client = await two.ready(ann, withToken(old))
      const before = new Date((now() - 1) * 1000).toISOString()
      expect(await one.admin.data(REVOKE, { id: String(ann.id), before })).toEqual({ disconnectUser: 1 })
      expect((await client.closed).code).toBe(4403)
      third = await startApp(cluster.env)
      for (const node of [one, two, third]) {
        await expect(node.legacy(ann, withToken(old))).rejects.toMatchObject({ status: 401 })
        await node.ready(ann, withToken(issuedAt(ann, now())))
      }
    } finally {
      await third?.stop()
      await cluster.stop()
    }
  })
})

describe('JWKS_URL', () => {
  let keys: (JsonWebKey & { kid: string })[] = []
  let fetched = 0
  let provider: Server
  /** How the provider answers now, where it does not answer with the keys. */
  let answer: ((response: ServerResponse) => void) | undefined
  let app: TestApp

  const newKey = (kid: string) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' } }
  }
  const sign = ({ kid, privateKey }: { kid: string; privateKey: KeyObject }, claims: object = {}): string =>
    jsonwebtoken.sign({ sub: '77', exp: Math.floor(Date.now() / 1000) + 60, ...claims }, privateKey, {
      algorithm: 'ES256',
      keyid: kid,
    })
  const pass = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1000)
  const viewer = async (token: string) => await connectHttp(app.graphqlUrl, token).run('{ viewer { id } }')

  beforeAll(async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    provider = createServer((_request, response) => {
      fetched++
      if (answer) return answer(response)
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    const { port } = provider.address() as AddressInfo
    app = await startApp({ JWT_SECRET: '', JWKS_URL: `http://127.0.0.1:${port}/keys` })
  })
  afterEach(() => (answer = undefined))
  afterAll(async () => {
    vi.useRealTimers()
    await app.stop()
    provider.close()
  })

  test('keys are fetched once and kept; tokens of other keys and kinds are refused', async () => {
    const [first, other] = [newKey('first'), newKey('other')]
    keys = [first.jwk]
    expect(await viewer(sign(first))).toEqual({ data: { viewer: { id: '77' } } })
    for (let n = 0; n < 5; n++) expect((await viewer(sign(first))).errors).toBeUndefined()
    expect(fetched).toBe(1)
    const reasons = [
      [sign(first, { exp: 1 }), 'expired'],
      [sign({ ...other, kid: 'first' }), 'signature'],
      [sign(other), 'not known'],
      [jsonwebtoken.sign({ sub: '77', exp: 9_999_999_999 }, SECRET), 'another algorithm'],
      ['nonsense', 'malformed'],
    ] as const
    for (const [token, reason] of reasons) {
      const { errors } = await viewer(token)
      expect(errors).toMatchObject([
        { message: expect.stringContaining(reason) as string, extensions: { code: 'UNAUTHENTICATED' } },
      ])
    }
  })

  test('a new key is fetched when a token names it, and one that was taken out is refused', async () => {
    const [first, second] = [newKey('before'), newKey('after')]
    keys = [first.jwk]
    pass(31)
    expect((await viewer(sign(first))).errors).toBeUndefined()
    keys = [second.jwk]
    pass(31)
    expect((await viewer(sign(second))).errors).toBeUndefined()
    expect((await viewer(sign(first))).errors).toMatchObject([{ message: 'the token names a key that is not known' }])
  })

  test.each([
    ['is down', (response: ServerResponse) => void response.destroy()],
    ['does not end its answer', (response: ServerResponse) => void response.writeHead(200).write('{"keys":[')],
    ['answers without end', (response: ServerResponse) => void response.writeHead(200).end(Buffer.alloc(20_000_000, ' '))],
    ['answers nonsense', (response: ServerResponse) => void response.writeHead(200).end('<html>')],
    ['answers with an error', (response: ServerResponse) => void response.writeHead(500).end()],
  ])(
    'while the provider %s the keys of before stay good, the log says so once, and a new key is not called bad',
    async (_, how) => {
      const [known, unknown] = [newKey('known'), newKey('unknown')]
      keys = [known.jwk]
      pass(31)
      expect((await viewer(sign(known))).errors).toBeUndefined()
      answer = how
      pass(601)
      const logged = app.logged.length
      const results = await Promise.all([1, 2, 3].map(() => viewer(sign(known))))
      expect(results).toEqual(results.map(() => ({ data: { viewer: { id: '77' } } })))
      expect((await viewer(sign(unknown))).errors).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }])
      expect(app.logged.slice(logged)).toMatchObject([{ stage: 'token keys', msg: 'failed' }])
      answer = undefined
      pass(6)
      keys = [unknown.jwk]
      expect((await viewer(sign(unknown))).errors).toBeUndefined()
    },
  )

  test('while the provider hangs, who has a key of before waits for the first attempt alone', async () => {
    const known = newKey('kept')
    keys = [known.jwk]
    pass(31)
    expect((await viewer(sign(known))).errors).toBeUndefined()
    answer = (response) => void response.writeHead(200).write('{"keys":[')
    pass(601)
    expect((await viewer(sign(known))).errors).toBeUndefined()
    pass(6)
    const began = performance.now()
    expect((await viewer(sign(known))).errors).toBeUndefined()
    expect(performance.now() - began).toBeLessThan(2500)
    // And where it answers again without the key, that is refused.
    answer = undefined
    keys = []
    await expect.poll(async () => (pass(6), (await viewer(sign(known))).errors), { timeout: 15_000 }).toBeDefined()
  })

  test('where the keys can not be had, it is the server that is not available, and not the token that is bad', async () => {
    const dead = await startApp({ JWT_SECRET: '', JWKS_URL: 'http://127.0.0.1:9/keys' })
    try {
      const { errors } = await connectHttp(dead.graphqlUrl, sign(newKey('any'))).run('{ viewer { id } }')
      expect(errors).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }])
    } finally {
      await dead.stop()
    }
  })
})
