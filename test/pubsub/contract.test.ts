import type { PubSubEngine } from 'graphql-subscriptions'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import type { Hint } from '../../src/pubsub/publisher.ts'
import { createRedisPubSub, type RedisPubSubEngine, type RedisStage } from '../../src/pubsub/redis.ts'
import { Inbox } from '../support/inbox.ts'
import {
  createRedisCluster,
  createRedisServer,
  randomPrefix,
  REDIS_URL,
  skipRedis,
  skipRedisServer,
  type RedisServer,
} from '../support/redis-server.ts'

const hint = (seq: number | null, payload: unknown = null): Hint => ({ seq, event: { id: seq, at: 1, kind: 'test', payload } })

/** Subscribes and keeps what comes. */
async function listen(engine: PubSubEngine, channel: string): Promise<{ inbox: Inbox<Hint>; id: number }> {
  const inbox = new Inbox<Hint>()
  return { inbox, id: await engine.subscribe(channel, (one: Hint) => inbox.push(one), {}) }
}

const seqs = (hints: readonly Hint[]): (number | null)[] => hints.map(({ seq }) => seq)

interface Opened {
  engine: PubSubEngine
  close(): Promise<void>
}

const ENGINES: { name: string; skip: boolean; open: () => Promise<Opened> }[] = [
  {
    name: 'in process',
    skip: false,
    open: () => Promise.resolve({ engine: createMemoryPubSub(), close: () => Promise.resolve() }),
  },
  {
    name: 'Redis',
    skip: skipRedis,
    async open() {
      const onError = (stage: RedisStage, error: unknown): void => expect.fail(`${stage}: ${String(error)}`)
      const engine = await createRedisPubSub({ url: REDIS_URL, prefix: randomPrefix(), nodeId: 'one', onError })
      return { engine, close: () => engine.close() }
    },
  },
  {
    name: 'Redis Cluster',
    skip: skipRedisServer,
    async open() {
      const cluster = await createRedisCluster()
      const onError = (stage: RedisStage, error: unknown): void => expect.fail(`${stage}: ${String(error)}`)
      const engine = await createRedisPubSub({ url: cluster.url, prefix: 'p:', nodeId: 'one', onError })
      const close = async (): Promise<void> => {
        await engine.close()
        await cluster.close()
      }
      return { engine, close }
    },
  },
]

describe.each(ENGINES)('$name', ({ skip, open }) => {
  describe.skipIf(skip)('on its own node', () => {
    let opened: Opened
    let engine: PubSubEngine
    beforeAll(async () => {
      opened = await open()
      engine = opened.engine
    })
    afterAll(() => opened.close())

    test('each subscriber of a channel gets what is published to it, in order, before publish returns', async () => {
      const [one, two, other] = [await listen(engine, 'a'), await listen(engine, 'a'), await listen(engine, 'b')]
      const published = [1, 2, 3].map((seq) => engine.publish('a', hint(seq)))
      expect([one, two, other].map(({ inbox }) => seqs(inbox.drain()))).toEqual([[1, 2, 3], [1, 2, 3], []])
      await Promise.all(published)
    })

    test('what is published arrives as it was, the same object for all', async () => {
      const payload = { text: 'Grüße 🌍 "quoted"\n', none: null, number: 1.5, list: [{}], at: 2 ** 53 - 1 }
      const [one, two] = [await listen(engine, 'as it was'), await listen(engine, 'as it was')]
      await engine.publish('as it was', hint(1, payload))
      const [first, second] = [await one.inbox.next(), await two.inbox.next()]
      expect(first).toEqual(hint(1, payload))
      expect(second).toBe(first)
    })

    test('each publish arrives once, also of what is not kept', async () => {
      const { inbox } = await listen(engine, 'once')
      for (const seq of [null, 1, null]) await engine.publish('once', hint(seq))
      // Whatever comes back from elsewhere has come when a later round trip has been made.
      await listen(engine, 'barrier')
      await engine.publish('once', hint(2))
      expect(seqs(inbox.drain())).toEqual([null, 1, null, 2])
    })

    test('who unsubscribed gets nothing more, the others do', async () => {
      const [one, two] = [await listen(engine, 'left'), await listen(engine, 'left')]
      engine.unsubscribe(one.id)
      await engine.publish('left', hint(1))
      engine.unsubscribe(two.id)
      await engine.publish('left', hint(2))
      const again = await listen(engine, 'left')
      await engine.publish('left', hint(3))
      expect([one, two, again].map(({ inbox }) => seqs(inbox.drain()))).toEqual([[], [1], [3]])
    })

    test('subscribing and unsubscribing at once leaves exactly those who stayed', async () => {
      const all = await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const one = await listen(engine, `churn ${index % 3}`)
          if (index % 4 !== 0) engine.unsubscribe(one.id)
          return { ...one, stays: index % 4 === 0 }
        }),
      )
      for (const channel of [0, 1, 2]) await engine.publish(`churn ${channel}`, hint(1))
      expect(all.map(({ inbox }) => inbox.drain().length)).toEqual(all.map(({ stays }) => (stays ? 1 : 0)))
    })
  })
})

/** A node's engine with the failures it reported. */
interface Node {
  engine: RedisPubSubEngine
  errors: Inbox<{ stage: RedisStage; error: unknown }>
  reconnected: Inbox<true>
}

const nodes: Node[] = []
async function openNode(url: string, prefix: string): Promise<Node> {
  const errors: Node['errors'] = new Inbox()
  const reconnected: Node['reconnected'] = new Inbox()
  const engine = await createRedisPubSub({
    ...{ url, prefix, nodeId: `node ${nodes.length}` },
    onError: (stage, error) => errors.push({ stage, error }),
  })
  engine.onReconnected(() => reconnected.push(true))
  const node = { engine, errors, reconnected }
  nodes.push(node)
  return node
}
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(({ engine }) => engine.close()))
})

describe.skipIf(skipRedis)('Redis between nodes', () => {
  const setup = async (): Promise<{ prefix: string; one: Node; two: Node; other: RedisPubSubEngine['commands'] }> => {
    const prefix = randomPrefix()
    const [one, two] = [await openNode(REDIS_URL, prefix), await openNode(REDIS_URL, prefix)]
    return { prefix, one, two, other: one.engine.commands }
  }

  test('what one publishes reaches the others in order and once, an own message not again', async () => {
    const { one, two } = await setup()
    const [near, far] = [await listen(one.engine, 'a'), await listen(two.engine, 'a')]
    await Promise.all([1, null, 2].map((seq) => one.engine.publish('a', hint(seq))))
    expect(seqs(await far.inbox.take(3))).toEqual([1, null, 2])
    await two.engine.publish('a', hint(3))
    expect(seqs(await near.inbox.take(4))).toEqual([1, null, 2, 3])
    expect([near, far].map(({ inbox }) => seqs(inbox.drain()))).toEqual([[], [3]])
  })

  test('what is published after a subscription resolved is not missed', async () => {
    const { one, two } = await setup()
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const { inbox } = await listen(two.engine, `channel ${index}`)
        await one.engine.publish(`channel ${index}`, hint(index))
        expect((await inbox.next()).seq).toBe(index)
      }),
    )
  })

  test('all subscribers of a node get the same object', async () => {
    const { one, two } = await setup()
    const [first, second] = [await listen(two.engine, 'a'), await listen(two.engine, 'a')]
    await one.engine.publish('a', hint(1, { deep: true }))
    const received = await first.inbox.next()
    expect(await second.inbox.next()).toBe(received)
    expect(received).toEqual(hint(1, { deep: true }))
  })

  test('another prefix is another world', async () => {
    const { one, two, prefix } = await setup()
    const stranger = await openNode(REDIS_URL, `${prefix}other:`)
    const [far, outside] = [await listen(two.engine, 'a'), await listen(stranger.engine, 'a')]
    await stranger.engine.publish('a', hint(1))
    await one.engine.publish('a', hint(2))
    expect((await far.inbox.next()).seq).toBe(2)
    expect(seqs(outside.inbox.drain())).toEqual([1])
  })

  test('what is no message of a node is ignored and told of once', async () => {
    const { one, two, other, prefix } = await setup()
    const { inbox } = await listen(two.engine, 'a')
    for (const text of ['no JSON', '', 'null', '1', '"text"', '[]', '{}', '{"from":"x"}', '{"from":"x","hint":1}']) {
      await other.publish(`${prefix}a`, text)
    }
    await one.engine.publish('a', hint(1))
    expect((await inbox.next()).seq).toBe(1)
    expect(inbox.drain()).toEqual([])
    expect(two.errors.drain().map(({ stage }) => stage)).toEqual(['payload'])
  })

  test('a subscriber that fails keeps nothing from the others', async () => {
    const { one, two } = await setup()
    await two.engine.subscribe('a', () => expect.fail('a bug'), {})
    const { inbox } = await listen(two.engine, 'a')
    await one.engine.publish('a', hint(1))
    await two.engine.publish('a', hint(2))
    expect(seqs(await inbox.take(2))).toEqual(expect.arrayContaining([1, 2]))
    expect((await two.errors.next()).stage).toBe('listener')
  })

  test('Redis keeps a subscription for each channel of a node, and none that nobody needs', async () => {
    const { one, two, other, prefix } = await setup()
    const [a, again, b] = [await listen(one.engine, 'a'), await listen(one.engine, 'a'), await listen(one.engine, 'b')]
    await listen(two.engine, 'b')
    expect(await other.pubsub('NUMSUB', `${prefix}a`, `${prefix}b`)).toEqual([`${prefix}a`, 1, `${prefix}b`, 2])
    for (const { id } of [a, again, b]) one.engine.unsubscribe(id)
    // Answered on the same connection after the unsubscriptions.
    await listen(one.engine, 'barrier')
    expect(await other.pubsub('NUMSUB', `${prefix}a`, `${prefix}b`)).toEqual([`${prefix}a`, 0, `${prefix}b`, 1])
  })

  test('connections that are killed come back with all subscriptions, and it is told', async () => {
    const { one, two, other, prefix } = await setup()
    const channels = Array.from({ length: 2500 }, (_, index) => `channel ${index}`)
    await Promise.all(channels.map((channel) => listen(two.engine, channel)))
    const { inbox } = await listen(two.engine, 'a')
    const clients = String(await other.client('LIST')).split('\n')
    // Of all connections only those that are ours: the last two that were opened to subscribe.
    const ids = clients.filter((line) => line.includes('name=parley-subscriptions') && /\bsub=2501\b/.test(line))
    expect(ids).toHaveLength(1)
    await other.client('KILL', 'ID', /\bid=(\d+)/.exec(ids[0] as string)?.[1] as string)
    await two.reconnected.next()
    expect(two.engine.state()).toBe('up')
    await one.engine.publish('a', hint(1))
    expect((await inbox.next()).seq).toBe(1)
    expect(await other.pubsub('NUMSUB', `${prefix}channel 0`, `${prefix}channel 2499`)).toEqual([
      ...[`${prefix}channel 0`, 1],
      ...[`${prefix}channel 2499`, 1],
    ])
    expect(two.errors.drain().map(({ stage }) => stage)).toEqual(['connect'])
  })

  test('after a close nothing comes and nothing fails', async () => {
    const { one, two } = await setup()
    const { inbox, id } = await listen(two.engine, 'a')
    await two.engine.close()
    await one.engine.publish('a', hint(1))
    two.engine.unsubscribe(id)
    await two.engine.publish('a', hint(2))
    expect(inbox.drain()).toEqual([])
    expect(two.engine.state()).toBe('down')
    expect(two.errors.drain()).toEqual([])
  })
})

describe.skipIf(skipRedisServer)('a Redis that goes and comes', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await createRedisServer()
  })
  afterAll(() => server.close())
  afterEach(() => server.kill())

  test('while it is gone a node goes on by itself, and afterwards between nodes, with what was put off', async () => {
    await server.start()
    const [one, two] = [await openNode(server.url, 'p:'), await openNode(server.url, 'p:')]
    const [near, far] = [await listen(one.engine, 'a'), await listen(two.engine, 'a')]
    const dropped = await listen(two.engine, 'dropped')
    await server.kill()
    expect((await one.errors.next()).stage).toBe('connect')
    await two.errors.next()
    expect([one, two].map(({ engine }) => engine.state())).toEqual(['down', 'down'])
    await expect(one.engine.ping()).rejects.toThrow('not connected')

    for (const seq of [1, null, 2]) await one.engine.publish('a', hint(seq))
    expect(seqs(near.inbox.drain())).toEqual([1, null, 2])
    const during = await listen(two.engine, 'b')
    two.engine.unsubscribe(dropped.id)

    await server.start()
    await Promise.all([one.reconnected.next(), two.reconnected.next()])
    // The latest hint makes receivers read earlier events; ephemeral ones are lost.
    await one.engine.publish('a', hint(3))
    const received = await far.inbox.next(({ seq }) => seq === 3)
    expect(received).toEqual(hint(3))
    await one.engine.publish('b', hint(1))
    expect((await during.inbox.next()).seq).toBe(1)
    expect(seqs(far.inbox.drain()).every((seq) => seq === 2)).toBe(true)
    expect(one.engine.lost()).toBe(1)
    expect(await one.engine.commands.pubsub('CHANNELS', 'p:*')).not.toContain('p:dropped')
    await Promise.all([one.engine.ping(), two.engine.ping()])
    expect([one, two].map(({ engine }) => engine.state())).toEqual(['up', 'up'])
    expect([one, two].flatMap(({ errors }) => errors.drain())).toEqual([])
  })

  test('the latest hint of a topic is published when it has returned', async () => {
    await server.start()
    const one = await openNode(server.url, 'p:')
    await server.kill()
    await one.errors.next()
    for (const seq of [2, 3, 1]) await one.engine.publish('a', hint(seq))
    await server.start()
    // Subscribed to by hand, to be there before the node is.
    const watcher = new Redis(server.url)
    const inbox = new Inbox<{ hint: Hint }>()
    watcher.on('message', (_: string, text: string) => inbox.push(JSON.parse(text) as { hint: Hint }))
    await watcher.subscribe('p:a')
    await one.reconnected.next()
    await one.engine.publish('a', hint(4))
    const all = [await inbox.next(({ hint: { seq } }) => seq === 4), ...inbox.drain()]
    expect(all.every(({ hint: { seq } }) => seq === 3 || seq === 4)).toBe(true)
    watcher.disconnect()
  })

  test('each outage is told of once', async () => {
    await server.start()
    const one = await openNode(server.url, 'p:')
    for (let outage = 0; outage < 2; outage++) {
      await server.kill()
      await one.errors.next()
      await one.engine.publish('a', hint(1))
      await server.start()
      await one.reconnected.next()
      await one.engine.ping()
    }
    expect(one.errors.drain()).toEqual([])
  })

  test('a node that starts without it works alone until it comes', async () => {
    const [one, two] = [await openNode(server.url, 'p:'), await openNode(server.url, 'p:')]
    expect((await one.errors.next()).stage).toBe('connect')
    const [near, far] = [await listen(one.engine, 'a'), await listen(two.engine, 'a')]
    await one.engine.publish('a', hint(1))
    expect(seqs(near.inbox.drain())).toEqual([1])
    await server.start()
    await Promise.all([one.reconnected.next(), two.reconnected.next()])
    await one.engine.publish('a', hint(2))
    expect((await far.inbox.next(({ seq }) => seq === 2)).seq).toBe(2)
    expect(one.errors.drain()).toEqual([])
  })

  test('one that no longer answers is left, and found again when it does', async () => {
    await server.start()
    const one = await openNode(server.url, 'p:')
    const { inbox } = await listen(one.engine, 'a')
    server.pause()
    const published = one.engine.publish('a', hint(1))
    expect(seqs(inbox.drain())).toEqual([1])
    expect((await one.errors.next()).stage).toBe('connect')
    await published
    server.unpause()
    await one.reconnected.next()
    await one.engine.ping()
    expect(one.engine.state()).toBe('up')
  })
})
