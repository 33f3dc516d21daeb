import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { PubSubEngine } from 'graphql-subscriptions'
import type { Logger } from 'pino'
import { createActivity, type Activity } from './admin/activity.ts'
import { Admin } from './admin/admin.ts'
import { handleAdminRequests, applyBan } from './admin/node-answers.ts'
import { createBans, type Bans } from './auth/bans.ts'
import { devSecret } from './auth/dev-secret.ts'
import { createRefusalLog } from './auth/refusal-log.ts'
import { createRevocations, type Revocations } from './auth/revocations.ts'
import { createAuth, type Auth, type AuthKey } from './auth/verify.ts'
import type { TypingChange } from './chat/typing.ts'
import { createCheckpointStore } from './cluster/checkpoint-store.ts'
import { HEARTBEAT_MS, heartbeat, LEASE_MS } from './cluster/lease.ts'
import { createNodeRpc } from './cluster/node-rpc.ts'
import { createLocalRegistry } from './cluster/presence-registry.ts'
import { RedisRegistry } from './cluster/presence-registry.redis.ts'
import { createTypingRelay, type TypingRelay } from './cluster/typing-relay.ts'
import { createCore, type Core, type CoreSettings } from './core.ts'
import { createDemoPages } from './demo/pages.ts'
import { DEMO_ADMIN, DEMO_USERS, seedDemo } from './demo/seed.ts'
import { createDemoSigner, type DemoSigner } from './demo/signer.ts'
import { renderGraphiqlPage } from './graphql/graphiql/graphiql.ts'
import { Operations } from './graphql/operations.ts'
import { createSchema } from './graphql/schema.ts'
import { createHttpHandler } from './graphql/yoga.ts'
import { every } from './lib/schedule.ts'
import { createTimerWheel, type TimerWheel } from './lib/timer-wheel.ts'
import { createCheckpoints } from './live/checkpoints.ts'
import { Connections, REVOKED } from './live/connections.ts'
import { isTypingChange } from './live/hints.ts'
import { createMemoryPubSub } from './pubsub/memory.ts'
import { explainRedisError, RedisStartError } from './pubsub/redis-problem.ts'
import { createRedisPubSub, type RedisPubSubEngine } from './pubsub/redis.ts'
import { SettingsError, type Settings } from './settings.ts'
import { createDatabase, DatabaseStartError, type Database } from './store/database/client.ts'
import { migrate } from './store/migrations/migrate.ts'
import { createStore, type Store } from './store/store.ts'
import { createMetrics, type Metrics, type WorkerMetrics } from './telemetry/metrics.ts'
import { GraphqlWsEndpoint } from './transport/graphql-ws/endpoint.ts'
import { createAddressLimit } from './transport/http/client-address.ts'
import type { Readiness } from './transport/http/probes.ts'
import { HttpServer } from './transport/http/server.ts'
import { createLegacyEndpoint } from './transport/legacy/endpoint.ts'
import { createRateLimit } from './transport/rate-limit.ts'

/** A user's token to try the server with. */
export interface DemoToken {
  userId: number
  name: string
  isAdmin: boolean
  token: string
}

export interface Started {
  host: string
  port: number
  /** Where the metrics are served; undefined: on the same port. */
  metricsPort: number | undefined
  /** In demo mode, the users' and the admin's; empty where the server can't sign. */
  demoTokens: readonly DemoToken[]
}

export interface App {
  /** Resolves when the server answers; rejects with what is wrong, after undoing what was started. */
  start(): Promise<Started>
  /** Takes another certificate for connections from now on. Throws where they don't belong together. */
  useTls(tls: NonNullable<Settings['tls']>): void
  /** This process's metrics as JSON. */
  metrics(): Promise<unknown>
  /** Stops within DRAIN_MS: running requests finish, sockets close with 1012. A second call does nothing more. */
  stop(): Promise<void>
}

const RETRY_MS = 500
const HOUR_MS = 3_600_000
const SWEEP_EVERY_MS = HOUR_MS / 6
/** How often the search index is completed from the database. */
const INDEX_EVERY_MS = 60_000
const SWEEP_AT_ONCE = 1000
const RETENTION_EVERY_MS = 60_000
/** As far back as the statistics go. */
const STATISTICS_DAYS = 366
/** How often a node looks for changed profiles that were not announced, as after another one died. */
const PROFILE_SWEEP_MS = 5000
/** More hours than PostgreSQL's dates reach back are as good as all. */
const MAX_RETENTION_HOURS = 1_000_000

/** The whole server: everything is put together here, and nothing else is done. */
export function createApp(settings: Settings, log: Logger, worker?: WorkerMetrics): App {
  const closers: Closer[] = []
  const metrics = createMetrics(worker)
  let closing: Promise<void> | undefined

  /** Undoes what was started, last first, whatever one of them says. */
  async function close(): Promise<void> {
    const deadline = Date.now() + settings.drainMs
    for (const closer of closers.reverse()) {
      try {
        await closer(deadline)
      } catch (error) {
        log.error({ err: error }, 'could not be stopped in order')
      }
    }
  }

  const stop = (): Promise<void> => (closing ??= close())
  let running: Running | undefined

  return {
    stop,
    useTls: (tls) => running?.useTls(tls),
    metrics: () => metrics.asJson(),
    async start() {
      try {
        running = await start(
          settings,
          log,
          metrics,
          (closer) => void closers.push(closer),
          () => closing !== undefined,
        )
        return running.started
      } catch (error) {
        await stop()
        throw error
      }
    },
  }
}

/** Gives something back before the deadline, in milliseconds since the epoch. */
type Closer = (deadline: number) => unknown

interface Running {
  started: Started
  useTls: HttpServer['useTls']
}

/** Reports what failed where nobody waits for an answer. */
type Failed = (stage: string) => (error: unknown, about?: object) => void

/** What everything else is made with. */
interface Base {
  settings: Settings
  log: Logger
  onStop: (closer: Closer) => void
  isStopping: () => boolean
  metrics: Metrics
  failed: Failed
  wheel: TimerWheel
  nodeId: string
}

async function start(
  settings: Settings,
  log: Logger,
  metrics: Metrics,
  onStop: (closer: Closer) => void,
  isStopping: () => boolean,
): Promise<Running> {
  const database = await openDatabase(settings)
  onStop(() => database.close())
  const wheel = createTimerWheel()
  onStop(() => wheel.stop())
  const failed: Failed = (stage) => (error, about) => {
    metrics.failed(stage)
    log.error({ err: error, stage, ...about }, 'failed')
  }
  const base: Base = { settings, log, onStop, isStopping, metrics, failed, wheel, nodeId: randomUUID() }

  const store = createStore(database, { onOrphans: (count) => (metrics.counts.leftOut.messageGone += count) })
  const bus = await openBus(base)
  const core = await openCore(base, store, bus)
  const refusals: Refusals = { revocations: createRevocations(store), bans: createBans(store) }
  const { key, auth } = await openAuth(base, refusals)
  const { connections, activity, admin } = await openConnections(base, core, bus, refusals)
  metrics.watch({
    connections: () => connections.counts(),
    queued: () => connections.queued(),
    topics: () => core.topics.size(),
    pool: () => database.pool(),
    redis: () => bus.redis && bus.redis.state() === 'up',
  })

  const signer = createDemoSigner(settings, key)
  const node: Node = { ...base, core, bus, ...refusals, auth, connections, activity, admin, signer }
  const server = createServer(node)
  const address = await server.listen()
  onStop(async (deadline) => {
    // What is left of the time is for what is stopped afterwards.
    await server.drain(Math.max(1, (deadline - Date.now()) * 0.8))
    await core.chat.messages.idle()
  })
  await prepare(database, log, isStopping)
  await checkHistory(node)
  await bus.begin(isStopping)
  // Two nodes that put it in at once get in each other's way; a server without demo data is a server all the same.
  if (settings.demo) await seedDemo(core.chat).catch(failed('demo data'))
  await beginRevocations(node)
  beginPositionChecks(node)
  beginSearchIndex(node)
  beginProfileSweeps(node)
  sweepMessages(core, settings).catch(failed('retention'))
  server.open()
  return { started: { ...address, demoTokens: demoTokens(signer) }, useTls: (tls) => server.useTls(tls) }
}

const openDatabase = (settings: Settings): Promise<Database> =>
  createDatabase({
    databaseUrl: settings.databaseUrl,
    dataDir: settings.dataDir,
    poolSize: settings.dbPoolSize,
    acquireTimeoutMs: settings.dbAcquireTimeoutMs,
    statementTimeoutMs: settings.dbStatementTimeoutMs,
  })

/** What connects the nodes: Redis, or nothing but this process where there is one node. */
interface Bus {
  pubsub: PubSubEngine
  redis: RedisPubSubEngine | undefined
  registry: RedisRegistry | undefined
  typingRelay: TypingRelay<TypingChange> | undefined
  /** Waits for a Redis that is away, before the server opens. Throws RedisStartError where waiting does not help. */
  begin(isStopping: () => boolean): Promise<void>
}

async function openBus({ settings, nodeId, onStop, failed, metrics, log }: Base): Promise<Bus> {
  const { redisUrl: url, redisPrefix: prefix } = settings
  if (url === undefined) {
    const pubsub = createMemoryPubSub()
    return { pubsub, redis: undefined, registry: undefined, typingRelay: undefined, begin: () => Promise.resolve() }
  }
  let isStarting = true
  const redis = await createRedisPubSub({
    url,
    prefix,
    nodeId,
    onError(stage, error) {
      if (stage !== 'connect') return failed(`redis ${stage}`)(error)
      metrics.failed('redis connect')
      void explainRedisError(url, error).then(({ message, isTemporary }) => {
        if (!isStarting) log.error({ stage: 'redis connect' }, message)
        else if (isTemporary) log.warn({ stage: 'redis connect' }, `${message} Waiting for it.`)
      })
    },
  })
  onStop(() => redis.close())
  return {
    pubsub: redis,
    redis,
    registry: new RedisRegistry({ redis: redis.commands, prefix, nodeId, leaseMs: LEASE_MS }),
    typingRelay: createTypingRelay<TypingChange>({ pubsub: redis, nodeId, accepts: isTypingChange, onError: failed('publish') }),
    async begin(isStopping) {
      await waitForRedis(url, redis, isStopping)
      isStarting = false
    },
  }
}

function coreSettings(settings: Settings, isClustered: boolean): CoreSettings {
  const { resumeLimit, maxConnectionsPerUser } = settings
  return {
    // The rest of the pool is for everything else; the embedded database has one connection.
    snapshotLimit: settings.databaseUrl === undefined ? 1 : Math.max(1, Math.floor(settings.dbPoolSize / 3)),
    messageEditHours: settings.messageEditHours,
    presenceGraceMs: settings.presenceGraceMs,
    presenceGroupLimit: settings.presenceGroupLimit,
    groupAdditionsPerDay: settings.maxGroupAdditionsPerDay,
    resumeLimit,
    // Each of a user's connections may resume at once.
    replayRate:
      settings.rateLimitPerSecond === 0
        ? { perSecond: 0, burst: 0 }
        : { perSecond: resumeLimit, burst: maxConnectionsPerUser * resumeLimit },
    // So long may a node not know of an event that another one logged.
    overlapMs: isClustered ? 2 * settings.positionCheckMs + settings.dbStatementTimeoutMs : 0,
  }
}

async function openCore({ settings, metrics, wheel, onStop, failed }: Base, store: Store, bus: Bus): Promise<Core> {
  const { redis, registry, typingRelay } = bus
  const core = await createCore(coreSettings(settings, redis !== undefined), {
    store,
    pubsub: bus.pubsub,
    wheel,
    counts: metrics.counts,
    registry: registry ?? createLocalRegistry(),
    checkpoints:
      redis &&
      createCheckpoints(createCheckpointStore({ redis: redis.commands, prefix: settings.redisPrefix }), () =>
        metrics.failed('checkpoint'),
      ),
    relayTyping: (change) => typingRelay?.send(change),
    onError(stage, error) {
      // What an outage of Redis keeps from being announced is announced after it; it was reported once.
      if (stage !== 'presence' || redis?.state() !== 'down') failed(stage)(error)
    },
  })
  const { chat, topics, searchIndex } = core
  onStop(() => topics.stop())
  onStop(() => chat.presence.stop())
  onStop(() => chat.profileUpdates.stop())
  onStop(() => searchIndex.flush())
  onStop(every(SWEEP_EVERY_MS, () => sweep(core, settings).catch(failed('sweep'))))
  onStop(every(RETENTION_EVERY_MS, () => sweepMessages(core, settings).catch(failed('retention'))))
  await typingRelay?.receive((change) => chat.typing.onRemoteChange(change))
  if (redis && registry) {
    const beat = (): void => {
      if (redis.state() === 'up') heartbeat(registry, chat.presence).catch(failed('presence'))
    }
    redis.onReconnected(() => {
      beat()
      void topics.check()
    })
    beat()
    onStop(every(HEARTBEAT_MS, beat))
    onStop(() => redis.state() === 'up' && registry.deregister(settings.presenceGraceMs))
  }
  return core
}

/** Whose tokens are refused, though they are good. */
interface Refusals {
  revocations: Revocations
  bans: Bans
}

async function openAuth({ settings, log, failed }: Base, { revocations, bans }: Refusals): Promise<{ key: AuthKey; auth: Auth }> {
  const { jwksUrl } = settings
  const key: AuthKey =
    jwksUrl !== undefined
      ? { kind: 'JWKS', url: jwksUrl }
      : (settings.jwt ?? { kind: 'HS256', key: await devSecret(settings.dataDir) })
  const auth = createAuth({
    key,
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    leewaySeconds: settings.jwtLeewaySeconds,
    isRevoked: (viewer) => revocations.isRevoked(viewer),
    banOf: (userId) => bans.textOf(userId),
    onOddClaim(oddity) {
      if (oddity.claim === 'exp') log.warn(oddity, 'a token ends in a far future')
      else log.info(oddity, 'a claim of a token is left out')
    },
    onError: failed('token keys'),
    onRefused: createRefusalLog(log),
  })
  return { key, auth }
}

interface Live {
  connections: Connections
  activity: Activity
  admin: Admin
}

/** The connections of this node, and what admins see and do of all nodes. */
async function openConnections(base: Base, core: Core, bus: Bus, { revocations, bans }: Refusals): Promise<Live> {
  const { settings, log, nodeId, onStop, failed, wheel } = base
  const { chat, topics, store } = core
  const { pubsub, registry } = bus
  const nodes = () => registry?.nodes() ?? Promise.resolve([])
  const rpc = await createNodeRpc({ pubsub, nodeId, nodes, onError: failed('control') })
  onStop(() => rpc.stop())
  const activity = createActivity({
    pubsub,
    nodeId,
    announce: (watch) => rpc.request('watch', watch, (result) => result === true),
    onError: failed('activity'),
  })
  onStop(() => activity.stop())
  const record = (kind: 'opened' | 'closed', userId: number, connectionId: string, name: string): void => {
    log.debug({ connectionId, userId, protocol: name }, `a connection ${kind}`)
    if (activity.isWatched)
      activity.record({ kind, userId, connectionId, name, code: null, conversationId: null, content: () => null })
  }
  const connections = new Connections({
    wheel,
    maxPerUser: settings.maxConnectionsPerUser,
    leewayMs: settings.jwtLeewaySeconds * 1000,
    isRevoked: (viewer) => revocations.isRevoked(viewer),
    banOf: (userId) => bans.textOf(userId),
    onOpened(userId, connectionId, protocol) {
      record('opened', userId, connectionId, protocol)
      chat.presence.opened(userId)
    },
    onClosed(userId, connectionId, protocol) {
      record('closed', userId, connectionId, protocol)
      chat.typing.connectionClosed(connectionId)
      chat.presence.closed(userId)
    },
  })
  onStop(handleAdminRequests({ rpc, connections, topics, revocations, bans, activity }))
  const admin = new Admin({
    rpc,
    revocations,
    activity,
    applyBan: (ban) => void applyBan({ bans, connections }, ban),
    log: store.log,
    commits: core.commits,
    store,
    noteWatch: (entry) => log.warn(entry, 'an administrator watches activity'),
    note: (adminId, action, details) => log.info({ adminId, action, ...details }, 'an administrator acted'),
  })
  return { connections, activity, admin }
}

/** A node without its server. */
interface Node extends Base, Live, Refusals {
  core: Core
  bus: Bus
  auth: Auth
  signer: DemoSigner | undefined
}

function openOperations(node: Node, schema: ReturnType<typeof createSchema>): Operations {
  const { settings, metrics, core, auth, connections, activity, admin, failed } = node
  const { chat, feeds } = core
  const operations = new Operations({
    schema,
    services: {
      maxResponseBytes: settings.maxResponseBytes,
      chat,
      feeds,
      admin,
      tokens: {
        async refresh(connectionId, token) {
          const viewer = await auth.verify(token, connections.addressOf(connectionId))
          connections.renew(connectionId, viewer)
          if (!viewer.isAdmin) admin.endWatches(connectionId)
          await chat.users.ensure(viewer)
          return viewer.expiresAt
        },
      },
    },
    report: failed('operation'),
    activity,
    counts: metrics.counts,
    open: !settings.production,
    persisted: settings.persistedDocuments,
  })
  const unusable = [...(settings.persistedDocuments ?? [])].flatMap(([id, text]) =>
    operations.parse(text).errors.map(({ message }) => `PERSISTED_DOCUMENTS: ${JSON.stringify(id)}: ${message}`),
  )
  if (unusable.length > 0) throw new SettingsError(unusable)
  return operations
}

/** The HTTP server with all protocols. */
function createServer(node: Node): HttpServer {
  const { settings, log, metrics, failed, core, bus, auth, connections, activity, signer } = node
  const { counts } = metrics
  const schema = createSchema()
  const operations = openOperations(node, schema)
  const report = failed('operation')
  const rateLimit = createRateLimit(settings.rateLimitPerSecond, settings.rateLimitBurst)
  const transport = {
    auth,
    connections,
    operations,
    ensureUser: (viewer: Parameters<typeof core.chat.users.ensure>[0]) => core.chat.users.ensure(viewer),
    consumeRateLimit(userId: number) {
      try {
        rateLimit.take(userId)
      } catch (error) {
        counts.limited++
        throw error
      }
    },
    counts,
    maxFrameBytes: settings.maxFrameBytes,
    maxBufferedBytes: settings.maxBufferedBytes,
    compress: settings.wsCompression,
  }
  let checking: Promise<Readiness> | undefined
  return new HttpServer({
    ...transport,
    host: settings.host,
    port: settings.port,
    metricsPort: settings.metricsPort,
    metricsHost: settings.metricsHost,
    keepAliveTimeoutMs: settings.keepAliveTimeoutMs,
    tls: settings.tls,
    allowedOrigins: settings.allowedOrigins,
    addresses: createAddressLimit(settings.maxConnectionsPerAddress),
    trustedProxies: settings.trustedProxies,
    maxBodyBytes: settings.maxFrameBytes,
    pingIntervalMs: settings.pingIntervalMs,
    graphiqlPage: settings.graphiql ? (withToken) => renderGraphiqlPage(withToken ? signer?.(DEMO_ADMIN) : undefined) : undefined,
    demoPages:
      signer &&
      createDemoPages({
        users: () => DEMO_USERS.map((user) => ({ id: String(user.id), name: user.name, token: signer(user) })),
        graphiql: settings.graphiql,
        lastEventId: () => core.store.log.lastId(),
      }),
    handler: createHttpHandler({ schema, operations, report }),
    graphqlWs: new GraphqlWsEndpoint({ ...transport, schema }),
    legacy: createLegacyEndpoint({
      ...transport,
      activity,
      logLeftOut: (event) => log.warn(event, 'an event could not be executed for legacy clients and is left out'),
    }),
    // Needs no token: however often it is requested, storage and bus are checked once at a time.
    readiness: () => (checking ??= readiness(core.store, bus.redis).finally(() => (checking = undefined))),
    metrics: () => metrics.render(),
    report,
  })
}

/** Reads what was revoked and who is banned, and again every POSITION_CHECK_MS where other nodes may revoke. */
async function beginRevocations({ settings, revocations, bans, connections, onStop, failed }: Node): Promise<void> {
  const refresh = async (): Promise<void> => {
    for (const userId of await revocations.refresh()) connections.disconnectUser(userId, REVOKED)
    for (const userId of await bans.refresh()) connections.disconnectUser(userId, bans.textOf(userId), 'banned')
  }
  await refresh()
  if (settings.databaseUrl !== undefined) onStop(every(settings.positionCheckMs, () => refresh().catch(failed('revocations'))))
}

/** Announces changed profiles that were not announced, now and every PROFILE_SWEEP_MS. */
function beginProfileSweeps({ core, onStop, failed }: Node): void {
  const sweep = (): Promise<void> => core.chat.profileUpdates.sweep().catch(failed('profile update'))
  void sweep()
  onStop(every(PROFILE_SWEEP_MS, sweep))
}

/** Says where the database went back to an earlier state: what was lost is not in the log, and clients that resume are told so. */
async function checkHistory({ core, log }: Pick<Node, 'core' | 'log'>): Promise<void> {
  const repair = await core.store.checkHistory()
  if (repair)
    log.warn(
      { lastEventId: repair.lastEventId },
      'the database is another one, or of an earlier time, than when a server looked last: ids go on beyond what may be lost, and a resume over it is not complete',
    )
}

/** Compares with the log what this node has delivered, for hints may be lost and the database may go back. */
function beginPositionChecks(node: Node): void {
  const { settings, core, onStop, failed } = node
  if (settings.databaseUrl === undefined) return
  const check = async (): Promise<void> => {
    await checkHistory(node)
    await core.topics.check()
  }
  onStop(every(settings.positionCheckMs, () => check().catch(failed('check'))))
}

/** Adds to the search index what a crash, an import or an older version left out, now and then again. */
function beginSearchIndex({ core, onStop, isStopping, failed }: Node): void {
  let running: Promise<void> | undefined
  const catchUp = (): void => {
    running ??= core.searchIndex
      .catchUp(isStopping)
      .catch(failed('search index'))
      .finally(() => (running = undefined))
  }
  catchUp()
  const stop = every(INDEX_EVERY_MS, catchUp)
  onStop(async () => {
    stop()
    await running
  })
}

const demoTokens = (signer: DemoSigner | undefined): DemoToken[] =>
  signer ? [...DEMO_USERS, DEMO_ADMIN].map((user) => ({ isAdmin: false, ...user, userId: user.id, token: signer(user) })) : []

/** Brings the database to our schema, waiting for a server that is away. Throws DatabaseStartError. */
async function prepare(database: Database, log: Logger, isStopping: () => boolean): Promise<void> {
  let waitsFor = ''
  while (!isStopping()) {
    try {
      await database.check()
      await migrate(database)
      return
    } catch (error) {
      if (!(error instanceof DatabaseStartError) || !error.isTemporary) throw error
      if (waitsFor !== error.message) log.warn(`${error.message} Waiting for it.`)
      waitsFor = error.message
      await wait(RETRY_MS)
    }
  }
}

/** Waits for a Redis that is away. Throws RedisStartError for one that waiting does not help. */
async function waitForRedis(url: string, pubsub: RedisPubSubEngine, isStopping: () => boolean): Promise<void> {
  let known: unknown
  while (!isStopping() && pubsub.state() === 'down') {
    const error = pubsub.problem()
    if (error !== undefined && error !== known) {
      known = error
      const { message, isTemporary } = await explainRedisError(url, error)
      if (!isTemporary) throw new RedisStartError(message)
    }
    await wait(RETRY_MS)
  }
}

/** Deletes messages that are older than their retention; one sweep at a time. */
async function sweepMessages({ chat }: Core, { messageRetentionDays: days }: Settings): Promise<void> {
  if (days > 0) await chat.retention.sweep(Math.min(days, MAX_RETENTION_HOURS))
}

/** Takes away what is older than its retention, and notes who is active today. */
async function sweep({ store, chat }: Core, { eventRetentionHours, auditRetentionDays }: Settings): Promise<void> {
  await chat.presence.noteActive()
  await store.directory.forgetActive(STATISTICS_DAYS)
  const hours = Math.min(eventRetentionHours, MAX_RETENTION_HOURS)
  while ((await store.log.sweep(hours, SWEEP_AT_ONCE)) === SWEEP_AT_ONCE);
  const days = Math.min(auditRetentionDays, MAX_RETENTION_HOURS)
  while ((await store.audit.sweep(days, SWEEP_AT_ONCE)) === SWEEP_AT_ONCE);
}

async function readiness(store: Store, redis: RedisPubSubEngine | undefined): Promise<Readiness> {
  const check = (ping: Promise<void>): Promise<'up' | 'down'> =>
    ping.then(
      () => 'up',
      () => 'down',
    )
  const checks = { database: await check(store.ping()), ...(redis ? { redis: await check(redis.ping()) } : {}) }
  return { isReady: Object.values(checks).every((state) => state === 'up'), checks }
}
