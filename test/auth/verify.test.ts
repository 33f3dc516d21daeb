import { createHmac, createSecretKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import jsonwebtoken from 'jsonwebtoken'
import { describe, expect, test } from 'vitest'
import { createAuth, signToken, type Auth, type AuthOptions, type TokenKey } from '../../src/auth/verify.ts'
import { ChatError } from '../../src/errors.ts'

const SECRET = randomBytes(32).toString('hex')
const HS256: TokenKey = { kind: 'HS256', key: createSecretKey(Buffer.from(SECRET)) }
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

const authOf = (options: Partial<AuthOptions> = {}): Auth =>
  createAuth({ key: HS256, issuer: undefined, audience: undefined, isRevoked: () => false, onError: () => undefined, ...options })
const auth = authOf()

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

const sign = (claims: object, options: jsonwebtoken.SignOptions = {}, key: string | KeyObject = SECRET): string =>
  jsonwebtoken.sign({ sub: '7', exp: inSeconds(60), ...claims }, key, options)

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url')

/** A hand-made token, signed with the secret whatever its header says. */
const forge = (header: object, claims: unknown, key: string | undefined = SECRET): string => {
  const content = `${encode(header)}.${encode(claims)}`
  return `${content}.${key === '' ? '' : createHmac('sha256', key).update(content).digest('base64url')}`
}

/** The reason of a refusal, which holds nothing of the token. */
const reasonOf = async (token: string, by: Auth = auth): Promise<string> => {
  try {
    await by.verify(token)
  } catch (error) {
    if (!(error instanceof ChatError)) throw error
    expect(error.code).toBe('UNAUTHENTICATED')
    for (const part of token.split('.')) if (part.length > 8) expect(error.message).not.toContain(part)
    expect(error.cause).toBeUndefined()
    return error.message
  }
  return expect.fail('it was accepted')
}

describe('a good token', () => {
  test('says who the viewer is', async () => {
    const exp = inSeconds(60)
    const claims = { exp, name: 'Ann 🦊', avatar: 'https://example.org/a.png', role: 'admin' }
    const token = sign(claims)
    expect(await auth.verify(token)).toEqual({
      userId: 7,
      name: 'Ann 🦊',
      avatar: 'https://example.org/a.png',
      isAdmin: true,
      issuedAt: (jsonwebtoken.decode(token) as jsonwebtoken.JwtPayload).iat! * 1000,
      expiresAt: exp * 1000,
    })
    const plain = { userId: 7, name: undefined, avatar: undefined, isAdmin: false, issuedAt: 0, expiresAt: exp * 1000 }
    expect(await auth.verify(sign({ exp }, { noTimestamp: true }))).toEqual(plain)
    const empty = { name: null, avatar: null, role: 'Admin' }
    expect(await auth.verify(sign(empty))).toMatchObject({ name: undefined, avatar: null, isAdmin: false })
  })

  test.each([2_147_483_647, '2147483647'])('may give the user id as a number or a text', async (sub) => {
    expect((await auth.verify(forge({ alg: 'HS256' }, { sub, exp: inSeconds(60) }))).userId).toBe(2_147_483_647)
  })

  test('is what signToken makes', async () => {
    const by = authOf({ issuer: 'us', audience: 'chat' })
    const token = signToken(SECRET, { userId: 7, name: 'Ann', isAdmin: true, ttlSeconds: 60, issuer: 'us', audience: 'chat' })
    expect(await by.verify(token)).toMatchObject({ userId: 7, name: 'Ann', isAdmin: true })
    expect(await auth.verify(signToken(HS256.key, { userId: 8, ttlSeconds: 60 }))).toMatchObject({ userId: 8, isAdmin: false })
  })

  test.each([
    ['RS256', rsa],
    ['ES256', ec],
  ] as const)('may be signed with %s where that is the key', async (kind, { privateKey, publicKey }) => {
    const by = authOf({ key: { kind, key: publicKey } })
    expect((await by.verify(sign({}, { algorithm: kind }, privateKey))).userId).toBe(7)
  })
})

describe('the algorithm is not for the token to choose', () => {
  const byRsa = authOf({ key: { kind: 'RS256', key: rsa.publicKey } })
  const claims = { sub: '7', exp: inSeconds(60) }

  test.each(['none', 'None', 'NONE'])('%s is refused, with and without a signature', async (alg) => {
    expect(await reasonOf(forge({ alg }, claims, ''))).toMatch(/not signed|malformed/)
    expect(await reasonOf(forge({ alg }, claims))).toMatch(/another algorithm|malformed/)
    expect(await reasonOf(forge({ alg }, claims, ''), byRsa)).toMatch(/not signed|malformed/)
  })

  test.each(['HS384', 'HS512'] as const)('%s with the right secret is refused', async (algorithm) => {
    expect(await reasonOf(sign({}, { algorithm }))).toContain('another algorithm')
  })

  test('the public key is no secret', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    expect(await reasonOf(forge({ alg: 'HS256', typ: 'JWT' }, claims, pem), byRsa)).toContain('another algorithm')
  })

  test('tokens of other kinds of keys are refused', async () => {
    expect(await reasonOf(sign({}, { algorithm: 'RS256' }, rsa.privateKey))).toContain('another algorithm')
    expect(await reasonOf(sign({}, { algorithm: 'ES256' }, ec.privateKey), byRsa)).toContain('another algorithm')
    expect(await reasonOf(sign({}, { algorithm: 'PS256' }, rsa.privateKey), byRsa)).toContain('another algorithm')
    expect(await reasonOf(sign({}, { algorithm: 'RS256' }, otherRsa.privateKey), byRsa)).toContain('signature')
  })
})

describe('a token is refused', () => {
  test.each([
    ['that has expired', sign({ exp: inSeconds(-1) }), 'expired'],
    ['without an end', forge({ alg: 'HS256' }, { sub: '7' }), '"exp" is missing'],
    ['whose end is no number', forge({ alg: 'HS256' }, { sub: '7', exp: 'tomorrow' }), 'malformed'],
    ['whose end is null', forge({ alg: 'HS256' }, { sub: '7', exp: null }), 'malformed|missing'],
    ['that is not valid yet', sign({ nbf: inSeconds(60) }), 'not valid yet'],
    ['that another secret signed', sign({}, {}, randomBytes(32).toString('hex')), 'signature'],
    ['whose signature is cut off', sign({}).split('.').slice(0, 2).join('.'), 'malformed'],
    ['whose signature is empty', forge({ alg: 'HS256' }, {}, ''), 'not signed'],
    ['that carries a text', jsonwebtoken.sign('7', SECRET), 'no claims'],
    ['whose claims are null', forge({ alg: 'HS256' }, null), 'malformed|claims'],
    ['whose claims are a list', forge({ alg: 'HS256' }, ['7']), 'sub'],
    ['that is no token', 'nonsense', 'malformed'],
    ['that is empty', '', 'malformed'],
    ['that is longer than 8192 characters', sign({ pad: 'x'.repeat(8192) }), 'longer than 8192'],
  ])('%s', async (_, token, reason) => {
    expect(await reasonOf(token)).toMatch(new RegExp(reason))
  })

  const noIds = [
    undefined,
    null,
    '',
    '0',
    '-1',
    '1.5',
    '01',
    ' 7',
    '7x',
    '2147483648',
    '9'.repeat(40),
    0,
    -1,
    1.5,
    2 ** 31,
    true,
    {},
    [7],
  ]
  test.each(noIds.map((sub) => ({ sub })))('for the user $sub', async ({ sub }) => {
    expect(await reasonOf(forge({ alg: 'HS256' }, { sub, exp: inSeconds(60) }))).toContain('"sub" is not a user id')
  })

  test('whose claims were changed', async () => {
    const [header = '', , signature = ''] = sign({}).split('.')
    expect(await reasonOf(`${header}.${encode({ sub: '8', exp: inSeconds(60) })}.${signature}`)).toContain('signature')
  })

  test.each([
    ['microseconds', 1_700_000_000_000_000],
    ['nanoseconds', 1_700_000_000_000_000_000],
    ['the first second that is no date', 8.64e12],
  ])('whose end is in %s', async (_, exp) => {
    expect(await reasonOf(forge({ alg: 'HS256' }, { sub: '7', exp }))).toContain('"exp" is no date')
  })

  test('that is for another audience or from another issuer', async () => {
    const by = authOf({ issuer: 'us', audience: 'chat' })
    const token = (claims: object): string => forge({ alg: 'HS256' }, { sub: '7', exp: inSeconds(60), ...claims })
    expect((await by.verify(token({ iss: 'us', aud: 'chat' }))).userId).toBe(7)
    expect((await by.verify(token({ iss: 'us', aud: ['mail', 'chat'] }))).userId).toBe(7)
    for (const aud of ['mail', 'chat2', ['mail'], [], undefined])
      expect(await reasonOf(token({ iss: 'us', aud }), by)).toContain('audience')
    for (const iss of ['them', undefined, ['them']]) expect(await reasonOf(token({ iss, aud: 'chat' }), by)).toContain('issuer')
  })
})

describe('the header', () => {
  const token = sign({})

  test.each([`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token} `])(
    'may be in either case and with spaces',
    async (header) => {
      expect((await auth.verifyHeader(header)).userId).toBe(7)
    },
  )

  const bad = [
    undefined,
    null,
    '',
    'Bearer',
    'Bearer ',
    token,
    `Basic ${token}`,
    `Bearer ${token} x`,
    `Bearer ${token},x`,
    `Bearer "${token}"`,
  ]
  test.each(bad.map((header) => ({ header })))('is refused otherwise', async ({ header }) => {
    await expect(auth.verifyHeader(header)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

describe('a claim that only decorates keeps nobody out', () => {
  const odd: Parameters<NonNullable<AuthOptions['onOddClaim']>>[0][] = []
  const by = authOf({ onOddClaim: (oddity) => odd.push(oddity) })

  test.each([
    ['an empty name', { name: '' }],
    ['a name of 101 characters', { name: 'x'.repeat(101) }],
    ['a name of blanks', { name: ' \u3000 ' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a name that is a number', { name: 7 }],
    ['a name with NUL', { name: 'a\0' }],
    ['a name with a lone surrogate', { name: 'a\ud83e' }],
    ['an empty avatar', { avatar: '' }],
    ['an avatar that is data', { avatar: 'data:image/png;base64,AAAA' }],
    ['an avatar that is a path', { avatar: '/avatars/7.png' }],
    ['an avatar of another scheme', { avatar: 'javascript:alert(1)' }],
    ['an avatar that is an object', { avatar: {} }],
  ])('%s is left out', async (_, claims) => {
    const viewer = await by.verify(sign({ name: 'Ann', avatar: 'https://example.org/a.png', ...claims }))
    const [left = ''] = Object.keys(claims)
    const whole = { userId: 7, name: 'Ann', avatar: 'https://example.org/a.png' }
    expect(viewer).toMatchObject({ ...whole, [left]: undefined })
  })

  test('and is told once for a user, without the token', async () => {
    odd.length = 0
    const other = authOf({ onOddClaim: (oddity) => odd.push(oddity) })
    for (const avatar of ['', '', 'data:x']) await other.verify(sign({ sub: '8', avatar, name: '' }))
    await other.verify(sign({ sub: '9', name: 7 }))
    expect(odd).toEqual([
      { userId: 8, claim: 'name', problem: expect.stringContaining('name is empty') },
      { userId: 9, claim: 'name', problem: 'name is not a string' },
    ])
  })

  test('an end in milliseconds is a far date, of which is told once', async () => {
    const told: unknown[] = []
    const other = authOf({ onOddClaim: (oddity) => told.push(oddity) })
    const exp = inSeconds(3600) * 1000
    for (const sub of ['7', '8']) expect((await other.verify(sign({ sub, exp }))).expiresAt).toBe(exp * 1000)
    expect(told).toEqual([{ userId: 7, claim: 'exp', problem: expect.stringContaining('milliseconds') }])
  })
})

test('clocks may differ by the leeway, at the beginning and at the end', async () => {
  const lenient = authOf({ leewaySeconds: 5 })
  for (const claims of [{ exp: inSeconds(-3) }, { nbf: inSeconds(3) }]) {
    expect((await lenient.verify(sign(claims))).userId).toBe(7)
    await reasonOf(sign(claims))
  }
  expect(await reasonOf(sign({ exp: inSeconds(-7) }), lenient)).toContain('expired')
  expect(await reasonOf(sign({ nbf: inSeconds(60) }), lenient)).toContain('not valid yet')
})
