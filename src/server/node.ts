import { createActivity, type Activity } from '../admin/activity.ts'
import { Admin } from '../admin/admin.ts'
import { handleAdminRequests, applyBan } from '../admin/node-answers.ts'
import type { Bans } from '../auth/bans.ts'
import { devSecret } from '../auth/dev-secret.ts'
import { createRefusalLog } from '../auth/refusal-log.ts'
import type { Revocations } from '../auth/revocations.ts'
import { createAuth, type Auth, type AuthKey } from '../auth/verify.ts'
import { createCheckpointStore } from '../cluster/checkpoint-store.ts'
import { HEARTBEAT_MS, heartbeat } from '../cluster/lease.ts'
import { createNodeRpc } from '../cluster/node-rpc.ts'
import { createLocalRegistry } from '../cluster/presence-registry.ts'
import { createCore, type Core, type CoreSettings } from '../core.ts'
import type { DemoSigner } from '../demo/signer.ts'
import { every } from '../lib/schedule.ts'
import { createCheckpoints } from '../live/checkpoints.ts'
import { Connections } from '../live/connections.ts'
import type { Settings } from '../settings.ts'
import type { Store } from '../store/store.ts'
import type { Base } from './base.ts'
import type { Bus } from './bus.ts'

function coreSettings(settings: Settings, isClustered: boolean): CoreSettings {
  const { resumeLimit, maxConnectionsPerUser } = settings
  return {
    // The rest of the pool is for everything else; the embedded database has one connection.
    snapshotLimit: settings.databaseUrl === undefined ? 1 : Math.max(1, Math.floor(settings.dbPoolSize / 3)),
    messageEditHours: settings.messageEditHours,
    presenceGraceMs: settings.presenceGraceMs,
    presenceGroupLimit: settings.presenceGroupLimit,
    groupAdditionsPerDay: settings.maxGroupAdditionsPerDay,
    groupsCreatedPerDay: settings.maxGroupsCreatedPerDay,
    eventRetentionHours: settings.eventRetentionHours,
    resumeLimit,
    // Each of a user's connections may resume at the same time.
    replayRate:
      settings.rateLimitPerSecond === 0
        ? { perSecond: 0, burst: 0 }
        : { perSecond: resumeLimit, burst: maxConnectionsPerUser * resumeLimit },
    // How long a node may be unaware of an event that another one logged.
    overlapMs: isClustered ? 2 * settings.positionCheckMs + settings.dbStatementTimeoutMs : 0,
  }
}

export async function openCore({ settings, metrics, wheel, onStop, failed }: Base, store: Store, bus: Bus): Promise<Core> {
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
      // What could not be announced during an outage of Redis is announced after it; the outage was reported once.
      if (stage !== 'presence' || redis?.state() !== 'down') failed(stage)(error)
    },
  })
  const { chat, topics, searchIndex } = core
  onStop(() => topics.stop())
  onStop(() => chat.presence.stop())
  onStop(() => chat.profileUpdates.stop())
  onStop(() => searchIndex.flush())
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

/** Users whose valid tokens are refused. */
export interface Refusals {
  revocations: Revocations
  bans: Bans
}

export async function openAuth(
  { settings, log, failed }: Base,
  { revocations, bans }: Refusals,
): Promise<{ key: AuthKey; auth: Auth }> {
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

/** The connections of this node, and admin operations on all nodes. */
export async function openConnections(base: Base, core: Core, bus: Bus, { revocations, bans }: Refusals): Promise<Live> {
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
export interface Node extends Base, Live, Refusals {
  core: Core
  bus: Bus
  auth: Auth
  signer: DemoSigner | undefined
}
