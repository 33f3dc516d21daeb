import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { closeRedis, openRedis, type RedisCommands } from './redis-connection.ts'

/** What Redis reports about itself, and how it responds. */
export interface RedisFacts {
  version: string
  isCluster: boolean
  /** Median of several round trips, in milliseconds. */
  latencyMs: number
  /** How far its clock is ahead of ours, in milliseconds. */
  clockAheadMs: number
  /** Size in bytes from which it evicts keys or refuses new ones; 0: none. */
  maxMemory: number
  evictionPolicy: string
  /** Servers using the prefix now. */
  nodes: number
  /** Time from a publish to its arrival at a subscriber, in milliseconds. */
  pubSubMs: number
}

const ROUND_TRIPS = 15
const PATIENCE_MS = 5000

/**
 * Connects to Redis, writes and reads under the prefix, publishes and waits for the message. Rejects with the first failure, in
 * words that hold no password. `leaseMs` is how long a node counts as alive.
 */
export async function diagnoseRedis(url: string, prefix: string, leaseMs: number): Promise<RedisFacts> {
  let fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_, reject) => (fail = reject))
  failed.catch(() => undefined)
  const timer = setTimeout(() => fail(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  const { commands, connect } = openRedis(url, fail)
  const subscriber = connect('parley-doctor')
  try {
    return await Promise.race([ask(commands, subscriber, prefix, leaseMs), failed])
  } finally {
    clearTimeout(timer)
    await Promise.all([closeRedis(commands), closeRedis(subscriber)])
  }
}

async function ask(commands: RedisCommands, subscriber: Redis, prefix: string, leaseMs: number): Promise<RedisFacts> {
  await Promise.all([isReady(commands), isReady(subscriber)])
  const info = new Map(
    String(await commands.info())
      .split('\r\n')
      .map((line) => line.split(':', 2) as [string, string]),
  )
  const key = `${prefix}doctor:${randomUUID()}`
  await commands.set(key, '1', 'PX', PATIENCE_MS)
  if ((await commands.get(key)) !== '1') throw new Error(`a key under ${JSON.stringify(prefix)} does not keep its value`)
  await commands.del(key)

  const trips: { ms: number; aheadMs: number; now: number }[] = []
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const [sent, began] = [Date.now(), performance.now()]
    const [seconds, microseconds] = await commands.time()
    const ms = performance.now() - began
    const now = Number(seconds) * 1000 + Number(microseconds) / 1000
    trips.push({ ms, now, aheadMs: now - (sent + ms / 2) })
  }
  trips.sort((a, b) => a.ms - b.ms)
  const [quickest] = trips as [(typeof trips)[number]]
  return {
    version: info.get('redis_version') ?? 'of unknown version',
    isCluster: info.get('redis_mode') === 'cluster',
    latencyMs: trips[Math.floor(ROUND_TRIPS / 2)]?.ms ?? 0,
    clockAheadMs: quickest.aheadMs,
    maxMemory: Number(info.get('maxmemory') ?? 0),
    evictionPolicy: info.get('maxmemory_policy') ?? 'noeviction',
    nodes: await commands.zcount(`${prefix}{presence}:nodes`, quickest.now - leaseMs, '+inf'),
    pubSubMs: await publish(commands, subscriber, `${prefix}doctor:${randomUUID()}`),
  }
}

const isReady = (connection: RedisCommands): Promise<void> =>
  connection.status === 'ready' ? Promise.resolve() : new Promise((resolve) => void connection.once('ready', () => resolve()))

async function publish(commands: RedisCommands, subscriber: Redis, channel: string): Promise<number> {
  const received = new Promise<void>((resolve) => void subscriber.once('message', () => resolve()))
  await subscriber.subscribe(channel)
  const began = performance.now()
  await commands.publish(channel, '1')
  await received
  return performance.now() - began
}
