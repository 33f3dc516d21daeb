import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { createBans } from './auth/bans.ts'
import { createRevocations } from './auth/revocations.ts'
import { DEMO_ADMIN, DEMO_USERS, seedDemo } from './demo/seed.ts'
import { createDemoSigner, type DemoSigner } from './demo/signer.ts'
import { createTimerWheel } from './lib/timer-wheel.ts'
import { redisPrefixOf } from './pubsub/redis-prefix.ts'
import { beginPositionChecks, beginProfileSweeps, beginRevocations, beginSearchIndex, beginSweeps } from './server/background.ts'
import type { Base, Closer, Failed } from './server/base.ts'
import { openBus } from './server/bus.ts'
import { openDatabase, prepare } from './server/database.ts'
import { createServer } from './server/endpoints.ts'
import { openAuth, openConnections, openCore, type Node, type Refusals } from './server/node.ts'
import type { Settings } from './settings.ts'
import { createStore } from './store/store.ts'
import { createMetrics, type Metrics, type WorkerMetrics } from './telemetry/metrics.ts'
import type { HttpServer } from './transport/http/server.ts'

const WENT_BACK =
  'the database is another one, or of an earlier time, than when a server looked last: ids go on beyond what may be lost, and a resume over it is not complete'

/** A user's token for trying out the server. */
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
  /** In demo mode, the users' and the admin's; empty if the server can't sign tokens. */
  demoTokens: readonly DemoToken[]
}

export interface App {
  /** Resolves when the server accepts requests; rejects with what is wrong, after undoing what was started. */
  start(): Promise<Started>
  /** Another certificate for connections from now on. Throws if certificate and key don't belong together. */
  useTls(tls: NonNullable<Settings['tls']>): void
  /** This process's metrics as JSON. */
  metrics(): Promise<unknown>
  /** Stops within DRAIN_MS: running requests finish, sockets close with 1012. A second call does nothing more. */
  stop(): Promise<void>
}

/** This process among several that share the port. */
export interface AppWorker extends WorkerMetrics {
  /** Others serve the port already: it listens when it can serve, so that it takes no connections from them before. */
  joins: boolean
}

/** Assembles the whole server, and does nothing else. */
export function createApp(settings: Settings, log: Logger, worker?: AppWorker): App {
  const closers: Closer[] = []
  const metrics = createMetrics(worker)
  let closing: Promise<void> | undefined

  /** Undoes what was started, last first, even if a step fails. */
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
          worker?.joins ?? false,
        )
        return running.started
      } catch (error) {
        await stop()
        throw error
      }
    },
  }
}

interface Running {
  started: Started
  useTls: HttpServer['useTls']
}

async function start(
  settings: Settings,
  log: Logger,
  metrics: Metrics,
  onStop: (closer: Closer) => void,
  isStopping: () => boolean,
  listensLast: boolean,
): Promise<Running> {
  const database = await openDatabase(settings)
  onStop(() => database.close())
  const wheel = createTimerWheel()
  onStop(() => wheel.stop())
  const failed: Failed = (stage) => (error, about) => {
    metrics.failed(stage)
    log.error({ err: error, stage, ...about }, 'failed')
  }
  const redisPrefix = redisPrefixOf(settings.redisPrefix, database.schema)
  const base: Base = {
    settings: { ...settings, redisPrefix },
    log,
    onStop,
    isStopping,
    metrics,
    failed,
    wheel,
    nodeId: randomUUID(),
  }

  let replaced = (): void => undefined
  const store = createStore(database, {
    onOrphans: (count) => (metrics.counts.leftOut.messageGone += count),
    onRepaired: ({ lastEventId }) => log.warn({ lastEventId }, WENT_BACK),
    onReplaced: () => replaced(),
  })
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
  const early = listensLast ? undefined : await server.listen()
  onStop(async (deadline) => {
    // The rest of the time is for what is stopped afterwards.
    await server.drain(Math.max(1, (deadline - Date.now()) * 0.8))
    await core.chat.messages.idle()
  })
  await prepare(database, log, isStopping)
  await store.checkHistory()
  await bus.begin(isStopping)
  // Two nodes that insert it at the same time may conflict; a server without demo data still works.
  if (settings.demo) await seedDemo(core.chat).catch(failed('demo data'))
  await beginRevocations(node)
  beginPositionChecks(node)
  beginSearchIndex(node)
  beginProfileSweeps(node)
  beginSweeps(node)
  replaced = () => {
    core.chat.users.forget()
    // Clients that were given what is lost now resume, and are told.
    server.reconnectClients().catch(failed('check'))
  }
  server.open()
  const address = early ?? (await server.listen())
  return { started: { ...address, demoTokens: demoTokens(signer) }, useTls: (tls) => server.useTls(tls) }
}

const demoTokens = (signer: DemoSigner | undefined): DemoToken[] =>
  signer ? [...DEMO_USERS, DEMO_ADMIN].map((user) => ({ isAdmin: false, ...user, userId: user.id, token: signer(user) })) : []
