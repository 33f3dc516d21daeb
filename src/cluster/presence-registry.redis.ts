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

const USERS_AT_ONCE = 1000

/**
 * Presence in Redis: a set of nodes for each user, a set of users for each node, and one sorted set of nodes by last heartbeat.
 * A node renews one entry, however many users it has; times are those of Redis.
 */
export class RedisRegistry implements PresenceRegistry {
  readonly #redis: Redis | Cluster
  readonly #prefix: string
  readonly #nodeId: string
  readonly #leaseMs: number
  // In one slot of a cluster, since they change together.
  readonly #nodesKey: string
  /** Its value differs after Redis lost everything. */
  readonly #epochKey: string
  #epoch: string | undefined

  constructor({ redis, prefix, nodeId, leaseMs }: RedisRegistryOptions) {
    this.#redis = redis
    this.#prefix = prefix
    this.#nodeId = nodeId
    this.#leaseMs = leaseMs
    this.#nodesKey = `${prefix}{presence}:nodes`
    this.#epochKey = `${prefix}{presence}:epoch`
  }

  async enter(userId: number): Promise<boolean> {
    const [added, , count] = await run(
      this.#redis
        .multi()
        .sadd(this.#userKey(userId), this.#nodeId)
        .sadd(this.#nodeKey(this.#nodeId), userId)
        .scard(this.#userKey(userId)),
    )
    return added === 1 && count === 1
  }

  async leave(userId: number): Promise<boolean> {
    return (await this.#release(this.#nodeId, [userId])).size > 0
  }

  async online(userIds: readonly number[]): Promise<Set<number>> {
    if (userIds.length === 0) return new Set()
    const commands = this.#redis.pipeline()
    for (const userId of userIds) commands.exists(this.#userKey(userId))
    const found = await run(commands)
    return new Set(userIds.filter((_, index) => found[index] === 1))
  }

  async everyone(): Promise<number[]> {
    const users = new Set<number>()
    for (const node of await this.#redis.zrange(this.#nodesKey, 0, -1))
      for (const userId of await this.#redis.smembers(this.#nodeKey(node)))
        if (isUserId(Number(userId))) users.add(Number(userId))
    return [...users]
  }

  /** Renews this node's lease. */
  async renew(): Promise<Lease> {
    const time = await this.#now()
    const [, found, score] = await run(
      this.#redis
        .multi()
        .setnx(this.#epochKey, randomUUID())
        .get(this.#epochKey)
        .zscore(this.#nodesKey, this.#nodeId)
        .zadd(this.#nodesKey, time, this.#nodeId),
    )
    const before = this.#epoch
    this.#epoch = found as string
    if (before === undefined || (before === this.#epoch && score !== null)) return 'valid'
    return before === this.#epoch ? 'reaped' : 'lost'
  }

  /** Adds users again that Redis no longer knows; resolves with those who were on no node. */
  async restore(userIds: readonly number[]): Promise<number[]> {
    const alone: number[] = []
    for (let start = 0; start < userIds.length; start += USERS_AT_ONCE) {
      const some = userIds.slice(start, start + USERS_AT_ONCE)
      const commands = this.#redis.multi()
      for (const userId of some)
        commands.sadd(this.#userKey(userId), this.#nodeId).sadd(this.#nodeKey(this.#nodeId), userId).scard(this.#userKey(userId))
      const results = await run(commands)
      alone.push(...some.filter((_, index) => results[index * 3] === 1 && results[index * 3 + 2] === 1))
    }
    return alone
  }

  /** Removes the users of dead nodes; each user is returned to one caller on one node only. */
  async reap(): Promise<LostUser[]> {
    const limit = (await this.#now()) - this.#leaseMs
    const dead = await this.#redis.zrangebyscore(this.#nodesKey, '-inf', `(${limit}`, 'WITHSCORES')
    const lost: LostUser[] = []
    for (let index = 0; index < dead.length; index += 2) {
      const node = dead[index] as string
      // Values from Redis are validated, too.
      const lastSeen = Math.max(0, Number(dead[index + 1]) || 0)
      // Several nodes may reap at the same time: each user is removed from the dead node once, so exactly one node gets the
      // user.
      for (;;) {
        const users = await this.#redis.srandmember(this.#nodeKey(node), USERS_AT_ONCE)
        if (users.length === 0) break
        const gone = await this.#release(node, users)
        lost.push(...[...gone].map((userId) => ({ userId: Number(userId), lastSeen })).filter((one) => isUserId(one.userId)))
      }
      await this.#redis.zrem(this.#nodesKey, node)
    }
    return lost
  }

  /** The live nodes, this one included. */
  nodes(): Promise<string[]> {
    return this.#redis.zrange(this.#nodesKey, 0, -1)
  }

  /**
   * This node stops: those of its users who do not reconnect elsewhere within `graceMs` are left to the other nodes to reap.
   */
  async deregister(graceMs: number): Promise<void> {
    await this.#redis.zadd(this.#nodesKey, (await this.#now()) - this.#leaseMs + graceMs, this.#nodeId)
  }

  #nodeKey(node: string): string {
    return `${this.#prefix}{presence}:node:${node}`
  }

  #userKey(userId: number | string): string {
    return `${this.#prefix}{presence}:user:${userId}`
  }

  async #now(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  }

  /** Removes users from a node; resolves with those who are on no other. */
  async #release(node: string, userIds: readonly (number | string)[]): Promise<Set<string>> {
    const commands = this.#redis.multi()
    for (const userId of userIds)
      commands.srem(this.#userKey(userId), node).srem(this.#nodeKey(node), userId).scard(this.#userKey(userId))
    const results = await run(commands)
    const gone = userIds.filter((_, index) => results[index * 3] === 1 && results[index * 3 + 2] === 0)
    return new Set(gone.map(String))
  }
}

/** Runs a transaction; rejects with the first error of its commands. */
async function run(commands: ChainableCommander): Promise<unknown[]> {
  const results = (await commands.exec()) ?? []
  for (const [error] of results) if (error) throw error
  return results.map(([, result]) => result)
}
