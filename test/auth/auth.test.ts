import { createHmac, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import jsonwebtoken from 'jsonwebtoken'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createRefusalLog } from '../../src/auth/refusal-log.ts'
import { SECRET, startApp, tokenOf, type TestApp } from '../support/app.ts'
import { connectGraphqlWs, connectHttp, type Result } from '../support/graphql-client.ts'
import { Inbox } from '../support/inbox.ts'
import { connectLegacy, openSocket, RefusedError, type Frame } from '../support/legacy-client.ts'

const VIEWER = '{ viewer { id name avatar } }'
const EVENTS = 'subscription { events { __typename } }'
const MAX_CONNECTIONS = 3

let app: TestApp
let lastId = 500_000
const newId = (): number => ++lastId

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const sign = (claims: object, key: string = SECRET, algorithm: jsonwebtoken.Algorithm = 'HS256'): string =>
  jsonwebtoken.sign(claims, key, { algorithm })
/** Signs claims that the library itself would not sign. */
const signText = (text: string, key: string = SECRET): string => {
  const signed = [`{"alg":"HS256","typ":"JWT"}`, text].map((part) => Buffer.from(part).toString('base64url')).join('.')
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}
const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600
const claims = (more: object = {}): object => ({ sub: '7', exp: inAnHour(), name: 'Ann', ...more })
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

beforeAll(async () => {
  app = await startApp({ MAX_CONNECTIONS_PER_USER: String(MAX_CONNECTIONS) })
})
afterAll(() => app.stop())

/** What an HTTP request, an upgrade of the legacy protocol and one of GraphQL over WebSocket are answered with. */
async function refusal(headers: Record<string, string>, of = app): Promise<{ reason: string; overLegacy: string }> {
  const response = await fetch(of.graphqlUrl, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query: VIEWER }),
  })
  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toBe('Bearer')
  expect(response.headers.get('content-type')).toMatch(/^application\/json/)
  const { errors, ...rest } = (await response.json()) as Result
  expect(rest).toEqual({})
  expect(errors).toEqual([{ message: expect.any(String), extensions: { code: 'UNAUTHENTICATED' } }])
  return { reason: errors?.[0]?.message ?? '', overLegacy: await legacyRefusal({ headers }, of) }
}

/** The reason in the envelope that an upgrade is refused with. */
async function legacyRefusal(options: Parameters<typeof openSocket>[1], of = app, path = ''): Promise<string> {
  const error: unknown = await openSocket(of.legacyUrl + path, options).catch((refused: unknown) => refused)
  if (!(error instanceof RefusedError)) throw new Error('the upgrade was not refused')
  expect(error.status).toBe(401)
  expect(error.headers['www-authenticate']).toBe('Bearer')
  const { details } = (JSON.parse(error.body) as Frame).data as { details: { error: string } }
  expect(error.body).toBe(
    JSON.stringify({ type: 'error', code: 401, msg: '认证失败', data: { code: 401, message: '认证失败', details } }),
  )
  return details.error
}

/** A socket of GraphQL over WebSocket by hand, and how it was closed. */
async function graphqlSocket(headers: Record<string, string> = {}, path = '') {
  const socket = await openSocket(`ws://127.0.0.1:${app.port}/graphql${path}`, { headers, protocols: ['graphql-transport-ws'] })
  const closed = once(socket, 'close').then(([code, reason]) => [code as number, String(reason)] as const)
  return {
    socket,
    closed,
    send: (message: object) => socket.send(JSON.stringify(message)),
    next: async () => JSON.parse(String((await once(socket, 'message'))[0])) as unknown,
  }
}

const parts = sign(claims()).split('.')
const resigned = (header: object, body: object): string =>
  [header, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')

const badTokens: [name: string, token: string, reason: string][] = [
  ['no token at all', 'x', 'the token is malformed'],
  ['two parts', `${parts[0]}.${parts[1]}`, 'the token is malformed'],
  ['four parts', `${parts.join('.')}.x`, 'the token is malformed'],
  ['no JSON in it', 'YQ.YQ.YQ', 'the token is malformed'],
  ['of 9000 characters', 'a'.repeat(9000), 'the token is longer than 8192 characters'],
  ['expired', sign(claims({ exp: inAnHour() - 3700 })), 'the token has expired'],
  ['not valid yet', sign(claims({ nbf: inAnHour() })), 'the token is not valid yet'],
  ['signed with another secret', sign(claims(), `${SECRET}!`), 'the signature of the token is wrong'],
  [
    'with other claims than were signed',
    `${resigned({ alg: 'HS256', typ: 'JWT' }, claims({ sub: '1' }))}.${parts[2]}`,
    'the signature of the token is wrong',
  ],
  ['without its signature', `${parts[0]}.${parts[1]}.`, 'the token is not signed'],
  ['with algorithm none', `${resigned({ alg: 'none' }, claims())}.`, 'the token is not signed'],
  [
    'with algorithm none and a signature',
    `${resigned({ alg: 'none' }, claims())}.${parts[2]}`,
    'the token is signed with another algorithm',
  ],
  ['with algorithm nOnE', `${resigned({ alg: 'nOnE' }, claims())}.`, 'the token is not signed'],
  ['signed with HS512', sign(claims(), SECRET, 'HS512'), 'the token is signed with another algorithm'],
  ['signed with RS256', sign(claims(), privateKey, 'RS256'), 'the token is signed with another algorithm'],
  [
    'with an extension that must be understood',
    jsonwebtoken.sign(claims(), SECRET, { header: { alg: 'HS256', crit: ['b64'] } }),
    'the token is malformed',
  ],
  ['without exp', sign({ sub: '7' }), 'the claim "exp" is missing'],
  ['with exp a string', `${resigned({ alg: 'HS256' }, claims({ exp: 'never' }))}.x`, 'the signature of the token is wrong'],
  ['without sub', sign({ exp: inAnHour() }), 'the claim "sub" is not a user id'],
  ['with sub 0', sign(claims({ sub: '0' })), 'the claim "sub" is not a user id'],
  ['with sub -1', sign(claims({ sub: '-1' })), 'the claim "sub" is not a user id'],
  ['with sub 1.5', sign(claims({ sub: '1.5' })), 'the claim "sub" is not a user id'],
  ['with sub 2^31', sign(claims({ sub: '2147483648' })), 'the claim "sub" is not a user id'],
  ['with sub 007', sign(claims({ sub: '007' })), 'the claim "sub" is not a user id'],
  ['with sub a word', sign(claims({ sub: 'ann' })), 'the claim "sub" is not a user id'],
  ['with sub empty', sign(claims({ sub: '' })), 'the claim "sub" is not a user id'],
  ['with exp in microseconds', sign(claims({ exp: inAnHour() * 1e6 })), 'the claim "exp" is no date'],
]

describe('a bad token is refused on HTTP, on upgrades and at connection_init:', () => {
  test.each(badTokens)('%s', async (_, token, reason) => {
    expect(await refusal(bearer(token))).toEqual({
      reason: expect.stringContaining(reason),
      overLegacy: expect.stringContaining(reason),
    })
    const { closed, send } = await graphqlSocket()
    send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
    expect(await closed).toEqual([4403, expect.stringContaining(reason)])
  })

  test('sub as a JSON number that is no integer', async () => {
    for (const sub of ['1.5', '2147483648', '-1', 'true', '["7"]', '{}', 'null']) {
      const token = signText(`{"sub":${sub},"exp":${inAnHour()}}`)
      expect((await refusal(bearer(token))).reason).toContain('"sub" is not a user id')
    }
  })

  test.each([
    ['no header', {}],
    ['an empty header', { authorization: '' }],
    ['another scheme', { authorization: `Basic ${parts.join('.')}` }],
    ['the scheme alone', { authorization: 'Bearer ' }],
    ['the token alone', { authorization: parts.join('.') }],
    ['two tokens', { authorization: `Bearer ${parts.join('.')} ${parts.join('.')}` }],
    ['a cookie', { cookie: `token=${parts.join('.')}` }],
  ])('%s', async (_, headers) => {
    await refusal(headers as unknown as Record<string, string>)
  })

  test('a token in the URL', async () => {
    const token = parts.join('.')
    for (const name of ['token', 'access_token', 'authorization', 'jwt']) {
      const query = `?${name}=${token}&query=${encodeURIComponent('{__typename}')}`
      expect((await fetch(app.graphqlUrl + query)).status).toBe(401)
      await legacyRefusal({}, app, query)
      const { closed, send } = await graphqlSocket({}, query)
      send({ type: 'connection_init' })
      expect((await closed)[0]).toBe(4403)
    }
  })

  test.each([
    ['the word alone', ['bearer']],
    ['the token alone', [parts.join('.')]],
    ['the token first', [parts.join('.'), 'bearer']],
    ['something after it', ['bearer', parts.join('.'), 'more']],
    ['a bad one', ['bearer', sign(claims(), `${SECRET}!`)]],
  ])('in the subprotocols, %s', async (_, protocols) => {
    await legacyRefusal({ protocols })
  })

  test('in the header, whatever the subprotocols say', async () => {
    await legacyRefusal({ headers: bearer('x'), protocols: ['bearer', parts.join('.')] })
  })
})

describe('with a public key, an issuer and an audience', () => {
  let other: TestApp
  const good = { iss: 'us', aud: 'chat' }
  beforeAll(async () => {
    other = await startApp({ JWT_SECRET: '', JWT_PUBLIC_KEY: publicKey, JWT_ISSUER: 'us', JWT_AUDIENCE: 'chat' })
  })
  afterAll(() => other.stop())

  test('a token of the private key is taken', async () => {
    const token = sign(claims(good), privateKey, 'RS256')
    expect(await connectHttp(other.graphqlUrl, token).data(VIEWER)).toMatchObject({ viewer: { id: '7' } })
    const both = sign(claims({ iss: 'us', aud: ['mail', 'chat'] }), privateKey, 'RS256')
    const legacy = await connectLegacy(other.legacyUrl, { headers: bearer(both) })
    expect(await legacy.inbox.next()).toMatchObject({ type: 'connection_established' })
    await legacy.close()
  })

  test.each([
    ['the public key taken for a secret', signText(JSON.stringify(claims(good)), publicKey), 'another algorithm'],
    ['a secret', sign(claims(good)), 'another algorithm'],
    ['RS512', sign(claims(good), privateKey, 'RS512'), 'another algorithm'],
    ['PS256', sign(claims(good), privateKey, 'PS256'), 'another algorithm'],
    ['another issuer', sign(claims({ ...good, iss: 'them' }), privateKey, 'RS256'), 'from another issuer'],
    ['no issuer', sign(claims({ aud: 'chat' }), privateKey, 'RS256'), 'from another issuer'],
    ['another audience', sign(claims({ ...good, aud: 'mail' }), privateKey, 'RS256'), 'for another audience'],
    ['no audience', sign(claims({ iss: 'us' }), privateKey, 'RS256'), 'for another audience'],
  ])('%s is refused', async (_, token, reason) => {
    const expected = expect.stringContaining(reason) as string
    expect(await refusal(bearer(token), other)).toEqual({ reason: expected, overLegacy: expected })
  })
})

describe('a good token', () => {
  test('is taken from the subprotocols, which browsers can send, and answered with “bearer”', async () => {
    const token = tokenOf({ userId: newId() })
    const legacy = await connectLegacy(app.legacyUrl, { protocols: ['bearer', token] })
    expect(legacy.socket.protocol).toBe('bearer')
    expect(await legacy.inbox.next()).toMatchObject({ type: 'connection_established', data: { user_id: lastId } })
    await legacy.close()
  })

  test('is taken with the scheme in any case, and with sub as a number', async () => {
    const response = await fetch(`${app.graphqlUrl}?query=${encodeURIComponent(VIEWER)}`, {
      headers: { authorization: `bearer ${signText(`{"sub":7,"exp":${inAnHour()}}`)}` },
    })
    expect(await response.json()).toMatchObject({ data: { viewer: { id: '7' } } })
  })

  test('is taken from the upgrade of GraphQL over WebSocket where connection_init brings none', async () => {
    const { send, next, socket } = await graphqlSocket(bearer(tokenOf({ userId: newId() })))
    send({ type: 'connection_init' })
    expect(await next()).toEqual({ type: 'connection_ack' })
    send({ type: 'subscribe', id: '1', payload: { query: '{ viewer { id } }' } })
    expect(await next()).toEqual({ type: 'next', id: '1', payload: { data: { viewer: { id: String(lastId) } } } })
    socket.close()
  })

  test.each([
    ['Authorization', (value: unknown) => ({ Authorization: value })],
    ['headers.authorization', (value: unknown) => ({ headers: { authorization: value } })],
    ['headers.Authorization', (value: unknown) => ({ authorization: 7, headers: { Authorization: value } })],
  ])('is taken from %s of connection_init, and before the one of the upgrade', async (_, payload) => {
    const { next, send } = await graphqlSocket({ authorization: 'Bearer x' })
    send({ type: 'connection_init', payload: payload(`Bearer ${sign(claims())}`) })
    expect(await next()).toMatchObject({ type: 'connection_ack' })
  })

  test('creates its user from the claims, and updates it when later ones differ', async () => {
    const id = newId()
    // Each a second after the one before.
    let iat = inAnHour() - 7200
    const as = async (more: { name?: string; avatar?: string | null }): Promise<unknown> => {
      const token = sign({ sub: String(id), exp: inAnHour(), iat: ++iat, ...more })
      return (await connectHttp(app.graphqlUrl, token).data(VIEWER)).viewer
    }
    const avatar = 'https://example.com/a.png'
    expect(await as({})).toEqual({ id: String(id), name: `user${id}`, avatar: null })
    expect(await as({ name: 'Ann' })).toEqual({ id: String(id), name: 'Ann', avatar: null })
    expect(await as({ name: 'Anna', avatar })).toEqual({ id: String(id), name: 'Anna', avatar })
    expect(await as({})).toEqual({ id: String(id), name: 'Anna', avatar })
    expect(await as({ name: 'Anna', avatar: null })).toEqual({ id: String(id), name: 'Anna', avatar: null })
    const legacy = await connectLegacy(app.legacyUrl, {
      headers: bearer(sign({ sub: String(id), exp: inAnHour(), iat: ++iat, name: '安娜' })),
    })
    await legacy.inbox.next()
    await legacy.close()
    expect(await as({})).toMatchObject({ name: '安娜' })
  })

  test('with a decorative claim that is bad lets its user in, on every protocol, and that is logged once', async () => {
    const id = newId()
    const token = sign({ sub: String(id), exp: inAnHour(), name: '', avatar: 'data:image/png;base64,AAAA' })
    const viewer = { id: String(id), name: `user${id}`, avatar: null }
    expect((await connectHttp(app.graphqlUrl, token).data(VIEWER)).viewer).toEqual(viewer)
    const overWs = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), token)
    expect((await overWs.data(VIEWER)).viewer).toEqual(viewer)
    const legacy = await connectLegacy(app.legacyUrl, { headers: bearer(token) })
    await legacy.inbox.next()
    await Promise.all([overWs.close(), legacy.close()])
    const told = app.logged.filter(({ userId, claim }) => userId === id && claim !== undefined)
    expect(told).toMatchObject([{ level: 30, claim: 'name', problem: expect.stringContaining('name is empty') }])
    expect(JSON.stringify(told)).not.toContain(token)
  })

  test.each(['user', 'Admin', ['admin'], { admin: true }, null])('with the role %j is no admin’s', async (role) => {
    const client = connectHttp(app.graphqlUrl, sign({ sub: String(newId()), exp: inAnHour(), role }))
    const { errors } = await client.run('mutation { disconnectUser(userId: "1") }')
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  })
})

describe('GraphQL over WebSocket', () => {
  test('subscribing before connection_init closes with 4401', async () => {
    const { closed, send } = await graphqlSocket(bearer(tokenOf({ userId: newId() })))
    send({ type: 'subscribe', id: '1', payload: { query: '{ __typename }' } })
    expect(await closed).toEqual([4401, 'Unauthorized'])
  })

  test('without connection_init it closes with 4408', async () => {
    const { closed } = await graphqlSocket()
    expect((await closed)[0]).toBe(4408)
  })

  test('a second connection_init closes with 4429', async () => {
    const { closed, send, next } = await graphqlSocket(bearer(tokenOf({ userId: newId() })))
    send({ type: 'connection_init' })
    await next()
    send({ type: 'connection_init' })
    expect(await closed).toEqual([4429, 'Too many initialisation requests'])
  })

  test('without the subprotocol it closes with 4406', async () => {
    const socket = await openSocket(`ws://127.0.0.1:${app.port}/graphql`)
    expect((await once(socket, 'close'))[0]).toBe(4406)
  })
})

test('a socket has at most 100 operations open, and one that is over, however it ended, gives its place to the next', async () => {
  const { send, socket } = await graphqlSocket(bearer(tokenOf({ userId: newId() })))
  const inbox = new Inbox<{ id?: string; type: string; payload?: { extensions: { code: string } }[] }>()
  socket.on('message', (data: Buffer) => inbox.push(JSON.parse(data.toString())))
  const subscribe = (id: string, query = EVENTS): void => send({ type: 'subscribe', id, payload: { query } })
  send({ type: 'connection_init' })
  await inbox.next(({ type }) => type === 'connection_ack')
  for (let n = 1; n <= 101; n++) subscribe(`s${n}`)
  const refused = { type: 'error', payload: [{ extensions: { code: 'RATE_LIMITED' } }] }
  expect(await inbox.next()).toMatchObject({ ...refused, id: 's101' })

  const FAILING = 'subscription { conversationEvents(conversationId: "nowhere") { __typename } }'
  const over = async (id: string, query: string): Promise<string> => {
    subscribe(id, query)
    const { type } = await inbox.next((message) => message.id === id)
    return type === 'next' ? (await inbox.next((message) => message.id === id)).type : type
  }
  send({ type: 'complete', id: 's1' })
  // Its slot is free when it is closed, which the server does not announce.
  await expect.poll(() => over('free', VIEWER)).toBe('complete')
  for (let n = 0; n < 5; n++) {
    expect(await over(`query ${n}`, VIEWER)).toBe('complete')
    expect(await over(`failing ${n}`, FAILING)).toBe('complete')
    expect(await over(`wrong ${n}`, '{ nope }')).toBe('error')
  }
  subscribe('s102')
  subscribe('s103')
  expect(await inbox.next()).toMatchObject({ ...refused, id: 's103' })
  socket.close()
})

/** Nested deeper than JSON can be written. */
const DEEP_PING = `{"type":"ping","payload":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}`

test('what is no message of the GraphQL protocol closes with 4400, and is not logged as a failure', async () => {
  for (const text of [
    '{',
    'null',
    '[]',
    '{"type":"nope"}',
    '{"type":"subscribe","id":"1"}',
    '{"type":"ping","payload":7}',
    DEEP_PING,
  ]) {
    const { closed, socket } = await graphqlSocket()
    socket.send(text)
    expect((await closed)[0]).toBe(4400)
  }
  expect(app.logged.filter(({ level }) => Number(level) >= 40)).toEqual([])
})

test('when the token expires, every connection ends in its own way', async () => {
  // Late enough for a busy machine to connect three times before.
  const token = tokenOf({ userId: newId(), ttlSeconds: 5 })
  const legacy = await connectLegacy(app.legacyUrl, { headers: bearer(token) })
  const overSse = await connectHttp(app.graphqlUrl, token).subscribe(EVENTS)
  const overWs = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), token)
  const closed = new Promise((resolve) => overWs.client.on('closed', resolve))
  await overWs.subscribe(EVENTS)

  expect(await legacy.closed).toEqual({ code: 4401, reason: 'the token has expired' })
  const last = JSON.stringify({
    type: 'error',
    code: 401,
    msg: '认证失败',
    data: { code: 401, message: '认证失败', details: { error: 'the token has expired' } },
  })
  expect(legacy.texts.at(-1)).toBe(last)
  expect(await closed).toMatchObject({ code: 4401, reason: 'the token has expired' })
  expect(await overSse.ended).toMatchObject([{ message: 'the token has expired', extensions: { code: 'UNAUTHENTICATED' } }])
})

describe('MAX_CONNECTIONS_PER_USER', () => {
  const full = async () => {
    const user = await app.user()
    const legacy = await app.ready(user)
    const overWs = app.graphqlWs(user)
    await overWs.data(VIEWER)
    const overSse = await app.over(user).subscribe(EVENTS)
    return { user, legacy, overWs, overSse, token: tokenOf({ userId: user.id, name: user.name }) }
  }

  test('counts all protocols together, and one more is refused by each in its own way', async () => {
    const { user, token, legacy } = await full()
    const refused: unknown = await app.legacy(user).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RefusedError)
    const { status, body, headers } = refused as RefusedError
    expect(status).toBe(429)
    expect(headers['retry-after']).toBe('1')
    expect(body).toBe(
      JSON.stringify({
        type: 'error',
        code: 429,
        msg: '连接数超过上限',
        data: {
          code: 429,
          message: '连接数超过上限',
          details: { error: 'too many connections of this user: close another one first' },
        },
      }),
    )
    const { closed, send } = await graphqlSocket(bearer(token))
    send({ type: 'connection_init' })
    expect((await closed)[0]).toBe(4429)
    const overSse = await app.over(user).subscribe(EVENTS)
    expect(await overSse.ended).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }])
    // Requests need no connection, and other users are not concerned.
    expect(await app.over(user).data(VIEWER)).toMatchObject({ viewer: { id: String(user.id) } })
    expect(await legacy.request('ping')).toMatchObject({ type: 'heartbeat' })
    await (await app.ready(await app.user())).close()
  })

  test.each(['legacy', 'overWs', 'overSse'] as const)(
    'gives the place of a closed connection to the next one: %s',
    async (which) => {
      const opened = await full()
      await opened[which].close()
      const next = await vi.waitFor(() => app.ready(opened.user), { timeout: 30_000, interval: 20 })
      await expect(app.legacy(opened.user)).rejects.toThrow(RefusedError)
      await next.close()
    },
  )

  test('a socket without connection_init takes no place', async () => {
    const user = await app.user()
    const token = tokenOf({ userId: user.id, name: user.name })
    const idle = await Promise.all(Array.from({ length: MAX_CONNECTIONS }, () => graphqlSocket(bearer(token))))
    await app.ready(user)
    for (const { socket } of idle) socket.terminate()
  })

  test('many at the same time never get more than there are places', async () => {
    const user = await app.user()
    const opened = await Promise.allSettled(Array.from({ length: 10 }, () => app.legacy(user)))
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX_CONNECTIONS)
  })
})

describe('disconnectUser', () => {
  const DISCONNECT = 'mutation ($userId: ID!, $reason: String) { disconnectUser(userId: $userId, reason: $reason) }'

  test.each([
    ['with a reason', '违反规则', '违反规则'],
    ['with the longest reason', '字'.repeat(33), '字'.repeat(33)],
    ['without a reason', null, 'disconnected by an administrator'],
  ])('ends every connection of the user and says how many, %s', async (_, reason, told) => {
    const [user, other] = [await app.user(), await app.user()]
    const [legacy, bystander] = [await app.ready(user), await app.ready(other)]
    const overWs = app.graphqlWs(user)
    const closed = new Promise((resolve) => overWs.client.on('closed', resolve))
    await overWs.subscribe(EVENTS)
    const overSse = await app.over(user).subscribe(EVENTS)

    expect(await app.admin.data(DISCONNECT, { userId: String(user.id), reason })).toEqual({ disconnectUser: 3 })
    expect(await legacy.closed).toEqual({ code: 4403, reason: told })
    expect(await closed).toMatchObject({ code: 4403, reason: told })
    expect(await overSse.ended).toMatchObject([{ message: told, extensions: { code: 'FORBIDDEN' } }])
    expect(await bystander.request('ping')).toMatchObject({ type: 'heartbeat' })
    // The token is still good: the user may come back.
    await vi.waitFor(() => app.ready(user), { timeout: 30_000, interval: 20 })
  })

  test('of a user who is not connected, or not there, ends none', async () => {
    const { id } = await app.user()
    expect(await app.admin.data(DISCONNECT, { userId: String(id) })).toEqual({ disconnectUser: 0 })
    expect(await app.admin.data(DISCONNECT, { userId: '2000000000' })).toEqual({ disconnectUser: 0 })
  })

  test('takes no reason that a close frame can’t hold', async () => {
    const { errors } = await app.admin.run(DISCONNECT, { userId: '1', reason: '字'.repeat(34) })
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
  })
})

describe('the log', () => {
  /** What a step adds to the log. */
  async function logged(step: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
    const before = app.logged.length
    await step()
    const everyLine = new Set(['time', 'pid', 'hostname'])
    return app.logged.slice(before).map((line) => Object.fromEntries(Object.entries(line).filter(([key]) => !everyLine.has(key))))
  }

  test('has a line with reason and address for each refused token, on every protocol', async () => {
    const expired = sign({ sub: '7', exp: 1 })
    const line = { level: 30, msg: 'a token was refused', reason: 'the token has expired', address: '127.0.0.1' }
    // Tests before this one may have used up what is logged in a second.
    await expect.poll(() => logged(() => refusal(bearer(expired))), { interval: 200 }).toEqual([line, line])
    const ws = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), expired)
    expect(await logged(() => ws.data(VIEWER).catch(() => undefined))).toEqual([line])
    await ws.close()
    const living = app.graphqlWs(await app.user())
    await living.data(VIEWER)
    const refresh = `mutation { refreshToken(token: "${expired}") }`
    expect(await logged(() => living.run(refresh))).toEqual([line])
  })

  test('has a line for each act of an administrator, and none for one that failed', async () => {
    const { id } = await app.user()
    const act = { level: 30, msg: 'an administrator acted', adminId: 999 }
    const upsert = 'mutation ($id: ID!) { upsertUser(id: $id, name: "Somebody") { id } }'
    expect(await logged(() => app.admin.data(upsert, { id: String(id) }))).toEqual([
      { ...act, action: 'upsertUser', userId: String(id) },
    ])
    const disconnect =
      'mutation ($id: ID!, $before: DateTime) { disconnectUser(userId: $id, reason: "r", revokeBefore: $before) }'
    const before = '2020-01-01T00:00:00.000Z'
    expect(await logged(() => app.admin.data(disconnect, { id: String(id) }))).toEqual([
      { ...act, action: 'disconnectUser', userId: String(id), reason: 'r' },
    ])
    expect(await logged(() => app.admin.data(disconnect, { id: String(id), before }))).toEqual([
      { ...act, action: 'disconnectUser', userId: String(id), reason: 'r', revokeBefore: before },
    ])
    const push = `mutation ($ids: [ID!]!) { pushSystemNotification(notificationType: "n", data: { text: "private" }, userIds: $ids) }`
    expect(await logged(() => app.admin.data(push, { ids: [String(id)] }))).toEqual([
      { ...act, action: 'pushSystemNotification', notificationType: 'n', userIds: [String(id)] },
    ])
    expect(await logged(() => app.admin.data('mutation { pushGroupUpdate(groupId: "2000000000") }'))).toEqual([])
  })

  test('has at most 20 refusals in a second, and says how many were left out', () => {
    const lines: unknown[] = []
    let time = 0
    const note = createRefusalLog({ info: (line: unknown) => lines.push(line) } as never, () => time)
    for (let n = 0; n < 100; n++) note('r', 'a')
    expect(lines).toEqual(Array(20).fill({ reason: 'r', address: 'a' }))
    time = 1000
    note('r', 'a')
    note('r', 'a')
    expect(lines.slice(20)).toEqual([
      { reason: 'r', address: 'a', omitted: 80 },
      { reason: 'r', address: 'a' },
    ])
  })
})

test('nothing that was logged holds a token, and none of all this was a failure', () => {
  const text = JSON.stringify(app.logged)
  expect(text).not.toMatch(/eyJ[\w-]+\.[\w-]+/)
  expect(text).not.toContain(parts[2])
  expect(app.logged.filter(({ level }) => Number(level) >= 40)).toEqual([])
})
