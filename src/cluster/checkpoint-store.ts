import type { Cluster, Redis } from 'ioredis'

/** Texts kept for a while, the last few for each user. */
export interface KeptTexts {
  save(userId: number, text: string): void
  load(userId: number): Promise<string[]>
}

const KEPT_FOR_MS = 600_000
const KEPT_FOR_EACH = 10

/** What a node notes for the others when a connection closes. A Redis that is away notes nothing, and has nothing to tell. */
export function createKeptTexts({ redis, prefix }: { redis: Redis | Cluster; prefix: string }): KeptTexts {
  const keyOf = (userId: number): string => `${prefix}checkpoint:${userId}`
  return {
    save(userId, text) {
      const key = keyOf(userId)
      redis
        .multi()
        .lpush(key, text)
        .ltrim(key, 0, KEPT_FOR_EACH - 1)
        .pexpire(key, KEPT_FOR_MS)
        .exec()
        .catch(() => undefined)
    },
    load: (userId) => redis.lrange(keyOf(userId), 0, -1).catch(() => []),
  }
}
