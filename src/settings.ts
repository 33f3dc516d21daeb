import { createPrivateKey, createPublicKey, createSecretKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { OperatorError } from './errors.ts'
import { findMisspelt, tellMisspelt, type Misspelt } from './lib/misspelt.ts'

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const NODE_ENVS = ['production', 'development', 'test'] as const

/** Largest number taken: the longest delay a Node timer keeps, and what an `Int` of GraphQL and PostgreSQL holds. */
const MAX_NUMBER = 2_147_483_647
const MIN_SECRET_BYTES = 32
const MIN_RSA_BITS = 2048

export type LogLevel = (typeof LOG_LEVELS)[number]

/** The algorithm is fixed with the key, so that a token can't choose how it is verified. */
export interface JwtKey {
  readonly kind: 'HS256' | 'RS256' | 'ES256'
  readonly key: KeyObject
}

/** The texts of two PEM files that belong together. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** The environment, read once at start. Names and units are those of the variables. */
export interface Settings {
  readonly host: string
  /** 0 lets the system pick one. */
  readonly port: number
  /** Where `/metrics` and `/ready` are served; absent: on the public port. 0 lets the system pick one. */
  readonly metricsPort: number | undefined
  readonly metricsHost: string
  /** How long an HTTP connection may idle between two requests. */
  readonly keepAliveTimeoutMs: number
  /** Absent: the embedded database in `dataDir`. */
  readonly databaseUrl: string | undefined
  /** A folder, or `memory:`. */
  readonly dataDir: string
  readonly dbPoolSize: number
  readonly dbAcquireTimeoutMs: number
  readonly dbStatementTimeoutMs: number
  /** A server's URL, or those of a cluster's nodes separated by commas. Absent: pub/sub inside this process. */
  readonly redisUrl: string | undefined
  readonly redisPrefix: string
  /** How often a node compares its topic positions with the log's. */
  readonly positionCheckMs: number
  /** Absent only outside production: whoever verifies tokens makes a secret for this process. */
  readonly jwt: JwtKey | undefined
  /** Where to get the keys that tokens name, instead of one key. */
  readonly jwksUrl: string | undefined
  readonly jwtIssuer: string | undefined
  readonly jwtAudience: string | undefined
  /** How far the clocks of issuer and server may differ. */
  readonly jwtLeewaySeconds: number
  readonly production: boolean
  /** Demo data and demo tokens; never in production. */
  readonly demo: boolean
  readonly graphiql: boolean
  readonly pingIntervalMs: number
  /** 0: offline at once. */
  readonly presenceGraceMs: number
  /** Presence is not told to the members of larger groups. */
  readonly presenceGroupLimit: number
  /** 0 switches the limit off, as does a burst of 0. */
  readonly rateLimitPerSecond: number
  readonly rateLimitBurst: number
  /** How often a day others may put a user into a group; 0 switches the limit off. */
  readonly maxGroupAdditionsPerDay: number
  readonly maxConnectionsPerUser: number
  /** 0 switches the limit off. */
  readonly maxConnectionsPerAddress: number
  /** Proxies whose word on the client's address counts. */
  readonly trustedProxies: BlockList
  /** The only documents that clients may send, by their ids; absent: any. */
  readonly persistedDocuments: ReadonlyMap<string, string> | undefined
  readonly maxFrameBytes: number
  readonly maxBufferedBytes: number
  /** Of one answer, or of one result of a subscription. */
  readonly maxResponseBytes: number
  /** permessage-deflate for clients that offer it. */
  readonly wsCompression: boolean
  readonly eventRetentionHours: number
  readonly resumeLimit: number
  readonly drainMs: number
  /** As browsers write them in `Origin`; absent: every origin. */
  readonly allowedOrigins: readonly string[] | undefined
  /** Absent: plain HTTP. */
  readonly tls: TlsFiles | undefined
  readonly logLevel: LogLevel
}

export interface Environment {
  readonly settings: Settings
  /** The names of all settings. */
  readonly names: ReadonlySet<string>
  /** Variables that are no settings, with names close to those of settings. */
  readonly misspelt: readonly Misspelt[]
}

/** Carries every problem of the environment at once; holds no secret and no password. */
export class SettingsError extends OperatorError {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`invalid settings:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.name = 'SettingsError'
    this.problems = problems
  }
}

/** Why a value was refused: what came, in words that may be printed, and what was expected. */
class Refusal extends Error {
  constructor(came: string, expected: string) {
    super(`came ${came}, expected ${expected}`)
  }
}

/** A value as it may be printed: user and password taken out of URLs, long texts cut. */
const shown = (value: string): string => {
  const text = value.replace(/\/\/.*@/s, '//***@')
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text)
}

const parseNumber =
  (min: number, max = MAX_NUMBER) =>
  (value: string): number => {
    const number = /^(0|[1-9]\d{0,9})$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw new Refusal(shown(value), `an integer from ${min} to ${max}`)
  }

const positive = parseNumber(1)
const zeroOrMore = parseNumber(0)

const parseChoice =
  <T extends string>(choices: readonly T[]) =>
  (value: string): T => {
    const choice = choices.find((each) => each === value)
    if (choice !== undefined) return choice
    throw new Refusal(shown(value), `one of ${choices.join(', ')}`)
  }

const parseFlag = (value: string): boolean => parseChoice(['0', '1'])(value) === '1'

const parseText = (value: string): string => value

const tryUrl = (value: string): URL | null => (URL.canParse(value) ? new URL(value) : null)

/** Never prints the URL: what can't be parsed may still hold a password. */
const parseUrl =
  (schemes: readonly string[], needsHost: boolean) =>
  (value: string): string => {
    const expected = `a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`
    const url = tryUrl(value)
    if (url === null || !value.includes('://')) throw new Refusal('text that is no URL', expected)
    if (!schemes.includes(url.protocol)) throw new Refusal(`a URL that starts with ${url.protocol}//`, expected)
    if (needsHost && url.hostname === '') throw new Refusal('a URL without a host', expected)
    return value
  }

/** Several hosts, and a user without a host, are fine for libpq and not for URL: the store reads the rest. */
const parsePostgresUrl = (value: string): string =>
  /^postgres(ql)?:\/\//.test(value) ? value : parseUrl(['postgres:', 'postgresql:'], false)(value)

/** One server, or nodes of a cluster, which all speak TLS or none. What would have no effect is refused. */
const parseRedisUrl = (value: string): string => {
  const texts = value.split(',').map((each) => parseUrl(['redis:', 'rediss:'], true)(each.trim()))
  const urls = texts.map((text) => new URL(text))
  const [first] = urls as [URL]
  if (urls.some(({ protocol }) => protocol !== first.protocol))
    throw new Refusal('redis:// and rediss:// together', 'the same for all nodes of a cluster')
  const unknown = urls.flatMap(({ searchParams }) => [...searchParams.keys()]).filter((name) => name !== 'cluster')
  if (unknown.length > 0) throw new Refusal(`the parameter ${unknown.join(', ')}`, 'no parameter but cluster')
  if (urls.some(({ searchParams }) => !['true', 'false'].includes(searchParams.get('cluster') ?? 'true')))
    throw new Refusal('the parameter cluster with another value', 'cluster=true or cluster=false')
  const isCluster = urls.length > 1 || first.searchParams.get('cluster') === 'true'
  if (isCluster && urls.some(({ pathname }) => !['', '/', '/0'].includes(pathname)))
    throw new Refusal('the number of a database', 'none for a cluster, which has one only')
  if (urls.some(({ pathname }) => !/^\/?\d*$/.test(pathname))) throw new Refusal('a path', 'none, or the number of a database')
  const isAsFirst = ({ username, password }: URL): boolean =>
    (username === '' && password === '') || (username === first.username && password === first.password)
  if (!urls.every(isAsFirst)) throw new Refusal('several users or passwords', 'the same for all nodes of a cluster')
  return texts.join(',')
}

/** Origins in the form that browsers send: lower-case host, no default port, nothing after it. */
const parseOrigins = (value: string): readonly string[] =>
  value.split(',').map((item) => {
    const text = item.trim()
    const url = tryUrl(text)
    const isOrigin = url !== null && url.host !== '' && /^[a-z][a-z\d+.-]*:\/\/[^/?#@\\\s]+\/?$/i.test(text)
    if (!isOrigin) throw new Refusal(shown(text), 'origins such as https://chat.example.com, separated by commas')
    return `${url.protocol}//${url.host}`
  })

/** A set of addresses and networks, such as `10.0.0.0/8` or `::1`. Throws what is wrong with one of them. */
function parseNetworks(values: readonly string[]): BlockList {
  const list = new BlockList()
  for (const value of values) {
    const [address = '', bits] = value.split('/')
    const version = isIP(address)
    const longest = version === 6 ? 128 : 32
    if (version === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= longest))) throw new Error(value)
    list.addSubnet(address, bits === undefined ? longest : Number(bits), version === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

const parseProxies = (value: string): BlockList => {
  try {
    return parseNetworks(value.split(',').map((each) => each.trim()))
  } catch (error) {
    throw new Refusal(shown((error as Error).message), 'addresses or networks such as 10.0.0.0/8, separated by commas')
  }
}

/** Keys decide who is who: only over TLS, but from this machine. */
const parseJwksUrl = (value: string): string => {
  const text = parseUrl(['https:', 'http:'], true)(value)
  const { protocol, hostname } = new URL(text)
  if (protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname))
    throw new Refusal('a URL that starts with http://', 'one that starts with https://')
  return text
}

const parseDocumentsFile = (path: string): ReadonlyMap<string, string> => {
  const expected = 'the path of a JSON file with an object of documents by their ids'
  let documents: unknown
  try {
    documents = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new Refusal(`${shown(path)}, which can't be read as JSON`, expected)
  }
  const isObject = typeof documents === 'object' && documents !== null && !Array.isArray(documents)
  const entries = isObject ? Object.entries(documents as object) : []
  if (!isObject || entries.some(([, text]) => typeof text !== 'string'))
    throw new Refusal(`${shown(path)}, which holds no such thing`, expected)
  return new Map(entries as [string, string][])
}

const parseSecret = (value: string): JwtKey => {
  const bytes = Buffer.from(value)
  if (bytes.length < MIN_SECRET_BYTES) throw new Refusal(`${bytes.length} bytes`, `at least ${MIN_SECRET_BYTES} bytes`)
  return { kind: 'HS256', key: createSecretKey(bytes) }
}

/** Line ends may be written as `\n`, as env files that hold one line for each variable need it. */
const parsePublicKey = (value: string): JwtKey => {
  const expected = `the PEM of a public RSA key of at least ${MIN_RSA_BITS} bits or of a public EC key on P-256`
  const pem = value.replaceAll('\\n', '\n')
  if (pem.includes('PRIVATE KEY-----')) throw new Refusal('a private key', expected)
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    throw new Refusal('text that is no PEM of a key', expected)
  }
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < MIN_RSA_BITS) throw new Refusal(`an RSA key of ${modulusLength} bits`, expected)
    return { kind: 'RS256', key }
  }
  if (key.asymmetricKeyType === 'ec') {
    if (namedCurve !== 'prime256v1') throw new Refusal(`an EC key on ${namedCurve}`, expected)
    return { kind: 'ES256', key }
  }
  throw new Refusal(`a key of type ${key.asymmetricKeyType}`, expected)
}

/** Reads a file and has `check` throw where it is not what the name says. */
const parsePemFile =
  (what: string, check: (pem: string) => unknown) =>
  (path: string): string => {
    const expected = `the path of a PEM file with ${what}`
    if (path.includes('-----BEGIN')) throw new Refusal('the PEM itself', expected)
    let pem: string
    try {
      pem = readFileSync(path, 'utf8')
    } catch {
      throw new Refusal(`${shown(path)}, which can't be read`, expected)
    }
    try {
      check(pem)
    } catch {
      throw new Refusal(`${shown(path)}, which holds no such thing`, expected)
    }
    return pem
  }

const parseCertFile = parsePemFile('a certificate', (pem) => new X509Certificate(pem))
const parseKeyFile = parsePemFile('an unencrypted private key', createPrivateKey)

/** Secrets that may be given as the path of a file that holds them, as container platforms mount them. */
const SECRETS = ['JWT_SECRET', 'DATABASE_URL', 'REDIS_URL']

/** The environment with the secrets of its files. */
const withSecretFiles = (env: NodeJS.ProcessEnv, problems: string[]): NodeJS.ProcessEnv => {
  const result = { ...env }
  for (const name of SECRETS) {
    const file = `${name}_FILE`
    const path = env[file] ?? ''
    if (path === '') continue
    if ((env[name] ?? '') !== '') problems.push(`${name}, ${file}: came both, expected only one of them`)
    const expected = `the path of a file that holds ${name}`
    try {
      // Editors and most tools end a file with a line end.
      result[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
      if (result[name] === '') problems.push(`${file}: came ${shown(path)}, which is empty, expected ${expected}`)
    } catch {
      problems.push(`${file}: came ${shown(path)}, which can't be read, expected ${expected}`)
    }
  }
  return result
}

/**
 * Reads and checks every variable; an empty one counts as absent. Tells besides which other variables have names so close to
 * a setting's that they were probably meant for it.
 *
 * @throws SettingsError with all problems, where there is any
 */
export const readEnvironment = (environment: NodeJS.ProcessEnv): Environment => {
  const problems: string[] = []
  const env = withSecretFiles(environment, problems)
  const names = new Set(SECRETS.map((name) => `${name}_FILE`))
  const has = (name: string): boolean => (environment[name] ?? '') !== '' || (environment[`${name}_FILE`] ?? '') !== ''

  /** A refused value counts as absent from here on: its problem is noted and the others are still looked for. */
  const read = <T, D>(name: string, parse: (value: string) => T, absent: D): T | D => {
    names.add(name)
    const value = env[name]
    if (value === undefined || value === '') return absent
    try {
      return parse(value)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      problems.push(`${name}: ${error.message}`)
      return absent
    }
  }

  const production = read('NODE_ENV', parseChoice(NODE_ENVS), undefined) === 'production'

  const secret = read('JWT_SECRET', parseSecret, undefined)
  const publicKey = read('JWT_PUBLIC_KEY', parsePublicKey, undefined)
  const jwksUrl = read('JWKS_URL', parseJwksUrl, undefined)
  const keys = ['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWKS_URL']
  const given = keys.filter(has)
  if (given.length > 1)
    problems.push(`${given.join(', ')}: came ${given.length === 2 ? 'both' : 'all'}, expected only one of them`)
  if (production && given.length === 0)
    problems.push(`${keys.join(', ')}: came none, expected one of them with NODE_ENV=production`)

  if (production && !has('DATABASE_URL')) {
    if (has('REDIS_URL'))
      problems.push('DATABASE_URL: came none, expected the database that all nodes share, as they share REDIS_URL')
    else if (!has('DATA_DIR'))
      problems.push('DATABASE_URL: came none, expected one with NODE_ENV=production; for the embedded database set DATA_DIR')
  }

  const demo = read('DEMO', parseFlag, !production && !has('DATABASE_URL'))
  if (production && demo) problems.push('DEMO: came "1", expected 0 with NODE_ENV=production')

  const cert = read('TLS_CERT', parseCertFile, undefined)
  const key = read('TLS_KEY', parseKeyFile, undefined)
  if (has('TLS_CERT') !== has('TLS_KEY'))
    problems.push(`TLS_CERT, TLS_KEY: came only ${has('TLS_CERT') ? 'TLS_CERT' : 'TLS_KEY'}, expected both or neither`)
  const tls = cert !== undefined && key !== undefined ? { cert, key } : undefined
  if (tls && !new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key)))
    problems.push('TLS_CERT, TLS_KEY: came a certificate and the key of another one, expected two that belong together')

  const settings: Settings = {
    host: read('HOST', parseText, '127.0.0.1'),
    port: read('PORT', parseNumber(0, 65_535), 4000),
    metricsPort: read('METRICS_PORT', parseNumber(0, 65_535), undefined),
    metricsHost: read('METRICS_HOST', parseText, env['HOST'] || '127.0.0.1'),
    keepAliveTimeoutMs: read('KEEP_ALIVE_TIMEOUT_MS', positive, 75_000),
    databaseUrl: read('DATABASE_URL', parsePostgresUrl, undefined),
    dataDir: read('DATA_DIR', parseText, '.data'),
    dbPoolSize: read('DB_POOL_SIZE', positive, 10),
    dbAcquireTimeoutMs: read('DB_ACQUIRE_TIMEOUT_MS', positive, 3000),
    dbStatementTimeoutMs: read('DB_STATEMENT_TIMEOUT_MS', positive, 4000),
    redisUrl: read('REDIS_URL', parseRedisUrl, undefined),
    redisPrefix: read('REDIS_PREFIX', parseText, 'chat:'),
    positionCheckMs: read('POSITION_CHECK_MS', positive, 5000),
    jwt: secret ?? publicKey,
    jwksUrl,
    jwtIssuer: read('JWT_ISSUER', parseText, undefined),
    jwtAudience: read('JWT_AUDIENCE', parseText, undefined),
    jwtLeewaySeconds: read('JWT_LEEWAY_SECONDS', zeroOrMore, 5),
    production,
    demo,
    graphiql: read('GRAPHIQL', parseFlag, !production),
    pingIntervalMs: read('PING_INTERVAL_MS', positive, 30_000),
    presenceGraceMs: read('PRESENCE_GRACE_MS', zeroOrMore, 5000),
    presenceGroupLimit: read('PRESENCE_GROUP_LIMIT', positive, 1000),
    rateLimitPerSecond: read('RATE_LIMIT_PER_SECOND', zeroOrMore, 50),
    rateLimitBurst: read('RATE_LIMIT_BURST', zeroOrMore, 100),
    maxGroupAdditionsPerDay: read('MAX_GROUP_ADDITIONS_PER_DAY', zeroOrMore, 200),
    maxConnectionsPerUser: read('MAX_CONNECTIONS_PER_USER', positive, 20),
    maxConnectionsPerAddress: read('MAX_CONNECTIONS_PER_ADDRESS', zeroOrMore, 10_000),
    trustedProxies: read('TRUSTED_PROXIES', parseProxies, parseNetworks([])),
    persistedDocuments: read('PERSISTED_DOCUMENTS', parseDocumentsFile, undefined),
    maxFrameBytes: read('MAX_FRAME_BYTES', positive, 65_536),
    maxBufferedBytes: read('MAX_BUFFERED_BYTES', positive, 1_048_576),
    maxResponseBytes: read('MAX_RESPONSE_BYTES', positive, 4_194_304),
    wsCompression: read('WS_COMPRESSION', parseFlag, false),
    eventRetentionHours: read('EVENT_RETENTION_HOURS', positive, 168),
    resumeLimit: read('RESUME_LIMIT', positive, 1000),
    drainMs: read('DRAIN_MS', positive, 10_000),
    allowedOrigins: read('ALLOWED_ORIGINS', parseOrigins, undefined),
    tls,
    logLevel: read('LOG_LEVEL', parseChoice(LOG_LEVELS), 'info'),
  }
  const misspelt = findMisspelt(env, names)
  if (problems.length > 0) throw new SettingsError([...problems, ...misspelt.map(tellMisspelt)])
  for (const value of [settings.jwt, settings.tls, settings.allowedOrigins]) Object.freeze(value)
  return { settings: Object.freeze(settings), names, misspelt }
}

/** Reads and checks every variable. Throws SettingsError with all problems, where there is any. */
export const loadSettings = (env: NodeJS.ProcessEnv): Settings => readEnvironment(env).settings
