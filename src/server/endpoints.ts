import { createDemoPages } from '../demo/pages.ts'
import { DEMO_ADMIN, DEMO_USERS } from '../demo/seed.ts'
import { renderGraphiqlPage } from '../graphql/graphiql/graphiql.ts'
import { Operations } from '../graphql/operations.ts'
import { createSchema } from '../graphql/schema.ts'
import { createHttpHandler } from '../graphql/yoga.ts'
import type { RedisPubSubEngine } from '../pubsub/redis.ts'
import { SettingsError, type Settings } from '../settings.ts'
import type { Store } from '../store/store.ts'
import type { Counts } from '../telemetry/counters.ts'
import { GraphqlWsEndpoint } from '../transport/graphql-ws/endpoint.ts'
import { createAddressLimit } from '../transport/http/client-address.ts'
import type { Readiness } from '../transport/http/probes.ts'
import { HttpServer } from '../transport/http/server.ts'
import { createLegacyEndpoint } from '../transport/legacy/endpoint.ts'
import { createRateLimit, type RateLimit } from '../transport/rate-limit.ts'
import type { Node } from './node.ts'

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
    refusalOf: (viewer) => auth.refusalOf(viewer),
    viewerOf: (connectionId) => connections.viewerOf(connectionId),
  })
  const unusable = [...(settings.persistedDocuments ?? [])].flatMap(([id, text]) =>
    operations.parse(text).errors.map(({ message }) => `PERSISTED_DOCUMENTS: ${JSON.stringify(id)}: ${message}`),
  )
  if (unusable.length > 0) throw new SettingsError(unusable)
  return operations
}

/** How many requests a new connection counts as, in a bucket of its own. */
const OPENING_REQUESTS = 5

/** What the transports take a user's requests and new connections from. */
function rateLimits({ rateLimitPerSecond: perSecond, rateLimitBurst: burst, maxConnectionsPerUser }: Settings, counts: Counts) {
  const requests = createRateLimit({ perSecond, burst })
  // All devices of a user may come back at the same time.
  const openings = createRateLimit({
    perSecond: perSecond / OPENING_REQUESTS,
    burst: Math.max(burst, maxConnectionsPerUser),
    what: 'new connections',
  })
  const counted = (limit: RateLimit) => (userId: number) => {
    try {
      limit.take(userId)
    } catch (error) {
      counts.limited++
      throw error
    }
  }
  return { consumeRateLimit: counted(requests), consumeOpening: counted(openings) }
}

/** The HTTP server with all protocols. */
export function createServer(node: Node): HttpServer {
  const { settings, log, metrics, failed, core, bus, auth, connections, activity, signer } = node
  const { counts } = metrics
  const schema = createSchema()
  const operations = openOperations(node, schema)
  const report = failed('operation')
  const transport = {
    auth,
    connections,
    operations,
    ensureUser: (viewer: Parameters<typeof core.chat.users.ensure>[0]) => core.chat.users.ensure(viewer),
    ...rateLimits(settings, counts),
    counts,
    maxFrameBytes: settings.maxFrameBytes,
    maxBufferedBytes: settings.maxBufferedBytes,
    compression: settings.wsCompression,
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
    // Needs no token: concurrent requests share one check of storage and bus.
    readiness: (isStarting) => {
      // The embedded database has one connection: the check would wait until it is migrated.
      if (isStarting && settings.databaseUrl === undefined)
        return Promise.resolve({ isReady: false, checks: { database: 'down' } })
      return (checking ??= readiness(core.store, bus.redis).finally(() => (checking = undefined)))
    },
    metrics: () => metrics.render(),
    report,
  })
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
