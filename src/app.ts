import { randomUUID, type KeyObject } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { PubSubEngine } from 'graphql-subscriptions'
import type { Logger } from 'pino'
import { createAdmin, createAnswers } from './admin/admin.ts'
import { createBatchLoader } from './lib/batch-loader.ts'
import { createAuth, signToken, type TokenClaims } from './auth/verify.ts'
import { createRevocations } from './auth/revocations.ts'
import { createChat, type Chat } from './chat/chat.ts'
import { beat, BEAT_MS, LEASE_MS } from './cluster/lease.ts'
import type { TypingChange } from './chat/typing.ts'
import { createRateLimit } from './transport/rate-limit.ts'
import { createDemoPages } from './demo/pages.ts'
import { DEMO_ADMIN, DEMO_USERS, seedDemo } from './demo/seed.ts'
import { devSecret } from './auth/dev-secret.ts'
import { renderGraphiqlPage } from './graphql/graphiql/graphiql.ts'
import { createOperations } from './graphql/operations.ts'
import { createSchema } from './graphql/schema.ts'
import { createHttpHandler } from './graphql/yoga.ts'
import { createActivity } from './admin/activity.ts'
import { createCheckpoints } from './live/checkpoints.ts'
import { createFeeds } from './live/feed.ts'
import { isTypingChange } from './live/hints.ts'
import { createTopics } from './live/topics.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { createControl } from './cluster/node-rpc.ts'
import { createMemoryPubSub } from './pubsub/memory.ts'
import { createPublisher, type SubscribeOptions } from './pubsub/publisher.ts'
import { explainRedisError, RedisStartError } from './pubsub/redis-problem.ts'
import { createRedisPubSub, type RedisPubSubEngine, type RedisStage } from './pubsub/redis.ts'
import { createKeptTexts } from './cluster/checkpoint-store.ts'
import { createRedisRegistry, type RedisRegistry } from './cluster/presence-registry.redis.ts'
import { createLocalRegistry } from './cluster/presence-registry.ts'
import { createRefusalLog } from './auth/refusal-log.ts'
import { hasMembers, isText } from './lib/received.ts'
import { SettingsError, type Settings } from './settings.ts'
import type { Circle } from './store/conversations.ts'
import { createDatabase, DatabaseStartError, type Database } from './store/database/client.ts'
import { migrate } from './store/migrations/migrate.ts'
import { createStore, type Store } from './store/store.ts'
import { createTimerWheel } from './lib/timer-wheel.ts'
import { createAddressLimit } from './transport/http/client-address.ts'
import { createConnections, REVOKED } from './live/connections.ts'
import { createGraphqlWsEndpoint } from './transport/graphql-ws/endpoint.ts'
import { createHttpServer, type HttpServer } from './transport/http/server.ts'
import { createLegacyEndpoint } from './transport/legacy/endpoint.ts'
import type { Readiness } from './transport/http/probes.ts'

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
  /** Stops within DRAIN_MS: running requests finish, sockets close with 1012. A second call does nothing more. */
  stop(): Promise<void>
}

/** Where nodes tell each other who types. */
const TYPING_CHANNEL = 'typing'

interface TypingNews {
  from: string
  change: TypingChange
}

const isTypingNews = hasMembers({ from: isText, change: isTypingChange })

const RETRY_MS = 500
const HOUR_MS = 3_600_000
const SWEEP_EVERY_MS = HOUR_MS / 6
const SWEEP_AT_ONCE = 1000
/** More hours than PostgreSQL's dates reach back are as good as all. */
const MAX_RETENTION_HOURS = 1_000_000
const DEMO_TOKEN_SECONDS = 7 * 24 * 3600

/** The whole server: everything is put together here, and nothing else is done. */
export function createApp(settings: Settings, log: Logger): App {
  const closers: Closer[] = []
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
  let running: Awaited<ReturnType<typeof start>> | undefined

  return {
    stop,
    useTls: (tls) => running?.useTls(tls),
    async start() {
      try {
        running = await start(
          settings,
          log,
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

async function start(
  settings: Settings,
  log: Logger,
  onStop: (closer: Closer) => void,
  isStopping: () => boolean,
): Promise<{ started: Started; useTls: HttpServer['useTls'] }> {
  const { databaseUrl, dataDir, jwtIssuer: issuer, jwtAudience: audience } = settings

  const database = await createDatabase({
    databaseUrl,
    dataDir,
    poolSize: settings.dbPoolSize,
    acquireTimeoutMs: settings.dbAcquireTimeoutMs,
    statementTimeoutMs: settings.dbStatementTimeoutMs,
  })
  onStop(() => database.close())

  const wheel = createTimerWheel()
  onStop(() => wheel.stop())
  const metrics = createMetrics({
    connections: () => connections.counts(),
    queued: () => connections.queued(),
    topics: () => topics.size(),
    pool: () => database.pool(),
    redis: () => redis && redis.pubsub.state() === 'up',
  })
  const { counts } = metrics
  const store = createStore(database, { onOrphans: (count) => (counts.leftOut.messageGone += count) })
  const failed = (stage: string) => (error: unknown, about?: object) => {
    metrics.failed(stage)
    log.error({ err: error, stage, ...about }, 'failed')
  }
  const report = failed('operation')

  const nodeId = randomUUID()
  let isStarting = true
  const redis = await openRedis(settings, nodeId, (stage, error) => {
    if (stage !== 'connect') return failed(`redis ${stage}`)(error)
    metrics.failed('redis connect')
    void explainRedisError(settings.redisUrl ?? '', error).then(({ message, isTemporary }) => {
      if (!isStarting) log.error({ stage: 'redis connect' }, message)
      else if (isTemporary) log.warn({ stage: 'redis connect' }, `${message} Waiting for it.`)
    })
  })
  if (redis) onStop(() => redis.pubsub.close())
  const pubsub: PubSubEngine = redis?.pubsub ?? createMemoryPubSub()
  const publisher = createPublisher(pubsub, failed('publish'))
  const loadCircle = createBatchLoader<number, Circle>(async (userIds) => {
    const circles = await store.conversations.circles(userIds)
    return userIds.map((userId) => circles.get(userId) as Circle)
  })
  const chat = createChat({
    store,
    publisher,
    wheel,
    counts,
    loadCircle,
    // More were measured to gain nothing.
    lanes: 1,
    presenceGraceMs: settings.presenceGraceMs,
    presenceGroupLimit: settings.presenceGroupLimit,
    groupAdditionsPerDay: settings.maxGroupAdditionsPerDay,
    registry: redis?.registry ?? createLocalRegistry(),
    tellTyping(change) {
      if (redis) pubsub.publish(TYPING_CHANNEL, { from: nodeId, change } satisfies TypingNews).catch(failed('publish'))
    },
    deliverLocally: (topic, event) => topics.deliverLocally(topic, event),
    onError(error) {
      // What an outage of Redis keeps from being told is told after it; it was reported once.
      if (redis?.pubsub.state() !== 'down') failed('presence')(error)
    },
  })
  onStop(() => chat.presence.stop())
  const topics = await createTopics({ pubsub, log: store.log, counts, onError: (stage, error) => failed(stage)(error) })
  onStop(() => topics.stop())
  if (databaseUrl !== undefined) onStop(every(settings.positionCheckMs, () => topics.check()))
  onStop(every(SWEEP_EVERY_MS, () => sweep(store, settings.eventRetentionHours).catch(failed('sweep'))))

  const showConnection = (kind: 'opened' | 'closed', userId: number, connectionId: string, name: string): void => {
    if (activity.isWatched)
      activity.record({ kind, userId, connectionId, name, code: null, conversationId: null, content: () => null })
  }
  const connections = createConnections({
    wheel,
    maxPerUser: settings.maxConnectionsPerUser,
    leewayMs: settings.jwtLeewaySeconds * 1000,
    isRevoked: (viewer) => revocations.isRevoked(viewer),
    onOpened(userId, connectionId, protocol) {
      log.debug({ connectionId, userId, protocol }, 'a connection opened')
      showConnection('opened', userId, connectionId, protocol)
      chat.presence.opened(userId)
    },
    onClosed(userId, connectionId, protocol) {
      log.debug({ connectionId, userId, protocol }, 'a connection closed')
      showConnection('closed', userId, connectionId, protocol)
      chat.typing.connectionClosed(connectionId)
      chat.presence.closed(userId)
    },
  })

  const revocations = createRevocations({
    store,
    onRevoked: (userId) => connections.disconnectUser(userId, REVOKED),
  })
  const answers = createAnswers({ connections, topics, revocations, activity: () => activity })
  onStop(() => answers.stop())
  const control = await createControl({
    pubsub,
    nodeId,
    nodes: () => redis?.registry.nodes() ?? Promise.resolve([]),
    handlers: answers.handlers,
    onError: failed('control'),
  })
  onStop(() => control.stop())
  const activity = createActivity({
    pubsub,
    nodeId,
    tellNodes: (watch) => control.ask('watch', watch, (result) => result === true),
    onError: failed('activity'),
  })
  onStop(() => activity.stop())
  if (redis) {
    await pubsub.subscribe(
      TYPING_CHANNEL,
      ({ from, change }: TypingNews) => {
        if (from !== nodeId) chat.typing.told(change)
      },
      { accepts: isTypingNews } satisfies SubscribeOptions,
    )
    const tick = (): void => {
      if (redis.pubsub.state() === 'up') beat(redis.registry, chat.presence).catch(failed('presence'))
    }
    redis.pubsub.onReconnected(() => {
      tick()
      void topics.check()
    })
    tick()
    onStop(every(BEAT_MS, tick))
    onStop(() => redis.pubsub.state() === 'up' && redis.registry.retire(settings.presenceGraceMs))
  }

  const { jwksUrl } = settings
  const key =
    jwksUrl !== undefined
      ? { kind: 'JWKS' as const, url: jwksUrl }
      : (settings.jwt ?? { kind: 'HS256' as const, key: await devSecret(dataDir) })
  const auth = createAuth({
    key,
    issuer,
    audience,
    leewaySeconds: settings.jwtLeewaySeconds,
    isRevoked: (viewer) => revocations.isRevoked(viewer),
    onOddClaim(oddity) {
      if (oddity.claim === 'exp') log.warn(oddity, 'a token ends in a far future')
      else log.info(oddity, 'a claim of a token is left out')
    },
    onError: failed('token keys'),
    onRefused: createRefusalLog(log),
  })
  const feeds = createFeeds({
    topics,
    log: store.log,
    loadCircle,
    counts,
    resumeLimit: settings.resumeLimit,
    // Each of a user's connections may resume at once.
    replayRate:
      settings.rateLimitPerSecond === 0
        ? { perSecond: 0, burst: 0 }
        : { perSecond: settings.resumeLimit, burst: settings.maxConnectionsPerUser * settings.resumeLimit },
    // So long may a node not know of an event that another one logged.
    overlapMs: redis ? 2 * settings.positionCheckMs + settings.dbStatementTimeoutMs : 0,
    checkpoints:
      redis &&
      createCheckpoints(createKeptTexts({ redis: redis.pubsub.commands, prefix: settings.redisPrefix }), () =>
        metrics.failed('checkpoint'),
      ),
  })
  const schema = createSchema()
  const admin = createAdmin({
    control,
    revocations,
    activity,
    log: store.log,
    audit: (entry) => log.warn(entry, 'an administrator watches activity'),
    note: (adminId, action, details) => log.info({ adminId, action, ...details }, 'an administrator acted'),
  })
  const operations = createOperations({
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
    report,
    activity,
    counts,
    open: !settings.production,
    persisted: settings.persistedDocuments,
  })

  const signer = key.kind === 'JWKS' ? undefined : demoSigner(settings, key)
  const unusable = [...(settings.persistedDocuments ?? [])].flatMap(([id, text]) =>
    operations.prepare(text).errors.map(({ message }) => `PERSISTED_DOCUMENTS: ${JSON.stringify(id)}: ${message}`),
  )
  if (unusable.length > 0) throw new SettingsError(unusable)
  const rateLimit = createRateLimit(settings.rateLimitPerSecond, settings.rateLimitBurst)
  const transport = {
    auth,
    connections,
    operations,
    admit: (viewer: Parameters<Chat['users']['ensure']>[0]) => chat.users.ensure(viewer),
    takeRequest(userId: number) {
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
  let asked: Promise<Readiness> | undefined
  const server = createHttpServer({
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
        lastEventId: () => store.log.lastId(),
      }),
    handler: createHttpHandler({ schema, operations, report }),
    graphqlWs: createGraphqlWsEndpoint({ ...transport, schema }),
    legacy: createLegacyEndpoint({
      ...transport,
      activity,
      logLeftOut: (event) => log.warn(event, 'an event could not be executed for legacy clients and is left out'),
    }),
    // Asked without a token: however often that is, storage and bus are asked once at a time.
    readiness: () => (asked ??= readiness(store, redis?.pubsub).finally(() => (asked = undefined))),
    metrics: () => metrics.render(),
    report,
  })
  const address = await server.listen()
  onStop(async (deadline) => {
    // What is left of the time is for what is stopped afterwards.
    await server.drain(Math.max(1, (deadline - Date.now()) * 0.8))
    await chat.messages.idle()
  })

  await prepare(database, log, isStopping)
  if (redis) await waitForRedis(settings.redisUrl ?? '', redis.pubsub, isStopping)
  isStarting = false
  // Two nodes that put it in at once get in each other's way; a server without demo data is a server all the same.
  if (settings.demo) await seedDemo(chat).catch(failed('demo data'))
  await revocations.refresh()
  if (databaseUrl !== undefined) {
    onStop(every(settings.positionCheckMs, () => revocations.refresh().catch(failed('revocations'))))
  }
  server.open()

  const demoTokens = signer
    ? [...DEMO_USERS, DEMO_ADMIN].map((user) => ({ isAdmin: false, ...user, userId: user.id, token: signer(user) }))
    : []
  return { started: { ...address, demoTokens }, useTls: server.useTls }
}

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

/** Calls about every `ms` milliseconds, each time a little different, so that nodes don't do it all at once. */
function every(ms: number, call: () => unknown): () => void {
  let timer: NodeJS.Timeout
  const next = (): void => {
    timer = setTimeout(
      () => {
        call()
        next()
      },
      ms * (0.8 + 0.4 * Math.random()),
    )
    timer.unref()
  }
  next()
  return () => clearTimeout(timer)
}

/** Takes events out of the log that are older than the retention. */
async function sweep(store: Store, retentionHours: number): Promise<void> {
  const hours = Math.min(retentionHours, MAX_RETENTION_HOURS)
  while ((await store.log.sweep(hours, SWEEP_AT_ONCE)) === SWEEP_AT_ONCE);
}

/** Redis for several nodes; undefined where there is only this one. */
async function openRedis(
  { redisUrl: url, redisPrefix: prefix }: Settings,
  nodeId: string,
  onError: (stage: RedisStage, error: unknown) => void,
): Promise<{ pubsub: RedisPubSubEngine; registry: RedisRegistry } | undefined> {
  if (url === undefined) return undefined
  const pubsub = await createRedisPubSub({ url, prefix, nodeId, onError })
  return { pubsub, registry: createRedisRegistry({ redis: pubsub.commands, prefix, nodeId, leaseMs: LEASE_MS }) }
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

type DemoUser = (typeof DEMO_USERS)[number] | typeof DEMO_ADMIN

/** Signs tokens for the demo's users; undefined outside of the demo, and where the key only verifies. */
function demoSigner(
  { demo, jwtIssuer: issuer, jwtAudience: audience }: Settings,
  { kind, key }: { kind: string; key: KeyObject },
): ((user: DemoUser) => string) | undefined {
  if (!demo || kind !== 'HS256') return undefined
  return ({ id: userId, ...rest }) => {
    const claims: TokenClaims = { userId, ttlSeconds: DEMO_TOKEN_SECONDS, issuer, audience, ...rest }
    return signToken(key, claims)
  }
}
