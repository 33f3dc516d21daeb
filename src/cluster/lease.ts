import type { RedisRegistry } from './presence-registry.redis.ts'

/** Nodes say this often that they live. */
export const BEAT_MS = 3000
/** And count as dead when they have not for this long: with the next beat of another their users are offline within 15 s. */
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
  settle(): void
}

/**
 * One beat of this node: it renews its lease, brings to the registry what that lost of it, and takes over the users of nodes
 * that died (PROTOCOL.md, section 1). To be called every BEAT_MS, and when the registry can be reached again.
 */
export async function beat(registry: RedisRegistry, presence: NodePresence): Promise<void> {
  const lease = await registry.renew()
  if (lease !== 'kept') {
    const alone = await registry.restore(presence.here())
    // The others were told that these are offline; where the registry lost everything nobody was told anything.
    if (lease === 'taken') presence.returned(alone)
  }
  presence.settle()
  for (const { userId, lastSeen } of await registry.takeOver()) presence.lost(userId, lastSeen)
}
