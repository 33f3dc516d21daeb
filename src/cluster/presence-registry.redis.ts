import { randomUUID } from 'node:crypto'
import type { ChainableCommander, Cluster, Redis } from 'ioredis'
import { isUserId } from '../lib/received.ts'
import type { PresenceRegistry } from './presence-registry.ts'

export interface RedisRegistryOptions {
  redis: Redis | Cluster
  /** Prefix of every key. */
  prefix: string
  nodeId: string
  /** How long a node counts as alive after its last heartbeat, in milliseconds. */
  leaseMs: number
}

/** A user of a dead node who is on no other node. */
export interface LostUser {
  userId: number
  /** The node's last heartbeat, in milliseconds since the epoch. */
  lastSeen: number
}

/**
 * State of this node's lease before it was renewed: valid; missing because Redis lost everything; or missing because the other
 * nodes considered this one dead.
 */
export type Lease = 'valid' | 'lost' | 'reaped'

export interface RedisRegistry extends PresenceRegistry {
  /** Renews this node's lease. */
  renew(): Promise<Lease>
  /** Adds users again that Redis no longer knows; resolves with those who were on no node. */
  restore(userIds: readonly number[]): Promise<number[]>
  /** Removes the users of dead nodes; each user is returned to one caller on one node only. */
  reap(): Promise<LostUser[]>
  /** The live nodes, this one included. */
  nodes(): Promise<string[]>
  /**
   * This node stops: those of its users who do not reconnect elsewhere within `graceMs` are left to the other nodes to reap.
   */
  deregister(graceMs: number): Promise<void>
}

const USERS_AT_ONCE = 1000

/**
 * Presence in Redis: a set of nodes for each user, a set of users for each node, and one sorted set of nodes by last heartbeat.
 * A node renews one entry, however many users it has; times are those of Redis.
 */
export function createRedisRegistry({ redis, prefix, nodeId, leaseMs }: RedisRegistryOptions): RedisRegistry {
  // In one slot of a cluster, since they change together.
  const nodesKey = `${prefix}{presence}:nodes`
  /** Its value differs after Redis lost everything. */
  const epochKey = `${prefix}{presence}:epoch`
  const nodeKey = (node: string): string => `${prefix}{presence}:node:${node}`
  const userKey = (userId: number | string): string => `${prefix}{presence}:user:${userId}`

  let epoch: string | undefined

  async function now(): Promise<number> {
    const [seconds, microseconds] = await redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  }

  /** Runs a transaction; rejects with the first error of its commands. */
  async function run(commands: ChainableCommander): Promise<unknown[]> {
    const results = (await commands.exec()) ?? []
    for (const [error] of results) if (error) throw error
    return results.map(([, result]) => result)
  }

  /** Removes users from a node; resolves with those who are on no other. */
  async function release(node: string, userIds: readonly (number | string)[]): Promise<Set<string>> {
    const commands = redis.multi()
    for (const userId of userIds) commands.srem(userKey(userId), node).srem(nodeKey(node), userId).scard(userKey(userId))
    const results = await run(commands)
    const gone = userIds.filter((_, index) => results[index * 3] === 1 && results[index * 3 + 2] === 0)
    return new Set(gone.map(String))
  }

  return {
    async enter(userId) {
      const [added, , count] = await run(
        redis.multi().sadd(userKey(userId), nodeId).sadd(nodeKey(nodeId), userId).scard(userKey(userId)),
      )
      return added === 1 && count === 1
    },

    async leave(userId) {
      return (await release(nodeId, [userId])).size > 0
    },

    async online(userIds) {
      if (userIds.length === 0) return new Set()
      const commands = redis.pipeline()
      for (const userId of userIds) commands.exists(userKey(userId))
      const found = await run(commands)
      return new Set(userIds.filter((_, index) => found[index] === 1))
    },

    async everyone() {
      const users = new Set<number>()
      for (const node of await redis.zrange(nodesKey, 0, -1))
        for (const userId of await redis.smembers(nodeKey(node))) if (isUserId(Number(userId))) users.add(Number(userId))
      return [...users]
    },

    async renew() {
      const time = await now()
      const [, found, score] = await run(
        redis.multi().setnx(epochKey, randomUUID()).get(epochKey).zscore(nodesKey, nodeId).zadd(nodesKey, time, nodeId),
      )
      const before = epoch
      epoch = found as string
      if (before === undefined || (before === epoch && score !== null)) return 'valid'
      return before === epoch ? 'reaped' : 'lost'
    },

    async restore(userIds) {
      const alone: number[] = []
      for (let start = 0; start < userIds.length; start += USERS_AT_ONCE) {
        const some = userIds.slice(start, start + USERS_AT_ONCE)
        const commands = redis.multi()
        for (const userId of some) commands.sadd(userKey(userId), nodeId).sadd(nodeKey(nodeId), userId).scard(userKey(userId))
        const results = await run(commands)
        alone.push(...some.filter((_, index) => results[index * 3] === 1 && results[index * 3 + 2] === 1))
      }
      return alone
    },

    async reap() {
      const limit = (await now()) - leaseMs
      const dead = await redis.zrangebyscore(nodesKey, '-inf', `(${limit}`, 'WITHSCORES')
      const lost: LostUser[] = []
      for (let index = 0; index < dead.length; index += 2) {
        const node = dead[index] as string
        // Values from Redis are validated, too.
        const lastSeen = Math.max(0, Number(dead[index + 1]) || 0)
        // Several nodes may reap at the same time: each user is removed from the dead node once, so exactly one node gets the
        // user.
        for (;;) {
          const users = await redis.srandmember(nodeKey(node), USERS_AT_ONCE)
          if (users.length === 0) break
          const gone = await release(node, users)
          lost.push(...[...gone].map((userId) => ({ userId: Number(userId), lastSeen })).filter((one) => isUserId(one.userId)))
        }
        await redis.zrem(nodesKey, node)
      }
      return lost
    },

    nodes: () => redis.zrange(nodesKey, 0, -1),

    async deregister(graceMs) {
      await redis.zadd(nodesKey, (await now()) - leaseMs + graceMs, nodeId)
    },
  }
}
