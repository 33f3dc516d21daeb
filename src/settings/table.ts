/**
 * The table of settings. It parses (readEnvironment), prints `npm start -- --help` and generates docs/settings.md: to add a
 * setting, add a row here; its key is the property of Settings.
 */
import {
  parseCertFile,
  parseChoice,
  parseCompression,
  parseDocumentsFile,
  parseFlag,
  parseJwksUrl,
  parseKeyFile,
  parseNumber,
  parseOrigins,
  parsePostgresUrl,
  parseProxies,
  parsePublicKey,
  parseRedisUrl,
  parseSecret,
  parseText,
  parseWorkers,
  positive,
  zeroOrMore,
} from './values.ts'

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const NODE_ENVS = ['production', 'development', 'test'] as const

const parsePort = parseNumber(0, 65_535)

export interface SettingTexts {
  /** What it is, in one sentence without a full stop: for `--help` and docs/settings.md. */
  readonly about: string
  /** Further text for docs/settings.md: a sentence without a full stop, as Markdown. */
  readonly more?: string
  /** The default in words, if it is not a single value. */
  readonly shown?: string
}

/** A variable of the environment, how its text is parsed, and the value if it is absent. */
export interface Setting<T> extends SettingTexts {
  readonly variable: string
  readonly parse: (value: string) => T
  readonly absent: T
  /** Whether `<variable>_FILE` may name a file that holds it. */
  readonly isSecret: boolean
}

const setting = <T, const D>(
  variable: string,
  parse: (value: string) => T,
  absent: D,
  texts: SettingTexts & { readonly isSecret?: boolean },
): Setting<T | D> => ({ variable, parse, absent, isSecret: false, ...texts })

const SERVED = {
  host: setting('HOST', parseText, '127.0.0.1', { about: 'the address to listen on; 0.0.0.0: all of this machine' }),
  port: setting('PORT', parsePort, 4000, { about: 'the port of HTTP and WebSocket; 0 picks a free one and prints it' }),
  metricsPort: setting('METRICS_PORT', parsePort, undefined, {
    about: 'another port for /metrics and /ready, which are then 404 on PORT',
    more: 'plain HTTP; `/health` is on both',
  }),
  metricsHost: setting('METRICS_HOST', parseText, undefined, { about: 'where METRICS_PORT is served', shown: '`HOST`' }),
  tlsCert: setting('TLS_CERT', parseCertFile, undefined, {
    about: 'path of a PEM file with a certificate: serve https and wss',
    more: 'SIGHUP reads both files again, for new connections',
  }),
  tlsKey: setting('TLS_KEY', parseKeyFile, undefined, { about: 'path of a PEM file with the private key to TLS_CERT' }),
  allowedOrigins: setting('ALLOWED_ORIGINS', parseOrigins, undefined, {
    about: 'browser origins, separated by commas; absent: all',
    more: '`https://chat.example.com` for example; others are refused on HTTP and on WebSocket',
  }),
  trustedProxies: setting('TRUSTED_PROXIES', parseProxies, [], {
    about: "addresses or networks whose X-Forwarded-For tells the client's address",
    more: '`10.0.0.0/8` for example',
    shown: 'none',
  }),
  keepAliveTimeoutMs: setting('KEEP_ALIVE_TIMEOUT_MS', positive, 75_000, {
    about: 'how long an HTTP connection may idle between two requests',
    more: 'longer than the pool of a proxy in front',
  }),
  pingIntervalMs: setting('PING_INTERVAL_MS', positive, 30_000, {
    about: 'WebSocket pings; a peer that misses two is terminated',
  }),
  wsCompression: setting('WS_COMPRESSION', parseCompression, false, {
    about: '1: permessage-deflate for clients that offer it; shared: events are compressed once for all clients together',
    more: '`1` takes many times the CPU time for each delivery; see [operations](operations.md#compression)',
  }),
}

const DATABASE = {
  databaseUrl: setting('DATABASE_URL', parsePostgresUrl, undefined, {
    about: 'PostgreSQL 13 or newer; absent: the embedded database in DATA_DIR',
    more: 'It looks like `postgresql://user:password@host:5432/database`, with [what else libpq takes](operations.md#database_url); production requires it, or `DATA_DIR`',
    isSecret: true,
  }),
  dataDir: setting('DATA_DIR', parseText, '.data', {
    about: 'folder of the embedded database; memory: keeps nothing',
    more: 'the secret for tokens is there too where no key is set; other users of the machine are shut out of it at start',
  }),
  dbPoolSize: setting('DB_POOL_SIZE', positive, 10, { about: 'most connections to PostgreSQL' }),
  dbAcquireTimeoutMs: setting('DB_ACQUIRE_TIMEOUT_MS', positive, 3000, { about: 'how long a query waits for a free connection' }),
  dbStatementTimeoutMs: setting('DB_STATEMENT_TIMEOUT_MS', positive, 4000, { about: 'how long one statement may run' }),
  eventRetentionHours: setting('EVENT_RETENTION_HOURS', positive, 168, { about: 'how far back resume reaches' }),
  messageRetentionDays: setting('MESSAGE_RETENTION_DAYS', zeroOrMore, 0, {
    about: 'messages that are older are deleted for good; 0: none',
    more: 'with their receipts, reactions and mentions; looked for at start and every minute, deleted in small batches',
  }),
  auditRetentionDays: setting('AUDIT_RETENTION_DAYS', positive, 365, {
    about: 'how long the audit log of what admins do is kept',
  }),
  resumeLimit: setting('RESUME_LIMIT', positive, 1000, { about: 'most events of one replay' }),
}

const NODES = {
  redisUrl: setting('REDIS_URL', parseRedisUrl, undefined, {
    about: 'redis:// or rediss://, connects the nodes; absent: one node only',
    more: "a Redis Cluster: the URLs of some of its nodes, separated by commas, or one with `?cluster=true`; Sentinel: `redis+sentinel://host:26379,host:26379/name` ([operations](operations.md#failover-of-redis)); a certificate authority of your own goes into Node's `NODE_EXTRA_CA_CERTS`",
    isSecret: true,
  }),
  redisPrefix: setting('REDIS_PREFIX', parseText, 'chat:', { about: 'before every key and channel in Redis' }),
  positionCheckMs: setting('POSITION_CHECK_MS', positive, 5000, {
    about: 'with PostgreSQL: how often a node looks in the log for events that no hint announced',
  }),
}

const TOKENS = {
  jwtSecret: setting('JWT_SECRET', parseSecret, undefined, { about: 'HS256 secret of at least 32 bytes', isSecret: true }),
  jwtPublicKey: setting('JWT_PUBLIC_KEY', parsePublicKey, undefined, {
    about: 'PEM of an RSA or P-256 key instead of a secret',
    more: 'RS256 with 2048 bits or more, or ES256; line ends may be written as `\\n`',
  }),
  jwksUrl: setting('JWKS_URL', parseJwksUrl, undefined, {
    about: 'where an identity provider publishes its keys, instead of one key',
    more: 'keys (RS256, ES256) are fetched when a token first names one, kept for 10 minutes, and longer while the provider does not answer',
  }),
  jwtIssuer: setting('JWT_ISSUER', parseText, undefined, { about: 'the iss that tokens must have, where set' }),
  jwtAudience: setting('JWT_AUDIENCE', parseText, undefined, { about: 'the aud that tokens must have, where set' }),
  jwtLeewaySeconds: setting('JWT_LEEWAY_SECONDS', zeroOrMore, 5, {
    about: 'how far the clocks of issuer and server may differ',
    more: 'so long before `nbf` and after `exp` a token is good',
  }),
}

const FEATURES = {
  nodeEnv: setting('NODE_ENV', parseChoice(NODE_ENVS), undefined, {
    about: 'production: a key for tokens is required, no demo, GraphiQL only if asked for',
    more: '`DATABASE_URL` or `DATA_DIR` is required too, and introspection is for admins; else `development` or `test`',
  }),
  demo: setting('DEMO', parseFlag, undefined, {
    about: "1: the demo's page, data and tokens",
    more: 'refused in production',
    shown: '`1` outside production without `DATABASE_URL`, else `0`',
  }),
  graphiql: setting('GRAPHIQL', parseFlag, undefined, {
    about: '1: serve the GraphiQL page',
    more: 'outside the demo a token goes into its headers tab',
    shown: '`1`, in production `0`',
  }),
  persistedDocuments: setting('PERSISTED_DOCUMENTS', parseDocumentsFile, undefined, {
    about: 'JSON file of the only documents that clients may send, by their ids',
    more: 'admins may send others; a request names one in `extensions.persistedQuery.sha256Hash`, or sends its exact text',
  }),
}

const LIMITS = {
  rateLimitPerSecond: setting('RATE_LIMIT_PER_SECOND', zeroOrMore, 50, {
    about: 'requests of one user on one node; 0: no limit',
    more: 'all protocols together, pings too',
  }),
  rateLimitBurst: setting('RATE_LIMIT_BURST', zeroOrMore, 100, { about: 'so many of them at once; 0: no limit' }),
  maxGroupAdditionsPerDay: setting('MAX_GROUP_ADDITIONS_PER_DAY', zeroOrMore, 200, {
    about: 'how often a day others may put a user into a group; 0: no limit',
    more: 'a day of UTC, on all nodes together',
  }),
  maxGroupsCreatedPerDay: setting('MAX_GROUPS_CREATED_PER_DAY', zeroOrMore, 200, {
    about: 'how many groups a user may create a day; 0: no limit',
    more: 'a day of UTC, on all nodes together; admins have no limit',
  }),
  maxConnectionsPerUser: setting('MAX_CONNECTIONS_PER_USER', positive, 20, { about: 'live connections of one user on one node' }),
  maxConnectionsPerAddress: setting('MAX_CONNECTIONS_PER_ADDRESS', zeroOrMore, 10_000, {
    about: 'sockets and SSE streams of one client address on one node; 0: no limit',
    more: 'an IPv6 network of 64 bits counts as one address',
  }),
  maxFrameBytes: setting('MAX_FRAME_BYTES', positive, 65_536, { about: 'largest inbound frame or HTTP body' }),
  maxBufferedBytes: setting('MAX_BUFFERED_BYTES', positive, 1_048_576, {
    about: 'outbound bytes that a slow connection may have waiting',
  }),
  maxResponseBytes: setting('MAX_RESPONSE_BYTES', positive, 4_194_304, {
    about: 'bytes of one GraphQL answer, or of one result of a subscription',
    more: 'a larger one is `BAD_USER_INPUT`, and a subscription goes on',
  }),
  messageEditHours: setting('MESSAGE_EDIT_HOURS', zeroOrMore, 48, {
    about: 'how long a sender may edit a message; 0: for ever',
  }),
  presenceGraceMs: setting('PRESENCE_GRACE_MS', zeroOrMore, 5000, {
    about: 'how long a user stays online after the last connection closed; 0: not at all',
  }),
  presenceGroupLimit: setting('PRESENCE_GROUP_LIMIT', positive, 1000, {
    about: 'members of larger groups are not notified of presence',
  }),
}

const PROCESS = {
  workers: setting('WORKERS', parseWorkers, 1, {
    about: 'server processes that share the port; auto: one for each core',
    more: 'more than one needs `DATABASE_URL` and `REDIS_URL`; see [operations](operations.md#all-cores)',
  }),
  drainMs: setting('DRAIN_MS', positive, 10_000, { about: 'longest time from SIGTERM to exit' }),
  logLevel: setting('LOG_LEVEL', parseChoice(LOG_LEVELS), 'info', {
    about: 'fatal, error, warn, info, debug, trace or silent',
    more: 'the log is JSON lines on standard error',
  }),
}

/** Not parsed here: the SDK of OpenTelemetry reads it. */
const OTEL = setting('OTEL_EXPORTER_OTLP_ENDPOINT', parseText, undefined, {
  about: "where to send OpenTelemetry traces; the SDK's other OTEL_ variables count too",
  more: 'OTLP over HTTP',
})

export const TABLE = { ...SERVED, ...DATABASE, ...NODES, ...TOKENS, ...FEATURES, ...LIMITS, ...PROCESS }

/** The values of all settings, by property. */
export type Values = { readonly [Name in keyof typeof TABLE]: (typeof TABLE)[Name]['absent'] }

/** In the order in which they are shown. */
export const GROUPS: readonly { readonly title: string; readonly settings: readonly Setting<unknown>[] }[] = [
  { title: 'HTTP and WebSocket', settings: Object.values(SERVED) },
  { title: 'Database and event log', settings: Object.values(DATABASE) },
  { title: 'Several nodes', settings: Object.values(NODES) },
  { title: 'Tokens', settings: Object.values(TOKENS) },
  { title: 'What is served', settings: Object.values(FEATURES) },
  { title: 'Limits and presence', settings: Object.values(LIMITS) },
  { title: 'The process', settings: [...Object.values(PROCESS), OTEL] },
]
