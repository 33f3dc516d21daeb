import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createRedisPubSub, type RedisPubSubEngine } from '../../src/pubsub/redis.ts'
import { newUserId } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'
import { createNode, idsOf, listen, textsOf, type TestNode } from '../support/live.ts'
import { createRedisServer, skipRedisServer, type RedisServer } from '../support/redis-server.ts'

const on = useStore(openEmbeddedStore)

/** Nodes over a Redis of the test's own; nothing but its return makes them compare with the log. */
describe.skipIf(skipRedisServer)('nodes whose Redis fails', () => {
  let server: RedisServer
  const engines: RedisPubSubEngine[] = []
  const nodes: TestNode[] = []
  beforeAll(async () => {
    server = await createRedisServer()
  })
  afterAll(() => server.close())
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close()
    for (const engine of engines.splice(0)) await engine.close()
    await server.kill()
  })

  async function openNode(): Promise<{ node: TestNode; down: Promise<void> }> {
    let onDown = (): void => undefined
    const down = new Promise<void>((resolve) => (onDown = resolve))
    const engine = await createRedisPubSub({ url: server.url, prefix: 'p:', nodeId: `node ${engines.length}`, onError: onDown })
    const node = await createNode(on().store, engine)
    engine.onReconnected(() => void node.topics.check())
    engines.push(engine)
    nodes.push(node)
    return { node, down }
  }

  async function createPair(): Promise<[number, number]> {
    const pair: [number, number] = [newUserId(), newUserId()]
    await on().store.users.upsert(pair.map((id) => ({ id, name: undefined, avatar: undefined })))
    return pair
  }

  const send = async (node: TestNode, senderId: number, receiverId: number, content: string): Promise<void> => {
    const rest = { conversationId: null, isGroup: null, messageType: 'text', mediaUrl: null, key: null }
    await node.chat.messages.send(senderId, { ...rest, receiverId, content })
  }

  test('what is sent while it is gone comes at once on the same node, and on the others when it returns', async () => {
    await server.start()
    const [one, two] = [await openNode(), await openNode()]
    const [a, b] = await createPair()
    const [near, far] = [await listen(one.node, b), await listen(two.node, b)]
    near.feed.start()
    far.feed.start()
    await send(one.node, a, b, '1')
    await far.until(() => far.events.length >= 1)
    await server.kill()
    await Promise.all([one.down, two.down])
    for (const text of ['2', '3']) await send(one.node, a, b, text)
    expect(textsOf(near.events)).toEqual(['1', '2', '3'])
    // A topic that its node did not listen to before.
    const opened = await listen(two.node, a)
    opened.feed.start()
    await send(one.node, a, b, '4')
    await server.start()
    await far.until(() => far.events.length >= 4)
    await opened.until(() => opened.events.length >= 1)
    await send(one.node, a, b, '5')
    await far.until(() => far.events.length >= 5)
    await opened.until(() => opened.events.length >= 2)
    expect(textsOf(far.events)).toEqual(['1', '2', '3', '4', '5'])
    expect(textsOf(opened.events)).toEqual(['4', '5'])
    expect(textsOf(near.events)).toEqual(['1', '2', '3', '4', '5'])
  })

  test('a forged hint makes nothing be read from the log, whatever number it tells', async () => {
    await server.start()
    const read = vi.spyOn(on().store.log, 'read')
    const [one, two] = [await openNode(), await openNode()]
    const [a, b] = await createPair()
    const far = await listen(two.node, b)
    far.feed.start()
    const other = new Redis(server.url)
    const event = { id: 1, at: 1, kind: 'message_sent', payload: null }
    for (const seq of ['1e300', '-1', '1.5', '"1"', '9007199254740993'])
      await other.publish(`p:user:${b}`, `{"from":"x","hint":{"seq":${seq},"event":${JSON.stringify(event)}}}`)
    await send(one.node, a, b, 'real')
    await far.until(() => far.events.length >= 1)
    expect(textsOf(far.events)).toEqual(['real'])
    expect(read).not.toHaveBeenCalled()
    expect(two.node.errors).toEqual([])
    read.mockRestore()
    other.disconnect()
  })

  test('connections that are killed again and again lose nothing and double nothing', async () => {
    await server.start()
    const [one, two] = [await openNode(), await openNode()]
    const [a, b] = await createPair()
    const feeds = [await listen(one.node, a), await listen(two.node, a), await listen(one.node, b), await listen(two.node, b)]
    for (const { feed } of feeds) feed.start()
    const killer = new Redis(server.url)
    const count = 40
    for (let round = 0; round < 4; round++) {
      const sends = Array.from({ length: count / 4 }, (_, index) => {
        const { node } = index % 2 === 0 ? one : two
        return send(node, index % 2 === 0 ? a : b, index % 2 === 0 ? b : a, `${round}-${index}`)
      })
      await killer.client('KILL', 'TYPE', round % 2 === 0 ? 'pubsub' : 'normal')
      await Promise.all(sends)
    }
    for (const to of feeds) await to.until(() => to.events.length >= count)
    killer.disconnect()
    const all = await on().store.log.read({ topic: `user:${a}`, after: 0, until: count }, count)
    for (const { events } of feeds) expect(idsOf(events)).toEqual(all.map(({ event }) => event.id))
  })
})
