import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { settingsPage } from '../../src/settings/reference.ts'
import { loadSettings, readEnvironment, SettingsError, type Settings } from '../../src/settings.ts'

const SECRET = 's'.repeat(32)
const MAX = 2147483647
const PRODUCTION = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/chat' }

/** The problems of an environment; none where it is good. */
const problemsOf = (env: Record<string, string>): readonly string[] => {
  try {
    loadSettings(env)
    return []
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' }).toString()

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1024 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const ed25519 = generateKeyPairSync('ed25519')

// A throw-away pair for localhost, used nowhere else.
const CERT = `-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUdgEiYjYm7yJsgupcDZugHrWWwWQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDAwMTYxNloYDzIxMjYxMDMx
MDAxNjE2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARQ9KO94OywuGba/+jeCAia+eKyHSdgeqXlRslzm5Pb0+90Zj2RCd3y
EN2593zWcNqPUdVtadug3ZlpbQXDxihRo1MwUTAdBgNVHQ4EFgQUINsURmcEkZpr
2TZLw/u8N12MII8wHwYDVR0jBBgwFoAUINsURmcEkZpr2TZLw/u8N12MII8wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAi0QddZ0PbOpZU1LCSa3e
LJuyua4JRviNgaej1JDP8SMCIQDHhJIvxLZBYcThV2JZT/TP6BkrsVwxunrxOJyr
YOn6HA==
-----END CERTIFICATE-----
`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgt9AGbaRUiQG5tM1A
Dd1tMYFRL2U9flBAKZKkZ1lymrWhRANCAARQ9KO94OywuGba/+jeCAia+eKyHSdg
eqXlRslzm5Pb0+90Zj2RCd3yEN2593zWcNqPUdVtadug3ZlpbQXDxihR
-----END PRIVATE KEY-----
`

const folder = mkdtempSync(join(tmpdir(), 'settings-'))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const certPath = file('cert.pem', CERT)
const keyPath = file('key.pem', KEY)
const otherKeyPath = file('other-key.pem', pemOf(p256.privateKey))
const textPath = file('text.pem', 'no key')

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const DEFAULTS: Settings = {
  host: '127.0.0.1',
  port: 4000,
  metricsPort: undefined,
  metricsHost: '127.0.0.1',
  keepAliveTimeoutMs: 75_000,
  databaseUrl: undefined,
  dataDir: '.data',
  dbPoolSize: 10,
  dbAcquireTimeoutMs: 3000,
  dbStatementTimeoutMs: 4000,
  redisUrl: undefined,
  redisPrefix: 'chat:',
  positionCheckMs: 5000,
  jwt: undefined,
  jwksUrl: undefined,
  jwtIssuer: undefined,
  jwtAudience: undefined,
  jwtLeewaySeconds: 5,
  production: false,
  demo: true,
  graphiql: true,
  pingIntervalMs: 30000,
  messageEditHours: 48,
  presenceGraceMs: 5000,
  presenceGroupLimit: 1000,
  rateLimitPerSecond: 50,
  rateLimitBurst: 100,
  maxGroupAdditionsPerDay: 200,
  maxGroupsCreatedPerDay: 200,
  maxConnectionsPerUser: 20,
  maxConnectionsPerAddress: 10000,
  trustedProxies: expect.anything() as never,
  persistedDocuments: undefined,
  maxFrameBytes: 65536,
  maxBufferedBytes: 1048576,
  maxResponseBytes: 4194304,
  wsCompression: false,
  eventRetentionHours: 168,
  messageRetentionDays: 0,
  auditRetentionDays: 365,
  resumeLimit: 1000,
  drainMs: 10000,
  allowedOrigins: undefined,
  tls: undefined,
  workers: 1,
  logLevel: 'info',
}

describe('defaults', () => {
  test('an empty environment is good', () => {
    expect(loadSettings({})).toEqual(DEFAULTS)
  })

  test('an empty value counts as absent', () => {
    const names =
      'HOST PORT METRICS_PORT METRICS_HOST DATABASE_URL DATA_DIR DB_POOL_SIZE REDIS_URL REDIS_PREFIX JWT_SECRET JWT_PUBLIC_KEY JWT_ISSUER JWT_AUDIENCE ' +
      'NODE_ENV DEMO GRAPHIQL RATE_LIMIT_BURST ALLOWED_ORIGINS TLS_CERT TLS_KEY LOG_LEVEL'
    expect(loadSettings(Object.fromEntries(names.split(' ').map((name) => [name, ''])))).toEqual(DEFAULTS)
  })

  test('variables of others are ignored', () => {
    expect(loadSettings({ PATH: '/bin', PORTS: 'x' })).toEqual(DEFAULTS)
  })

  test('production switches demo and GraphiQL off', () => {
    expect(loadSettings({ ...PRODUCTION, JWT_SECRET: SECRET })).toMatchObject({
      production: true,
      demo: false,
      graphiql: false,
    })
  })

  test('a database of one\u2019s own switches demo off', () => {
    expect(loadSettings({ DATABASE_URL: 'postgres://db/chat' })).toMatchObject({ production: false, demo: false, graphiql: true })
  })

  test('settings are frozen, all the way down', () => {
    const settings = loadSettings({
      ALLOWED_ORIGINS: 'https://a.example',
      TLS_CERT: certPath,
      TLS_KEY: keyPath,
      JWT_SECRET: SECRET,
    })
    for (const value of [settings, settings.allowedOrigins, settings.tls, settings.jwt]) {
      expect(value).toBeDefined()
      expect(Object.isFrozen(value)).toBe(true)
    }
  })
})

describe('a good value is taken', () => {
  const cases: readonly [Record<string, string>, Partial<Settings>][] = [
    [{ HOST: '::' }, { host: '::' }],
    [{ PORT: '0' }, { port: 0 }],
    [{ PORT: '65535' }, { port: 65535 }],
    [
      { DATABASE_URL: 'postgres://u:p@db:5432/chat?sslmode=require' },
      { databaseUrl: 'postgres://u:p@db:5432/chat?sslmode=require' },
    ],
    [{ DATABASE_URL: 'postgresql:///chat?host=/run/postgresql' }, { databaseUrl: 'postgresql:///chat?host=/run/postgresql' }],
    [{ DATA_DIR: 'memory:' }, { dataDir: 'memory:' }],
    [{ DB_POOL_SIZE: '1' }, { dbPoolSize: 1 }],
    [{ DB_ACQUIRE_TIMEOUT_MS: '250' }, { dbAcquireTimeoutMs: 250 }],
    [{ DB_STATEMENT_TIMEOUT_MS: `${MAX}` }, { dbStatementTimeoutMs: MAX }],
    [{ REDIS_URL: 'redis://:p@cache:6380/2' }, { redisUrl: 'redis://:p@cache:6380/2' }],
    [{ REDIS_URL: 'rediss://cache' }, { redisUrl: 'rediss://cache' }],
    [{ REDIS_URL: 'redis+sentinel://:p@a:26379,b/main/1' }, { redisUrl: 'redis+sentinel://:p@a:26379,b/main/1' }],
    [{ REDIS_URL: 'redis://a:7000, redis://b:7000' }, { redisUrl: 'redis://a:7000,redis://b:7000' }],
    [{ REDIS_PREFIX: 'p:' }, { redisPrefix: 'p:' }],
    [{ POSITION_CHECK_MS: '100' }, { positionCheckMs: 100 }],
    [{ JWT_ISSUER: 'https://id.example' }, { jwtIssuer: 'https://id.example' }],
    [{ JWT_AUDIENCE: 'chat' }, { jwtAudience: 'chat' }],
    [{ NODE_ENV: 'development' }, { production: false, demo: true }],
    [{ NODE_ENV: 'test' }, { production: false }],
    [{ ...PRODUCTION, JWT_SECRET: SECRET, DEMO: '0' }, { demo: false }],
    [{ ...PRODUCTION, JWT_SECRET: SECRET, GRAPHIQL: '1' }, { graphiql: true }],
    [{ DEMO: '0' }, { demo: false }],
    [{ DEMO: '1', DATABASE_URL: 'postgres://db/chat' }, { demo: true }],
    [{ GRAPHIQL: '0' }, { graphiql: false }],
    [{ PING_INTERVAL_MS: '1' }, { pingIntervalMs: 1 }],
    [{ PRESENCE_GRACE_MS: '0' }, { presenceGraceMs: 0 }],
    [{ WS_COMPRESSION: '0' }, { wsCompression: false }],
    [{ WS_COMPRESSION: '1' }, { wsCompression: true }],
    [{ WS_COMPRESSION: 'shared' }, { wsCompression: 'shared' }],
    [{ MESSAGE_EDIT_HOURS: '0' }, { messageEditHours: 0 }],
    [{ PRESENCE_GROUP_LIMIT: '5' }, { presenceGroupLimit: 5 }],
    [
      { RATE_LIMIT_PER_SECOND: '0', RATE_LIMIT_BURST: '0' },
      { rateLimitPerSecond: 0, rateLimitBurst: 0 },
    ],
    [{ MAX_CONNECTIONS_PER_USER: '3' }, { maxConnectionsPerUser: 3 }],
    [{ MAX_FRAME_BYTES: '1024' }, { maxFrameBytes: 1024 }],
    [{ MAX_BUFFERED_BYTES: '2048' }, { maxBufferedBytes: 2048 }],
    [{ MAX_RESPONSE_BYTES: '4096' }, { maxResponseBytes: 4096 }],
    [{ EVENT_RETENTION_HOURS: '24' }, { eventRetentionHours: 24 }],
    [{ RESUME_LIMIT: '10' }, { resumeLimit: 10 }],
    [{ DRAIN_MS: '500' }, { drainMs: 500 }],
    [{ ALLOWED_ORIGINS: 'https://a.example' }, { allowedOrigins: ['https://a.example'] }],
    [
      { ALLOWED_ORIGINS: ' HTTPS://A.Example:443/ , http://localhost:3000,capacitor://localhost' },
      { allowedOrigins: ['https://a.example', 'http://localhost:3000', 'capacitor://localhost'] },
    ],
    [{ TLS_CERT: certPath, TLS_KEY: keyPath }, { tls: { cert: CERT, key: KEY } }],
    ...(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const).map(
      (level): [Record<string, string>, Partial<Settings>] => [{ LOG_LEVEL: level }, { logLevel: level }],
    ),
  ]

  test.each(cases)('%o', (env, expected) => {
    expect(loadSettings(env)).toMatchObject(expected)
  })
})

describe('a key for tokens', () => {
  test('a secret of 32 bytes is an HS256 key', () => {
    const { jwt } = loadSettings({ JWT_SECRET: SECRET })
    expect(jwt?.kind).toBe('HS256')
    expect(jwt?.key.export().toString()).toBe(SECRET)
  })

  test('bytes are counted, not characters', () => {
    expect(loadSettings({ JWT_SECRET: '\u00e9'.repeat(16) }).jwt?.kind).toBe('HS256')
  })

  test.each([
    ['RS256', rsa.publicKey],
    ['ES256', p256.publicKey],
  ])('a public PEM is an %s key', (kind, publicKey) => {
    const { jwt } = loadSettings({ ...PRODUCTION, JWT_PUBLIC_KEY: pemOf(publicKey) })
    expect(jwt?.kind).toBe(kind)
    expect(jwt?.key.equals(publicKey)).toBe(true)
  })

  test('a certificate holds a public key', () => {
    expect(loadSettings({ JWT_PUBLIC_KEY: CERT }).jwt?.kind).toBe('ES256')
  })

  test('line ends of a PEM may be escaped', () => {
    const { jwt } = loadSettings({ JWT_PUBLIC_KEY: pemOf(rsa.publicKey).replaceAll('\n', '\\n') })
    expect(jwt?.key.equals(rsa.publicKey)).toBe(true)
  })
})

describe('a bad value is named, with what came and what was expected', () => {
  const POSITIVE =
    'DB_POOL_SIZE DB_ACQUIRE_TIMEOUT_MS DB_STATEMENT_TIMEOUT_MS POSITION_CHECK_MS PING_INTERVAL_MS PRESENCE_GROUP_LIMIT ' +
    'MAX_CONNECTIONS_PER_USER MAX_FRAME_BYTES MAX_BUFFERED_BYTES MAX_RESPONSE_BYTES EVENT_RETENTION_HOURS RESUME_LIMIT DRAIN_MS ' +
    'KEEP_ALIVE_TIMEOUT_MS'
  const ZERO_OR_MORE =
    'PORT METRICS_PORT PRESENCE_GRACE_MS RATE_LIMIT_PER_SECOND RATE_LIMIT_BURST JWT_LEEWAY_SECONDS MAX_GROUP_ADDITIONS_PER_DAY ' +
    'MAX_GROUPS_CREATED_PER_DAY'

  test.each(POSITIVE.split(' '))('%s is 1 or more', (name) => {
    for (const value of ['0', '-1', '1.5', '1e3', '0x10', ' 5', '007', 'abc', `${MAX + 1}`, '99999999999999999999'])
      expect(problemsOf({ [name]: value })).toEqual([`${name}: came "${value}", expected an integer from 1 to ${MAX}`])
  })

  test.each(ZERO_OR_MORE.split(' '))('%s is 0 or more', (name) => {
    const max = name.endsWith('PORT') ? 65535 : MAX
    for (const value of ['-1', '0.5', '00', '+1', 'off', `${max + 1}`])
      expect(problemsOf({ [name]: value })).toEqual([`${name}: came "${value}", expected an integer from 0 to ${max}`])
  })

  const postgres = 'a URL that starts with postgres:// or postgresql://'
  const redis = 'a URL that starts with redis:// or rediss://'
  const origins = 'origins such as https://chat.example.com, separated by commas'
  const publicKey = 'the PEM of a public RSA key of at least 2048 bits or of a public EC key on P-256'
  const cases: readonly [Record<string, string>, string][] = [
    [{ DATABASE_URL: 'localhost' }, `DATABASE_URL: came text that is no URL, expected ${postgres}`],
    [{ DATABASE_URL: 'postgres:chat' }, `DATABASE_URL: came text that is no URL, expected ${postgres}`],
    [{ DATABASE_URL: 'mysql://u:p@db/chat' }, `DATABASE_URL: came a URL that starts with mysql://, expected ${postgres}`],
    [{ REDIS_URL: 'cache:port' }, `REDIS_URL: came text that is no URL, expected ${redis}`],
    [{ REDIS_URL: 'redis://' }, `REDIS_URL: came a URL without a host, expected ${redis}`],
    [{ REDIS_URL: 'redis://a,b:7000' }, `REDIS_URL: came text that is no URL, expected ${redis}`],
    [
      { REDIS_URL: 'redis://a,rediss://b' },
      'REDIS_URL: came redis:// and rediss:// together, expected the same for all nodes of a cluster',
    ],
    [{ REDIS_URL: 'redis://a?db=1' }, 'REDIS_URL: came the parameter db, expected no parameter but cluster'],
    [{ REDIS_URL: 'redis://a/0#b' }, 'REDIS_URL: came a part that begins with #, expected none; in a password it is written %23'],
    [{ REDIS_URL: 'redis://a/x' }, 'REDIS_URL: came a path, expected none, or the number of a database'],
    [
      { REDIS_URL: 'redis://a/1,redis://b/1' },
      'REDIS_URL: came the number of a database, expected none for a cluster, which has one only',
    ],
    [
      { REDIS_URL: 'redis://:hidden@a,redis://:other@b' },
      'REDIS_URL: came several users or passwords, expected the same for all nodes of a cluster',
    ],
    [
      { REDIS_URL: 'redis+sentinel://:hidden@a:26379' },
      'REDIS_URL: came a URL of Sentinel that is incomplete, or has another parameter, expected redis+sentinel://user:password@host:26379,host:26379/name, with the name of the primary, and no parameters but sentinel_username and sentinel_password',
    ],
    [{ REDIS_URL: 'http://cache' }, `REDIS_URL: came a URL that starts with http://, expected ${redis}`],
    [{ JWT_SECRET: 's'.repeat(31) }, 'JWT_SECRET: came 31 bytes, expected at least 32 bytes'],
    [{ JWT_PUBLIC_KEY: 'abc' }, `JWT_PUBLIC_KEY: came text that is no PEM of a key, expected ${publicKey}`],
    [{ JWT_PUBLIC_KEY: pemOf(weakRsa.publicKey) }, `JWT_PUBLIC_KEY: came an RSA key of 1024 bits, expected ${publicKey}`],
    [{ JWT_PUBLIC_KEY: pemOf(p384.publicKey) }, `JWT_PUBLIC_KEY: came an EC key on secp384r1, expected ${publicKey}`],
    [{ JWT_PUBLIC_KEY: pemOf(ed25519.publicKey) }, `JWT_PUBLIC_KEY: came a key of type ed25519, expected ${publicKey}`],
    [{ JWT_PUBLIC_KEY: pemOf(rsa.privateKey) }, `JWT_PUBLIC_KEY: came a private key, expected ${publicKey}`],
    [
      { JWT_SECRET: SECRET, JWT_PUBLIC_KEY: pemOf(rsa.publicKey) },
      'JWT_SECRET, JWT_PUBLIC_KEY: came both, expected only one of them',
    ],
    [PRODUCTION, 'JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL: came none, expected one of them with NODE_ENV=production'],
    [{ NODE_ENV: 'prod' }, 'NODE_ENV: came "prod", expected one of production, development, test'],
    [{ ...PRODUCTION, JWT_SECRET: SECRET, DEMO: '1' }, 'DEMO: came "1", expected 0 with NODE_ENV=production'],
    [{ DEMO: 'yes' }, 'DEMO: came "yes", expected one of 0, 1'],
    [{ GRAPHIQL: 'true' }, 'GRAPHIQL: came "true", expected one of 0, 1'],
    [{ LOG_LEVEL: 'INFO' }, 'LOG_LEVEL: came "INFO", expected one of fatal, error, warn, info, debug, trace, silent'],
    [{ TLS_CERT: certPath }, 'TLS_CERT, TLS_KEY: came only TLS_CERT, expected both or neither'],
    [{ TLS_KEY: keyPath }, 'TLS_CERT, TLS_KEY: came only TLS_KEY, expected both or neither'],
    [
      { TLS_CERT: `${folder}/none.pem`, TLS_KEY: keyPath },
      `TLS_CERT: came "${folder}/none.pem", which can't be read, expected the path of a PEM file with a certificate`,
    ],
    [
      { TLS_CERT: keyPath, TLS_KEY: keyPath },
      `TLS_CERT: came "${keyPath}", which holds no such thing, expected the path of a PEM file with a certificate`,
    ],
    [
      { TLS_CERT: certPath, TLS_KEY: textPath },
      `TLS_KEY: came "${textPath}", which holds no such thing, expected the path of a PEM file with an unencrypted private key`,
    ],
    [
      { TLS_CERT: certPath, TLS_KEY: KEY },
      'TLS_KEY: came the PEM itself, expected the path of a PEM file with an unencrypted private key',
    ],
    [
      { TLS_CERT: certPath, TLS_KEY: otherKeyPath },
      'TLS_CERT, TLS_KEY: came a certificate and the key of another one, expected two that belong together',
    ],
    [{ ALLOWED_ORIGINS: 'https://u:hidden@a.example' }, `ALLOWED_ORIGINS: came "https://***@a.example", expected ${origins}`],
    [{ ALLOWED_ORIGINS: 'https://a.example,' }, `ALLOWED_ORIGINS: came "", expected ${origins}`],
    ...['*', 'null', 'a.example', 'https://a.example/chat', 'https://a.example?x', 'https://a.example#x', 'file:///a'].map(
      (origin): [Record<string, string>, string] => [
        { ALLOWED_ORIGINS: `https://b.example,${origin}` },
        `ALLOWED_ORIGINS: came "${origin}", expected ${origins}`,
      ],
    ),
  ]

  test.each(cases)('%o', (env, problem) => {
    expect(problemsOf(env)).toEqual([problem])
  })

  test('a long value is cut', () => {
    expect(problemsOf({ LOG_LEVEL: 'x'.repeat(500) })[0]).toContain(`"${'x'.repeat(100)}..."`)
  })
})

describe('secrets from files', () => {
  const secretPath = file('secret', `${SECRET}\n`)
  const urlPath = file('url', 'postgres://u:hidden@db/chat')

  test('are what the file holds, without its last line end', () => {
    const settings = loadSettings({
      JWT_SECRET_FILE: secretPath,
      DATABASE_URL_FILE: urlPath,
      REDIS_URL_FILE: file('redis', 'redis://c\r\n'),
    })
    expect(settings.jwt?.key.export().toString()).toBe(SECRET)
    expect(settings).toMatchObject({ databaseUrl: 'postgres://u:hidden@db/chat', redisUrl: 'redis://c', demo: false })
  })

  test('are refused where the file or its content is bad, or the variable is set too, and never shown', () => {
    const expected = (name: string): string => `expected the path of a file that holds ${name}`
    expect(problemsOf({ JWT_SECRET_FILE: '/nowhere' })).toEqual([
      `JWT_SECRET_FILE: came "/nowhere", which can't be read, ${expected('JWT_SECRET')}`,
    ])
    const empty = file('empty', '\n')
    expect(problemsOf({ DATABASE_URL_FILE: empty })).toEqual([
      `DATABASE_URL_FILE: came "${empty}", which is empty, ${expected('DATABASE_URL')}`,
    ])
    expect(problemsOf({ DATABASE_URL_FILE: urlPath, DATABASE_URL: 'postgres://db/chat' })).toEqual([
      'DATABASE_URL, DATABASE_URL_FILE: came both, expected only one of them',
    ])
    expect(problemsOf({ REDIS_URL_FILE: urlPath }).join()).not.toContain('hidden')
  })
})

describe('production', () => {
  const env = { NODE_ENV: 'production', JWT_SECRET: SECRET }

  test('needs DATABASE_URL, or DATA_DIR where the embedded database is meant', () => {
    expect(problemsOf(env)).toEqual([
      'DATABASE_URL: came none, expected one with NODE_ENV=production; for the embedded database set DATA_DIR',
    ])
    expect(problemsOf({ ...env, DATA_DIR: '.data' })).toEqual([])
    expect(problemsOf({ ...env, DATABASE_URL_FILE: file('production', 'postgres://db/chat') })).toEqual([])
  })

  test('needs DATABASE_URL with REDIS_URL, whatever else is set', () => {
    for (const more of [{}, { DATA_DIR: '.data' }])
      expect(problemsOf({ ...env, ...more, REDIS_URL: 'redis://c' })).toEqual([
        'DATABASE_URL: came none, expected the database that all nodes share, as they share REDIS_URL',
      ])
  })
})

describe('problems', () => {
  test('all are reported at once, each by the name of its variable', () => {
    const env = {
      PORT: 'a',
      DATABASE_URL: 'b',
      REDIS_URL: 'c',
      JWT_SECRET: 'd',
      GRAPHIQL: 'e',
      TLS_CERT: certPath,
      LOG_LEVEL: 'f',
    }
    const problems = problemsOf(env)
    expect(problems).toHaveLength(7)
    for (const name of Object.keys(env)) expect(problems.filter((problem) => problem.startsWith(name))).toHaveLength(1)
    expect(() => loadSettings(env)).toThrow(SettingsError)
    for (const problem of problems) expect(() => loadSettings(env)).toThrow(problem)
  })

  test('a refused secret is not reported as a missing one', () => {
    expect(problemsOf({ ...PRODUCTION, JWT_SECRET: 'short' })).toEqual(['JWT_SECRET: came 5 bytes, expected at least 32 bytes'])
  })

  test('no secret and no password is in them', () => {
    const problems = problemsOf({
      JWT_SECRET: 'hidden-1',
      JWT_PUBLIC_KEY: pemOf(weakRsa.privateKey),
      DATABASE_URL: 'mysql://user:hidden-2@db/chat',
      REDIS_URL: 'redis://user:hidden-3@cache:port',
      ALLOWED_ORIGINS: 'https://user:hidden-4@a.example',
      TLS_CERT: certPath,
      TLS_KEY: KEY,
    })
    expect(problems).toHaveLength(7)
    for (const text of ['hidden-', 'user', 'PRIVATE', KEY.slice(40, 60)]) expect(problems.join('\n')).not.toContain(text)
  })
})

describe('a variable with a name close to a setting', () => {
  test.each([
    ['REDIS_URI', 'REDIS_URL'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['database_url', 'DATABASE_URL'],
    ['JWT_SECERT', 'JWT_SECRET'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['RATE_LIMITS_PER_SECOND', 'RATE_LIMIT_PER_SECOND'],
    ['PROT', 'PORT'],
    ['DATADIR', 'DATA_DIR'],
  ])('%s is taken for a misspelt %s', (got, meant) => {
    expect(readEnvironment({ [got]: 'x' }).misspelt).toEqual([{ got, meant }])
  })

  test('is left alone where it is empty, where the setting itself is set, and where the name means something else', () => {
    const others = {
      PATH: '/bin',
      HOME: '/root',
      PWD: '/',
      HOSTNAME: 'x',
      NODE_OPTIONS: 'x',
      PGHOST: 'x',
      REDIS_HOST: 'x',
      USER: 'x',
    }
    for (const env of [{ REDIS_URI: '' }, { REDIS_URI: 'x', REDIS_URL: 'redis://localhost' }, others])
      expect(readEnvironment(env).misspelt).toEqual([])
  })

  test('is named along with the problems that it may have caused', () => {
    expect(problemsOf({ ...PRODUCTION, JWT_SECERT: SECRET })).toEqual([
      'JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL: came none, expected one of them with NODE_ENV=production',
      'JWT_SECERT is not a setting, perhaps JWT_SECRET is meant',
    ])
  })
})

describe('the table of settings', () => {
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

  test('is what docs/settings.md says', () => {
    expect(read('docs/settings.md'), 'run npm run contract').toBe(settingsPage())
  })

  test('has all that .env.example names', () => {
    const { names } = readEnvironment({})
    const shown = [...read('.env.example').matchAll(/^#?([A-Z_]+)=(.*)$/gm)]
    expect(shown.length).toBeGreaterThan(10)
    for (const [, name = ''] of shown) expect(names).toContain(name)
  })
})
