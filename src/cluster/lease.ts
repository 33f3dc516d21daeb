import type { RedisRegistry } from './presence-registry.redis.ts'

/** How often a node renews its lease. */
export const HEARTBEAT_MS = 3000
/** How long a lease lasts: with the next heartbeat of another node the users of a dead one are offline within 15 s. */
export const LEASE_MS = 10_000

/** What a heartbeat needs of this node's presence. */
export interface NodePresence {
  /** The users who are connected here. */
  here(): number[]
  /** Announces users who were announced offline while this node counted as dead. */
  returned(userIds: readonly number[]): void
  /** Announces a user of a dead node offline; `lastSeen` in milliseconds since the epoch. */
  lost(userId: number, lastSeen: number): void
  /** Enters or leaves again what failed before. */
  resync(): void
}

/**
 * One heartbeat of this node: it renews its lease, restores what the registry lost of it, and reaps the users of nodes that
 * died (docs/protocol.md, section 1). To be called every HEARTBEAT_MS, and when the registry can be reached again.
 */
export async function heartbeat(registry: RedisRegistry, presence: NodePresence): Promise<void> {
  const lease = await registry.renew()
  if (lease !== 'kept') {
    const alone = await registry.restore(presence.here())
    // The others were told that these are offline; where the registry lost everything nobody was told anything.
    if (lease === 'taken') presence.returned(alone)
  }
  presence.resync()
  for (const { userId, lastSeen } of await registry.reap()) presence.lost(userId, lastSeen)
}
