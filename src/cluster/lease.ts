import type { RedisRegistry } from './presence-registry.redis.ts'

/** How often a node renews its lease. */
export const HEARTBEAT_MS = 3000
/** Duration of a lease: with the next heartbeat of another node the users of a dead one are offline within 15 s. */
export const LEASE_MS = 10_000

/** The parts of this node's presence that a heartbeat uses. */
export interface NodePresence {
  /** Users connected here. */
  here(): number[]
  /** Announces users who were announced offline while this node was considered dead. */
  returned(userIds: readonly number[]): void
  /** Announces a user of a dead node offline; `lastSeen` in milliseconds since the epoch. */
  lost(userId: number, lastSeen: number): void
  /** Retries registry updates that failed. */
  resync(): void
}

/**
 * One heartbeat of this node: it renews its lease, restores entries that the registry lost, and reaps the users of dead nodes
 * (docs/protocol.md, section 1). Call it every HEARTBEAT_MS, and when the registry can be reached again.
 */
export async function heartbeat(registry: RedisRegistry, presence: NodePresence): Promise<void> {
  const lease = await registry.renew()
  if (lease !== 'valid') {
    const alone = await registry.restore(presence.here())
    // These were announced offline; if the registry lost everything, nothing was announced.
    if (lease === 'reaped') presence.returned(alone)
  }
  presence.resync()
  for (const { userId, lastSeen } of await registry.reap()) presence.lost(userId, lastSeen)
}
