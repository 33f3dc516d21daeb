import type { Cluster, Redis } from 'ioredis'

/** What a store holds of a user. */
export interface KeptCheckpoints {
  /** The checkpoints of closed connections, as texts, latest first. */
  texts: string[]
  /** The names of those that are open, or ended without a word. */
  open: string[]
  /** Whether there are no earlier ones that found no room. */
  isWhole: boolean
}

/** The checkpoints of closed connections, the last few of each user, for a while; and which have still to leave theirs. */
export interface CheckpointStore {
  opened(userId: number, name: string): void
  /** `text` where there is something to tell. */
  closed(userId: number, name: string, text: string | undefined): void
  load(userId: number): Promise<KeptCheckpoints>
}

const TTL_MS = 600_000
/** After that long without a new connection nobody resumes after what an older one was given. */
const OPEN_TTL_MS = 86_400_000
const LIMIT_OF_USER = 10

/** Checkpoints in Redis. Best effort: failures are ignored, without a checkpoint a resume repeats what is recent. */
export function createCheckpointStore({ redis, prefix }: { redis: Redis | Cluster; prefix: string }): CheckpointStore {
  // In one slot of a cluster, since they change together.
  const keyOf = (userId: number): string => `${prefix}{checkpoint:${userId}}`
  const openKeyOf = (userId: number): string => `${keyOf(userId)}:open`
  return {
    opened(userId, name) {
      const key = openKeyOf(userId)
      redis
        .multi()
        .sadd(key, name)
        .pexpire(key, OPEN_TTL_MS)
        .exec()
        .catch(() => undefined)
    },
    closed(userId, name, text) {
      const key = keyOf(userId)
      // Both or neither: who leaves no checkpoint counts as open.
      const commands = redis.multi().srem(openKeyOf(userId), name)
      if (text !== undefined)
        commands
          .lpush(key, text)
          .ltrim(key, 0, LIMIT_OF_USER - 1)
          .pexpire(key, TTL_MS)
      commands.exec().catch(() => undefined)
    },
    async load(userId) {
      try {
        const [texts, open] = await Promise.all([redis.lrange(keyOf(userId), 0, -1), redis.smembers(openKeyOf(userId))])
        return { texts, open, isWhole: texts.length < LIMIT_OF_USER }
      } catch {
        return { texts: [], open: [], isWhole: false }
      }
    },
  }
}
