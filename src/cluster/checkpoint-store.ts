import type { Cluster, Redis } from 'ioredis'

/** Checkpoints of closed connections, as texts: the last few of each user, for a limited time. */
export interface CheckpointStore {
  save(userId: number, text: string): void
  load(userId: number): Promise<string[]>
}

const TTL_MS = 600_000
const LIMIT_OF_USER = 10

/** Checkpoints in Redis. Best effort: failures are ignored, checkpoints are only an optimisation. */
export function createCheckpointStore({ redis, prefix }: { redis: Redis | Cluster; prefix: string }): CheckpointStore {
  const keyOf = (userId: number): string => `${prefix}checkpoint:${userId}`
  return {
    save(userId, text) {
      const key = keyOf(userId)
      redis
        .multi()
        .lpush(key, text)
        .ltrim(key, 0, LIMIT_OF_USER - 1)
        .pexpire(key, TTL_MS)
        .exec()
        .catch(() => undefined)
    },
    load: (userId) => redis.lrange(keyOf(userId), 0, -1).catch(() => []),
  }
}
