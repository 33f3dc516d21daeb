import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RedisRegistry } from '../../src/cluster/presence-registry.redis.ts'
import { createLocalRegistry, type PresenceRegistry } from '../../src/cluster/presence-registry.ts'
import { randomPrefix, REDIS_URL, skipRedis } from '../support/redis-server.ts'

const redis = new Redis(REDIS_URL, { lazyConnect: true })
let prefix = ''
beforeEach(() => {
  prefix = randomPrefix()
})
const forget = async (): Promise<void> => {
  const keys = await redis.keys(`${prefix}*`)
  if (keys.length > 0) await redis.del(...keys)
}
afterEach(async () => {
  if (redis.status === 'ready') await forget()
})
afterAll(() => redis.disconnect())

const node = (nodeId: string, leaseMs = 60_000): RedisRegistry => new RedisRegistry({ redis, prefix, nodeId, leaseMs })

const KINDS: readonly { name: string; skip: boolean; create: () => PresenceRegistry }[] = [
  { name: 'of one node', skip: false, create: createLocalRegistry },
  { name: 'in Redis', skip: skipRedis, create: () => node('a') },
]

for (const { name, skip, create } of KINDS) {
  describe.skipIf(skip)(`the registry ${name}`, () => {
    test('tells the first entering and the last leaving, and nothing of a repeat', async () => {
      const registry = create()
      expect(await registry.enter(1)).toBe(true)
      expect(await registry.enter(1)).toBe(false)
      expect(await registry.online([1, 2])).toEqual(new Set([1]))
      expect(await registry.leave(1)).toBe(true)
      expect(await registry.leave(1)).toBe(false)
      expect(await registry.online([1, 2])).toEqual(new Set())
      expect(await registry.online([])).toEqual(new Set())
    })
  })
}

describe.skipIf(skipRedis)('nodes that share a registry', () => {
  test('a user comes with the first node and goes with the last', async () => {
    const [a, b] = [node('a'), node('b')]
    expect(await a.enter(1)).toBe(true)
    expect(await b.enter(1)).toBe(false)
    expect(await a.leave(1)).toBe(false)
    expect(await a.online([1])).toEqual(new Set([1]))
    expect(await b.leave(1)).toBe(true)
  })

  test('the users of a node that died are given to one of the others, those who are elsewhere to none', async () => {
    const dead = node('dead')
    await dead.renew()
    for (let userId = 1; userId <= 2500; userId++) await dead.enter(userId)
    const [a, b] = [node('a'), node('b')]
    for (const living of [a, b]) await living.renew()
    await a.enter(7)
    expect(await a.reap()).toEqual([])
    // What counts as dead is up to who looks: for these two the lease is over.
    await dead.deregister(-1)
    const given = (await Promise.all([a.reap(), b.reap()])).flat().map(({ userId }) => userId)
    expect(given.toSorted((x, y) => x - y)).toEqual(
      Array.from({ length: 2500 }, (_, index) => index + 1).filter((id) => id !== 7),
    )
    expect(await b.nodes()).toEqual(['a', 'b'])
    expect(await b.reap()).toEqual([])
    expect(await b.online([1, 7])).toEqual(new Set([7]))
  })

  test('a node that stops keeps its users for the grace', async () => {
    const [a, b] = [node('a'), node('b')]
    for (const living of [a, b]) await living.renew()
    await a.enter(1)
    await a.deregister(30_000)
    expect(await b.reap()).toEqual([])
    expect(await b.online([1])).toEqual(new Set([1]))
  })

  test('a node learns that it was taken for dead, and which of its users the others think offline', async () => {
    const [a, b] = [node('a'), node('b')]
    expect(await a.renew()).toBe('valid')
    expect(await b.renew()).toBe('valid')
    await a.enter(1)
    await a.enter(2)
    await b.enter(2)
    await a.deregister(-1)
    expect((await b.reap()).map(({ userId }) => userId)).toEqual([1])
    expect(await a.renew()).toBe('reaped')
    expect(await a.restore([1, 2])).toEqual([1])
    expect(await a.renew()).toBe('valid')
  })

  test('every node learns that Redis lost everything', async () => {
    const [a, b] = [node('a'), node('b')]
    for (const living of [a, b]) {
      await living.renew()
      await living.enter(1)
    }
    await forget()
    for (const living of [a, b]) expect(await living.renew()).toBe('lost')
    expect(await a.restore([1])).toEqual([1])
    expect(await b.restore([1])).toEqual([])
    expect(await a.leave(1)).toBe(false)
    expect(await b.leave(1)).toBe(true)
  })
})
