/** A node of the simulated cluster: everything of `createApp` but the HTTP server, the database's driver and the real tokens. */
import type { IncomingMessage } from 'node:http'
import type { Admin } from '../../src/admin/admin.ts'
import { createBans } from '../../src/auth/bans.ts'
import type { Auth, Viewer } from '../../src/auth/verify.ts'
import type { TypingChange } from '../../src/chat/typing.ts'
import { createCheckpointStore } from '../../src/cluster/checkpoint-store.ts'
import { HEARTBEAT_MS, heartbeat, LEASE_MS } from '../../src/cluster/lease.ts'
import { RedisRegistry } from '../../src/cluster/presence-registry.redis.ts'
import { createTypingRelay } from '../../src/cluster/typing-relay.ts'
import { createCore, type Core } from '../../src/core.ts'
import { ChatError } from '../../src/errors.ts'
import { Operations } from '../../src/graphql/operations.ts'
import { HotOperations } from '../../src/graphql/hot-operations.ts'
import { PreparedDocuments } from '../../src/graphql/requests.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { every } from '../../src/lib/schedule.ts'
import { createTimerWheel } from '../../src/lib/timer-wheel.ts'
import { createCheckpoints } from '../../src/live/checkpoints.ts'
import { Connections } from '../../src/live/connections.ts'
import { isTypingChange } from '../../src/live/hints.ts'
import { createCounts } from '../../src/telemetry/counters.ts'
import { GraphqlWsEndpoint } from '../../src/transport/graphql-ws/endpoint.ts'
import { createLegacyEndpoint } from '../../src/transport/legacy/endpoint.ts'
import { createRedis, NodeBus, type Bus } from './bus.ts'
import { createModelStore } from './model/store.ts'
import type { ModelDatabase } from './model/database.ts'
import type { Listener, ServerSocket } from './sockets.ts'
import { currentWorld, owner, type Owner } from './world.ts'

export interface NodeSettings {
  resumeLimit: number
  maxBufferedBytes: number
  /** How many bytes are on their way, or wait for their reader, before a writer has to wait. */
  windowBytes: number
  /** How often a node notices late that a connection is broken. */
  silence: number
  positionCheckMs: number
  /** Whether positions are checked: if not, nothing else may be needed. */
  checksPositions: boolean
  statementTimeoutMs: number
  subscribeMs: number
  /** Whether operations of clients are compiled, as those are that have been executed often. */
  compiles: boolean
}

/** Prepared once for all runs of this process. */
const schema = createSchema()
const documentsWith = (hotExecutions: number) =>
  new PreparedDocuments({ schema, open: true, hot: new HotOperations(undefined, { hotExecutions, everyMs: -Infinity }) })
/** Which operations are compiled must not depend on what the process has run before: it decides what happens in which microtask. */
const compiledDocuments = documentsWith(1)
const interpretedDocuments = documentsWith(Infinity)

/** `<user id>.<expires at, by the true time>`; what is signed is no part of the simulation. */
export const tokenOf = (userId: number, expiresAt = Number.MAX_SAFE_INTEGER): string => `${userId}.${expiresAt}`

function createAuth(): Auth {
  async function verify(token: string): Promise<Viewer> {
    const [userId = Number.NaN, expiresAt = 0] = token.split('.').map(Number)
    if (!(expiresAt > Date.now())) throw new ChatError('UNAUTHENTICATED', 'the token has expired')
    return { userId, name: undefined, avatar: undefined, isAdmin: false, issuedAt: 0, expiresAt }
  }
  return {
    refusalOf: () => undefined,
    verify,
    verifyHeader: async (header) => await verify((header ?? '').replace(/^Bearer /, '')),
  }
}

export interface Failure {
  stage: string
  error: unknown
}

export class SimNode implements Listener {
  readonly owner: Owner
  readonly #bus: Bus
  readonly #database: ModelDatabase
  readonly #settings: NodeSettings
  readonly #failed: (failure: Failure) => void
  readonly #sockets = new Set<ServerSocket>()
  #endpoints: Record<string, ReturnType<typeof createLegacyEndpoint>> | undefined
  #stops: (() => void)[] = []
  #pubsub: NodeBus
  core: Core | undefined
  operations: Operations | undefined

  constructor(
    name: string,
    parts: { bus: Bus; database: ModelDatabase; settings: NodeSettings; failed: (failure: Failure) => void; offset: number },
  ) {
    this.owner = owner(name, parts.offset)
    this.#bus = parts.bus
    this.#database = parts.database
    this.#settings = parts.settings
    this.#failed = parts.failed
    this.#pubsub = new NodeBus(parts.bus, this.owner)
  }

  get windowBytes(): number {
    return this.#settings.windowBytes
  }

  get silence(): number {
    return this.#settings.silence
  }

  get isUp(): boolean {
    return this.#endpoints !== undefined && !this.owner.isDead
  }

  accept(socket: ServerSocket, path: string, headers: Record<string, string>): void {
    if (!this.#endpoints) return void socket.destroy()
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const request = { method: 'GET', url: path, headers, socket } as unknown as IncomingMessage
    void this.#endpoints[path]?.upgrade(request, socket, Buffer.alloc(0), '127.0.0.1')
  }

  /** What `createApp` starts, in the same order. */
  async start(): Promise<void> {
    const { resumeLimit, positionCheckMs, checksPositions, statementTimeoutMs } = this.#settings
    const failed = (stage: string) => (error: unknown) => this.#failed({ stage, error })
    const store = createModelStore(this.#database, this.owner)
    const redis = createRedis(this.#bus, this.owner)
    const nodeId = this.owner.name
    const registry = new RedisRegistry({ redis, prefix: '', nodeId, leaseMs: LEASE_MS })
    const relay = createTypingRelay<TypingChange>({
      pubsub: this.#pubsub,
      nodeId,
      accepts: isTypingChange,
      onError: failed('publish'),
    })
    const wheel = createTimerWheel(500)
    const counts = createCounts()
    const core = await createCore(
      {
        snapshotLimit: 4,
        messageEditHours: 48,
        presenceGraceMs: 2000,
        presenceGroupLimit: 1000,
        groupAdditionsPerDay: 0,
        eventRetentionHours: 24,
        groupsCreatedPerDay: 0,
        resumeLimit,
        replayRate: { perSecond: 0, burst: 0 },
        overlapMs: 2 * positionCheckMs + statementTimeoutMs,
      },
      {
        store,
        pubsub: this.#pubsub,
        wheel,
        counts,
        registry,
        checkpoints: createCheckpoints(createCheckpointStore({ redis, prefix: '' })),
        relayTyping: (change) => relay.send(change),
        onError: (stage, error) => this.#failed({ stage, error }),
      },
    )
    this.core = core
    await relay.receive((change) => core.chat.typing.onRemoteChange(change))
    this.#stops.push(every(HEARTBEAT_MS, () => heartbeat(registry, core.chat.presence).catch(failed('presence'))))
    if (checksPositions) this.#stops.push(every(positionCheckMs, () => core.topics.check().catch(failed('check'))))
    heartbeat(registry, core.chat.presence).catch(failed('presence'))
    this.#open(core, { wheel, counts, failed })
  }

  #open(
    core: Core,
    {
      wheel,
      counts,
      failed,
    }: {
      wheel: ReturnType<typeof createTimerWheel>
      counts: ReturnType<typeof createCounts>
      failed: (stage: string) => (error: unknown) => void
    },
  ): void {
    const { chat, feeds } = core
    const bans = createBans({ bans: { since: () => Promise.resolve({ bans: [], readAt: 0 }) } } as never)
    const connections = new Connections({
      wheel,
      maxPerUser: 20,
      isRevoked: () => false,
      banOf: (userId) => bans.textOf(userId),
      onOpened: (userId) => chat.presence.opened(userId),
      onClosed(userId, connectionId) {
        chat.typing.connectionClosed(connectionId)
        chat.presence.closed(userId)
      },
    })
    const auth = createAuth()
    const tokens = {
      async refresh(connectionId: string, token: string) {
        const viewer = await auth.verify(token)
        connections.renew(connectionId, viewer)
        return viewer.expiresAt
      },
    }
    const activity = { isWatched: false, record: () => undefined }
    const report = failed('operation')
    const operations = new Operations({
      schema,
      documents: this.#settings.compiles ? compiledDocuments : interpretedDocuments,
      services: { chat, feeds, admin: {} as Admin, tokens },
      report,
      activity,
      counts,
      open: true,
    })
    this.operations = operations
    const transport = {
      auth,
      connections,
      operations,
      ensureUser: (viewer: Viewer) => chat.users.ensure(viewer),
      consumeRateLimit: () => undefined,
      consumeOpening: () => undefined,
      counts,
      maxFrameBytes: 65_536,
      maxBufferedBytes: this.#settings.maxBufferedBytes,
      compression: false,
    }
    this.#endpoints = {
      '/graphql': new GraphqlWsEndpoint({ ...transport, schema }),
      '/ws/connect': createLegacyEndpoint({ ...transport, activity, logLeftOut: failed('left out') }),
    }
  }

  /** The bus can be reached again. */
  reconnected(): void {
    currentWorld().as(this.owner, () => void this.core?.topics.check())
  }

  /** The process dies: nothing of it goes on, and what it was connected to notices. */
  kill(): void {
    this.owner.isDead = true
    this.#endpoints = undefined
    this.#database.disconnect(this.owner)
    this.#pubsub.disconnect()
    for (const stop of this.#stops) stop()
  }
}
