import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { conversationOf, groupTopic, userTopic, type ChatEvent } from '../../src/chat/events.ts'
import type { Checkpoints } from '../../src/live/checkpoints.ts'
import type { GroupInfo } from '../../src/store/groups.ts'
import type { MessageRecord } from '../../src/store/messages.ts'
import type { Store } from '../../src/store/store.ts'
import { codeOf, newUserId } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'
import {
  chaos,
  createNode,
  createRandom,
  createSharedCheckpoints,
  idsOf,
  listen,
  textsOf,
  turn,
  UnreliablePubSub,
  type Listening,
  type TestNode,
} from '../support/live.ts'
import { overriding } from '../support/overriding.ts'
import { GROUP_INFO } from '../support/group-info.ts'

const on = useStore(openEmbeddedStore)

const open: TestNode[] = []
afterEach(async () => {
  for (const node of open.splice(0)) await node.close()
})

type NodeOptions = Parameters<typeof createNode>[2]

/** Nodes over one unreliable pub/sub, and shorthands for what users do on the first of them. */
async function setup({ nodes: count = 1, ...options }: { nodes?: number } & NonNullable<NodeOptions> = {}) {
  const { store } = on()
  const pubsub = new UnreliablePubSub()
  const nodes: TestNode[] = []
  for (let index = 0; index < count; index++) nodes.push(await createNode(store, pubsub, options))
  open.push(...nodes)
  const node = nodes[0] as TestNode
  const send = (senderId: number, to: { receiverId: number } | { groupId: number }, content: string): Promise<MessageRecord> =>
    node.chat.messages.send(senderId, {
      ...{ messageType: 'text', mediaUrl: null, key: null, content },
      ...('groupId' in to
        ? { receiverId: null, isGroup: true, conversationId: `group_${to.groupId}` }
        : { receiverId: to.receiverId, isGroup: null, conversationId: null }),
    })
  return {
    store,
    pubsub,
    node,
    nodes,
    async users<const N extends number>(number: N): Promise<Record<number, number> & number[]> {
      const ids = Array.from({ length: number }, newUserId)
      await store.users.upsert(ids.map((id) => ({ id, name: undefined, avatar: undefined })))
      return ids as Record<number, number> & number[]
    },
    send,
    async sendAll(senderId: number, to: { receiverId: number } | { groupId: number }, ...contents: string[]): Promise<void> {
      for (const content of contents) await send(senderId, to, content)
    },
    group: async (ownerId: number, memberIds: number[], info: Partial<GroupInfo> = {}): Promise<number> =>
      (await node.chat.groups.create(ownerId, { ...GROUP_INFO, ...info }, memberIds)).id,
    /** The latest event of the user's topic, a cursor. */
    async cursor(topic: string): Promise<number> {
      const [entry] = await store.log.newest([{ topic, after: 0, until: Number.MAX_SAFE_INTEGER }], 1)
      return entry?.id ?? 0
    },
    /** Lets everything on its way arrive, and heals what did not. */
    async arrive(): Promise<void> {
      await pubsub.settle()
      for (const { topics } of nodes) await topics.check()
    },
  }
}

const kindsOf = (events: readonly ChatEvent[]): string[] => events.map(({ kind }) => kind)
const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)

describe('live', () => {
  test('events wait until the start and then come in order', async () => {
    const { node, users, send, sendAll } = await setup()
    const [a = 0, b = 0] = await users(2)
    const to = await listen(node, b)
    await sendAll(a, { receiverId: b }, '1', '2')
    expect(to.events).toEqual([])
    to.feed.start()
    expect(textsOf(to.events)).toEqual(['1', '2'])
    await send(b, { receiverId: a }, '3')
    expect(textsOf(to.events)).toEqual(['1', '2', '3'])
    to.feed.close()
    await send(a, { receiverId: b }, '4')
    expect(textsOf(to.events)).toEqual(['1', '2', '3'])
  })

  test.each([
    ['', []],
    ['and resumes', ['as a member']],
  ])('one who is removed while a feed is opened %s gets nothing of what follows', async (how, before) => {
    const { store } = on()
    let meanwhile = (): Promise<unknown> => Promise.resolve()
    const { node, users, send, group } = await setup({
      async memberships(ids) {
        const found = await store.conversations.memberships(ids)
        const change = meanwhile
        meanwhile = () => Promise.resolve()
        await change()
        return found
      },
    })
    const [a = 0, b = 0, c = 0] = await users(3)
    const [leftId, keptId] = [await group(a, [b, c]), await group(a, [b, c])]
    await send(a, { groupId: leftId }, 'as a member')
    meanwhile = () => node.chat.groups.remove(a, leftId, b)
    const to = await listen(node, b)
    if (how !== '') await to.feed.resume(1, {})
    to.feed.start()
    await send(a, { groupId: leftId }, 'after the removal')
    await send(a, { groupId: keptId }, 'to those who are left')
    expect(textsOf(to.events)).toEqual([...before, 'to those who are left'])
    to.feed.close()
    expect(node.topics.inspect(groupTopic(leftId))).toBeUndefined()
  })

  test('each scope gives its own', async () => {
    const { node, users, send, group } = await setup()
    const [a = 0, b = 0] = await users(2)
    const [groupId, otherId] = [await group(a, [b]), await group(a, [b])]
    const all = await listen(node, b)
    const user = await listen(node, b, { kind: 'user' })
    const one = await listen(node, b, { kind: 'group', groupId })
    for (const { feed } of [all, user, one]) feed.start()
    await send(a, { groupId }, 'group')
    await send(a, { groupId: otherId }, 'other')
    await send(a, { receiverId: b }, 'direct')
    expect([all, user, one].map(({ events }) => textsOf(events))).toEqual([['group', 'other', 'direct'], ['direct'], ['group']])
  })

  test('a feed says how much it holds of blocks and memberships', async () => {
    const { node, users, group, store } = await setup()
    const [a = 0, b = 0, c = 0] = await users(3)
    const groupId = await group(a, [b])
    for (const [blocker, blocked] of [
      [b, a],
      [b, c],
    ] as const)
      await store.blocks.add(blocker, blocked)
    const feeds = [
      await listen(node, b),
      await listen(node, b, { kind: 'user' }),
      await listen(node, b, { kind: 'group', groupId }),
    ]
    expect(feeds.map(({ feed }) => feed.held)).toEqual([6, 0, 4])
  })

  test("a feed of a group is for its members, and no stranger's feed says anything", async () => {
    const { node, users, send, group } = await setup()
    const [a = 0, b = 0, stranger = 0] = await users(3)
    const groupId = await group(a, [b])
    expect(await codeOf(listen(node, stranger, { kind: 'group', groupId }))).toBe('NOT_FOUND')
    expect(await codeOf(listen(node, stranger, { kind: 'group', groupId: 987_654 }))).toBe('NOT_FOUND')
    const feed = await listen(node, stranger)
    feed.feed.start()
    await send(a, { groupId }, 'secret')
    await send(a, { receiverId: b }, 'secret')
    expect(feed.events).toEqual([])
  })

  test('typing and presence of others are shown, once, and of oneself not', async () => {
    const { node, users, group } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groups = [await group(a, [b]), await group(a, [b])]
    const to = await listen(node, b)
    to.feed.start()
    const topics = [...groups.map(groupTopic), userTopic(b)]
    const presence = (userId: number): void =>
      node.publisher.audience(topics, {
        ...{ id: null, at: 1, kind: 'presence' },
        payload: { userId, online: true, lastActive: 1 },
      })
    const conversationId = `group_${groups[0]}`
    presence(b)
    presence(a)
    await node.chat.typing.set(b, null, conversationId, true)
    await node.chat.typing.set(a, null, conversationId, true)
    presence(a)
    expect(kindsOf(to.events)).toEqual(['presence', 'typing', 'presence'])
    expect(to.events.every(({ payload }) => JSON.stringify(payload).includes(`${a}`))).toBe(true)
  })

  test('a feed that cannot keep up while it waits ends with a reason', async () => {
    const { node, users, pubsub } = await setup()
    const [a = 0] = await users(1)
    const to = await listen(node, a)
    for (let seq = 1; seq <= 10_001; seq++) {
      await pubsub.publish(userTopic(a), { seq, event: { id: seq, at: 1, kind: 'notification', payload: null } })
    }
    expect(to.ends).toEqual(['overflow'])
    to.feed.start()
    expect(to.events).toEqual([])
  })
})

describe('replays of one user', () => {
  const missed = async (store: Store, userId: number, count: number): Promise<void> => {
    const topics = [userTopic(userId)]
    await store.transaction(async (tx) => {
      await tx.lock(topics)
      for (let id = 0; id < count; id++)
        tx.append({ topics, kind: 'notification', payload: { id, userId, type: 'n', data: {}, at: 1, readAt: null } })
    })
  }

  test('read the log one after the other, in slices, and give all of it', async () => {
    const { store } = on()
    let [running, most] = [0, 0]
    const slices: number[] = []
    const log = overriding(store.log, {
      async oldest(...input: Parameters<typeof store.log.oldest>) {
        most = Math.max(most, ++running)
        const slice = await store.log.oldest(...input)
        running--
        slices.push(slice.entries.length)
        return slice
      },
    })
    const { node, users } = await setup({ log })
    const [a = 0] = await users(1)
    await missed(store, a, 250)
    const feeds = await Promise.all([1, 2, 3].map(() => listen(node, a)))
    const resumed = await Promise.all(feeds.map((feed) => feed.resume(0)))
    const whole = { replayed: 250, complete: true }
    expect(resumed.map(({ replay, events }) => [replay, events.length])).toEqual(Array(3).fill([whole, 250]))
    expect(idsOf(resumed[0]?.events ?? [])).toEqual(ascending(idsOf(resumed[0]?.events ?? [])))
    expect(most).toBe(1)
    expect(slices).toEqual(Array(3).fill([100, 100, 50]).flat())
  })

  test('don’t wait for one whose reader has no room', async () => {
    const { store } = on()
    const { node, users } = await setup()
    const [a = 0] = await users(1)
    await missed(store, a, 150)
    const events: ChatEvent[] = []
    let drain: () => void = () => undefined
    const drained = new Promise<void>((resolve) => (drain = resolve))
    let isFull = false
    const stalled = await node.feeds.open({
      userId: a,
      scope: { kind: 'all' },
      sink: {
        event: (event) => void (isFull = events.push(event) === 120),
        end: () => undefined,
        ready: () => (isFull ? drained : undefined),
      },
    })
    const stalling = stalled.resume(0, {})
    const other = await listen(node, a)
    expect((await other.resume(0)).replay).toEqual({ replayed: 150, complete: true })
    expect(events).toHaveLength(120)
    isFull = false
    drain()
    await stalling
    expect(idsOf(events)).toEqual(idsOf(other.events))
  })

  test('fail where they can’t begin in time, and the feed goes on', async () => {
    const { store } = on()
    const log = overriding(store.log, { positionsAfter: () => new Promise<never>(() => undefined) })
    const { node, users, send } = await setup({ log })
    const [a = 0, b = 0] = await users(2)
    const to = await listen(node, b)
    to.feed.start()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const resumed = codeOf(to.resume(0))
    vi.advanceTimersByTime(5000)
    vi.useRealTimers()
    expect(await resumed).toBe('UNAVAILABLE')
    await send(a, { receiverId: b }, 'live')
    expect(textsOf(to.events)).toEqual(['live'])
  })

  test('are refused where the rate of replayed events is used up', async () => {
    const { store } = on()
    const { node, users } = await setup({ replayRate: { perSecond: 1, burst: 200 } })
    const [a = 0, b = 0] = await users(2)
    await missed(store, a, 150)
    const feeds = await Promise.all([1, 2, 3].map(() => listen(node, a)))
    expect(await Promise.all(feeds.map((feed) => codeOf(feed.resume(0)).catch(() => 'OK')))).toEqual(['OK', 'OK', 'RATE_LIMITED'])
    expect((await (await listen(node, b)).resume(0)).replay).toEqual({ replayed: 0, complete: true })
  })
})

describe('a feed that is closed listens to nothing any more', () => {
  test('also where its sink closes it at the event that a membership begins with', async () => {
    const { node, users, group, arrive } = await setup()
    const [a = 0, b = 0] = await users(2)
    const feed = await node.feeds.open({
      userId: b,
      scope: { kind: 'all' },
      sink: { event: () => feed.close(), end: () => undefined },
    })
    feed.start()
    const groupId = await group(a, [b])
    await arrive()
    expect(node.topics.inspect(groupTopic(groupId))).toBeUndefined()
    expect(node.topics.size()).toBe(0)
  })

  test('also where too much came while it was opened', async () => {
    const { store } = on()
    let answerCircle = (): void => undefined
    let askCircle = (): void => undefined
    const circleIsAsked = new Promise<void>((resolve) => (askCircle = resolve))
    const { node, users, group, pubsub } = await setup({
      async memberships(userIds) {
        askCircle()
        await new Promise<void>((resolve) => (answerCircle = resolve))
        return await store.conversations.memberships(userIds)
      },
    })
    const [a = 0, b = 0] = await users(2)
    await group(a, [b])
    const ends: string[] = []
    const opening = node.feeds.open({
      userId: b,
      scope: { kind: 'all' },
      sink: { event: () => undefined, end: (reason) => ends.push(reason) },
    })
    await circleIsAsked
    const { position } = node.topics.inspect(userTopic(b)) as { position: number }
    for (let seq = position + 1; seq <= position + 10_001; seq++) {
      await pubsub.publish(userTopic(b), { seq, event: { id: seq, at: 1, kind: 'notification', payload: null } })
    }
    answerCircle()
    await opening
    expect(ends).toEqual(['overflow'])
    expect(node.topics.size()).toBe(0)
  })
})

describe('resume', () => {
  test('gives exactly what was missed, oldest first, then goes on live', async () => {
    const { node, users, sendAll, send, group, cursor } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    await sendAll(a, { receiverId: b }, 'before')
    const after = await cursor(userTopic(b))
    await send(a, { groupId }, '1')
    await send(a, { receiverId: b }, '2')
    await send(a, { groupId }, '3')
    const to = await listen(node, b)
    await send(a, { groupId }, '4')
    const { replay, events } = await to.resume(after)
    expect(replay).toEqual({ replayed: 3, complete: true })
    expect(textsOf(events)).toEqual(['1', '2', '3'])
    to.feed.start()
    await send(a, { receiverId: b }, '5')
    expect(textsOf(to.events)).toEqual(['1', '2', '3', '4', '5'])
    expect(idsOf(to.events)).toEqual(ascending(idsOf(to.events)))
  })

  test('gives nothing of before the cursor where the node is behind the log', async () => {
    const { node, pubsub, users, send, sendAll, cursor, arrive } = await setup()
    const [a = 0, b = 0] = await users(2)
    const other = await listen(node, b)
    other.feed.start()
    pubsub.decide = () => []
    await sendAll(a, { receiverId: b }, '1', '2')
    const { feed, events } = await listen(node, b)
    await feed.resume(await cursor(userTopic(b)), {})
    feed.start()
    pubsub.decide = () => [0]
    await arrive()
    await send(a, { receiverId: b }, '3')
    expect(textsOf(other.events)).toEqual(['1', '2', '3'])
    expect(textsOf(events)).toEqual(['3'])
  })

  test('repeats nothing that this feed gave, however often and from wherever', async () => {
    const { node, users, sendAll } = await setup()
    const [a = 0, b = 0] = await users(2)
    await sendAll(a, { receiverId: b }, '1', '2', '3')
    const to = await listen(node, b)
    to.feed.start()
    await sendAll(a, { receiverId: b }, '4', '5')
    const middle = idsOf(to.events)[0] as number
    expect((await to.resume(middle)).replay).toEqual({ replayed: 0, complete: true })
    expect((await to.resume(0)).replay).toEqual({ replayed: 3, complete: true })
    expect((await to.resume(0)).replay).toEqual({ replayed: 0, complete: true })
    expect(textsOf(to.events)).toEqual(['4', '5', '1', '2', '3'])
  })

  test('two at once go one after the other and repeat nothing', async () => {
    const { node, users, sendAll, send } = await setup()
    const [a = 0, b = 0] = await users(2)
    await sendAll(a, { receiverId: b }, '1', '2', '3')
    const to = await listen(node, b)
    to.feed.start()
    const resumed = Promise.all([to.resume(0), to.resume(0), send(a, { receiverId: b }, '4')])
    expect((await resumed).slice(0, 2)).toMatchObject([{ replay: { replayed: 3 } }, { replay: { replayed: 0 } }])
    expect(textsOf(to.events)).toEqual(['1', '2', '3', '4'])
  })

  test('says that it is not complete for an id that was never given out', async () => {
    const { node, users, send } = await setup()
    const [a = 0, b = 0] = await users(2)
    await send(a, { receiverId: b }, '1')
    const to = await listen(node, b)
    for (const after of [1_000_000_000, Number.MAX_SAFE_INTEGER, 2 ** 60]) {
      expect((await to.resume(after)).replay).toEqual({ replayed: 0, complete: false })
    }
  })

  test('gives the newest where more was missed than the limit, and says so', async () => {
    const { node, users, sendAll, group, send } = await setup({ resumeLimit: 3 })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    await sendAll(a, { receiverId: b }, '1', '2')
    await send(a, { groupId }, '3')
    await sendAll(a, { receiverId: b }, '4', '5')
    const to = await listen(node, b)
    const { replay, events } = await to.resume(0)
    expect(replay).toEqual({ replayed: 3, complete: false })
    expect(textsOf(events)).toEqual(['3', '4', '5'])
    const exact = await listen(node, b)
    const [third] = idsOf(events)
    expect((await exact.resume((third as number) - 1)).replay).toEqual({ replayed: 3, complete: true })
  })

  test('says that it is not complete where retention was faster', async () => {
    const { store, node, users, sendAll, cursor } = await setup()
    const [a = 0, b = 0] = await users(2)
    await sendAll(a, { receiverId: b }, '1')
    const after = await cursor(userTopic(b))
    await sendAll(a, { receiverId: b }, '2', '3')
    const last = await cursor(userTopic(b))
    await on().query(`UPDATE events SET created_at = now() - interval '9 hours' WHERE topic = 'user:${b}'`)
    await store.log.sweep(8, 2)
    await sendAll(a, { receiverId: b }, '4')
    const complete = await listen(node, b)
    expect((await complete.resume(last)).replay).toEqual({ replayed: 1, complete: true })
    await store.log.sweep(8, 10)
    const to = await listen(node, b)
    const { replay, events } = await to.resume(after)
    expect(replay).toEqual({ replayed: 1, complete: false })
    expect(textsOf(events)).toEqual(['4'])
  })

  test('fails where the log cannot be read, and live events go on', async () => {
    const { store } = on()
    let fails = true
    const log = overriding(store.log, {
      newest: (...input: Parameters<typeof store.log.newest>) =>
        fails ? Promise.reject(new Error('no database')) : store.log.newest(...input),
    })
    const { node, users, send } = await setup({ log })
    const [a = 0, b = 0] = await users(2)
    await send(a, { receiverId: b }, '1')
    const to = await listen(node, b)
    to.feed.start()
    await expect(to.resume(0)).rejects.toThrow('no database')
    await send(a, { receiverId: b }, '2')
    expect(textsOf(to.events)).toEqual(['2'])
    fails = false
    expect(textsOf((await to.resume(0)).events)).toEqual(['1'])
  })

  test('a close in between ends it silently', async () => {
    const { node, users, send } = await setup()
    const [a = 0, b = 0] = await users(2)
    await send(a, { receiverId: b }, '1')
    const to = await listen(node, b)
    const done: unknown[] = []
    const resumed = to.feed.resume(0, { done: (replay) => done.push(replay) })
    to.feed.close()
    await resumed
    expect([to.events, done]).toEqual([[], []])
  })
})

describe('an event that another one overtook', () => {
  /** A client that got 'later' of its own topic, and not 'lost' of the group, which was logged before. */
  async function overtaken(overlapMs: number, checkpoints?: Checkpoints) {
    const made = await setup({ nodes: 2, overlapMs, checkpoints })
    const { nodes, users, group, send, pubsub, cursor } = made
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    await send(a, { groupId }, 'old')
    await on().query(`UPDATE events SET created_at = now() - interval '1 hour' WHERE topic = 'group:${groupId}'`)
    const first = await listen(nodes[0] as TestNode, b)
    first.feed.start()
    pubsub.decide = (channel) => (channel.startsWith('group:') ? [] : [0])
    await send(a, { groupId }, 'lost')
    await send(a, { receiverId: b }, 'later')
    expect(textsOf(first.events)).toEqual(['later'])
    first.feed.close()
    pubsub.decide = () => [0]
    await send(a, { receiverId: b }, 'missed')
    const second = await listen(nodes[1] as TestNode, b)
    const { replay, events } = await second.resume(idsOf(first.events)[0] as number)
    return { ...made, a, b, groupId, second, replay, texts: textsOf(events), last: await cursor(userTopic(b)) }
  }

  test('is given by a resume on any node, and nothing older', async () => {
    const { texts, replay } = await overtaken(15_000)
    expect(texts).toEqual(['lost', 'missed'])
    expect(replay).toEqual({ replayed: 2, complete: true })
  })

  test('cannot be where events come in the order of their commits, so nothing is given again', async () => {
    const { texts } = await overtaken(0)
    expect(texts).toEqual(['missed'])
  })

  test('is given where the last connection left a checkpoint, and nothing else again', async () => {
    const { texts, replay } = await overtaken(0, createSharedCheckpoints())
    expect(texts).toEqual(['lost', 'missed'])
    expect(replay).toEqual({ replayed: 2, complete: true })
  })

  test('is nothing that a client got which left a checkpoint, so nothing is given again', async () => {
    const { nodes, users, group, send } = await setup({ nodes: 2, overlapMs: 15_000, checkpoints: createSharedCheckpoints() })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const first = await listen(nodes[0] as TestNode, b)
    first.feed.start()
    await send(a, { groupId }, 'group')
    await send(a, { receiverId: b }, 'direct')
    first.feed.close()
    await send(a, { groupId }, 'missed')
    const second = await listen(nodes[1] as TestNode, b)
    const { replay, events } = await second.resume(idsOf(first.events).at(-1) as number)
    expect(textsOf(events)).toEqual(['missed'])
    expect(replay).toEqual({ replayed: 1, complete: true })
  })

  test('is given as well where the checkpoint is of another part of what the client missed', async () => {
    const checkpoints = createSharedCheckpoints()
    const { nodes, users, group, send, pubsub } = await setup({ nodes: 2, overlapMs: 15_000, checkpoints })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const all = await listen(nodes[0] as TestNode, b)
    const own = await listen(nodes[1] as TestNode, b, { kind: 'user' })
    all.feed.start()
    own.feed.start()
    pubsub.decide = (channel) => (channel.startsWith('group:') ? [] : [0])
    await send(a, { groupId }, 'lost')
    await send(a, { receiverId: b }, 'later')
    // The first one's node dies without a checkpoint, the second one's leaves a checkpoint without groups.
    own.feed.close()
    const back = await listen(nodes[1] as TestNode, b)
    const { events } = await back.resume(idsOf(all.events).at(-1) as number)
    expect(textsOf(events)).toContain('lost')
  })

  type Made = Awaited<ReturnType<typeof setup>> & { first: Listening; a: number; b: number; groupId: number }
  interface Way {
    how: string
    /** How many other clients the user has. */
    others?: number
    prepare?: (made: Made) => Promise<unknown>
    end: (first: Listening) => void
  }
  const WAYS: readonly Way[] = [
    { how: 'left none', end: () => undefined },
    { how: 'left one for which there was no room', others: 10, end: ({ feed }) => feed.close() },
    {
      how: 'ended during a resume',
      end({ feed }) {
        void feed.resume(0, {})
        feed.close()
      },
    },
    {
      how: 'was given too much out of order to describe it',
      async prepare({ pubsub, send, first, a, b, groupId }) {
        pubsub.decide = (channel) => (channel.startsWith('group:') ? ['held'] : [0])
        await Promise.all(Array.from({ length: 210 }, (_, index) => send(a, { groupId }, `late ${index}`)))
        await send(a, { receiverId: b }, 'ahead')
        await pubsub.settle()
        await first.until(() => first.events.length === 211)
      },
      end: ({ feed }) => feed.close(),
    },
  ]
  test.each(WAYS)('is given as well where checkpoints are of other clients, and its own connection $how', async (way) => {
    const checkpoints = createSharedCheckpoints()
    const made = await setup({ nodes: 2, overlapMs: 15_000, checkpoints })
    const { nodes, users, group, send, pubsub } = made
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const first = await listen(nodes[0] as TestNode, b)
    first.feed.start()
    await way.prepare?.({ ...made, first, a, b, groupId })
    const others: Listening[] = []
    for (let count = way.others ?? 1; count > 0; count--) others.push(await listen(nodes[1] as TestNode, b))
    for (const { feed } of others) feed.start()
    pubsub.decide = (channel) => (channel.startsWith('group:') ? [] : [0])
    await send(a, { groupId }, 'lost')
    // The other clients, of the same user, have both, in their order.
    await (nodes[1] as TestNode).topics.check()
    for (const { events, until } of others) await until(() => textsOf(events).includes('lost'))
    await send(a, { receiverId: b }, 'later')
    expect(textsOf(first.events)).not.toContain('lost')
    expect(textsOf(first.events).at(-1)).toBe('later')
    way.end(first)
    for (const { feed } of others) feed.close()
    const back = await listen(nodes[1] as TestNode, b)
    const { events } = await back.resume(idsOf(first.events).at(-1) as number)
    expect(textsOf(events)).toContain('lost')
  })

  test('a group whose joining a node hears of late does not repeat what the client had of it', async () => {
    const { nodes, users, group, send, pubsub, node, cursor } = await setup({ nodes: 2 })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [])
    // It keeps the second node in b's topic, behind the log.
    await listen(nodes[1] as TestNode, b)
    pubsub.decide = (channel) => (channel === userTopic(b) ? ['held'] : [0])
    await node.chat.groups.invite(a, groupId, [b])
    await send(a, { groupId }, 'had')
    const back = await listen(nodes[1] as TestNode, b)
    await back.resume(await cursor(groupTopic(groupId)))
    back.feed.start()
    await send(a, { groupId }, 'new')
    await pubsub.settle()
    await nodes[1]?.topics.check()
    await send(a, { groupId }, 'last')
    await back.until(() => textsOf(back.events).includes('last'))
    expect(textsOf(back.events)).toEqual(['new', 'last'])
  })

  test('is given once on a connection, however often it resumes', async () => {
    const { second, last, send, a, groupId } = await overtaken(15_000)
    expect((await second.resume(last)).replay).toEqual({ replayed: 0, complete: true })
    second.feed.start()
    await send(a, { groupId }, 'live')
    expect((await second.resume(last)).replay).toEqual({ replayed: 0, complete: true })
    expect(textsOf(second.events)).toEqual(['lost', 'missed', 'live'])
  })

  test('does not make a resume incomplete that missed less than the limit', async () => {
    const { nodes, users, group, send, sendAll, cursor } = await setup({ overlapMs: 15_000, resumeLimit: 5 })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    await sendAll(a, { groupId }, '1', '2')
    await send(a, { receiverId: b }, 'cursor')
    const after = await cursor(userTopic(b))
    await sendAll(a, { receiverId: b }, '3', '4', '5')
    const to = await listen(nodes[0] as TestNode, b)
    const { replay, events } = await to.resume(after)
    expect(textsOf(events)).toEqual(['1', '2', '3', '4', '5'])
    expect(replay.complete).toBe(true)
  })

  test('is told of where there may be more of them than the limit', async () => {
    const { nodes, users, group, send, sendAll, cursor } = await setup({ overlapMs: 15_000, resumeLimit: 3 })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    await sendAll(a, { groupId }, '1', '2', '3', '4', '5')
    await send(a, { receiverId: b }, 'cursor')
    const to = await listen(nodes[0] as TestNode, b)
    expect((await to.resume(await cursor(userTopic(b)))).replay.complete).toBe(false)
  })
})

describe('membership', () => {
  const STARTS: Record<string, (made: Awaited<ReturnType<typeof setup>>, a: number, b: number) => Promise<number>> = {
    async create({ group }, a, b) {
      return await group(a, [b])
    },
    async join({ group, node, send }, a, b) {
      const groupId = await group(a, [])
      await send(a, { groupId }, 'before')
      await node.chat.groups.join(b, groupId)
      return groupId
    },
    async invite({ group, node, send }, a, b) {
      const groupId = await group(a, [])
      await send(a, { groupId }, 'before')
      await node.chat.groups.invite(a, groupId, [b])
      return groupId
    },
    async approve({ group, node, send }, a, b) {
      const groupId = await group(a, [], { joinApprovalRequired: true })
      await node.chat.groups.join(b, groupId)
      await send(a, { groupId }, 'before')
      await node.chat.groups.decide(a, groupId, b, true)
      return groupId
    },
  }

  test.each(Object.entries(STARTS))('one that starts by %s gives the group from there', async (_, start) => {
    const made = await setup()
    const { node, users, send } = made
    const [a = 0, b = 0] = await users(2)
    const to = await listen(node, b)
    to.feed.start()
    const groupId = await start(made, a, b)
    await send(a, { groupId }, '1')
    await to.until(() => textsOf(to.events).includes('1'))
    await send(a, { groupId }, '2')
    expect(textsOf(to.events)).toEqual(['1', '2'])
    expect(kindsOf(to.events)).toHaveLength(3)
    // And a resume on another connection brings the same.
    const other = await listen(node, b)
    await other.resume(0)
    expect(idsOf(other.events)).toEqual(idsOf(to.events))
  })

  test('one that starts is given from its start where messages were faster than the feed', async () => {
    const { store } = on()
    let blocked: Promise<void> | undefined
    const log = overriding(store.log, {
      async heads(...input: Parameters<typeof store.log.heads>) {
        await blocked
        return store.log.heads(...input)
      },
    })
    const { node, users, group, sendAll } = await setup({ log })
    const [a = 0, b = 0] = await users(2)
    const to = await listen(node, b)
    to.feed.start()
    let go = (): void => undefined
    blocked = new Promise((resolve) => (go = resolve))
    const groupId = await group(a, [b])
    await sendAll(a, { groupId }, '1', '2', '3')
    go()
    await to.until(() => textsOf(to.events).length === 3)
    expect(kindsOf(to.events)).toEqual(['group_updated', 'message_sent', 'message_sent', 'message_sent'])
    await to.resume(0)
    expect(to.events).toHaveLength(4)
  })

  test('one that starts while the feed is opened is given from its start, once', async () => {
    const { store } = on()
    let during: (() => Promise<unknown>) | undefined
    const memberships: typeof store.conversations.memberships = async (userIds) => {
      const run = during
      during = undefined
      await run?.()
      return await store.conversations.memberships(userIds)
    }
    const { node, users, group, sendAll, send } = await setup({ memberships })
    const [a = 0, b = 0] = await users(2)
    let groupId = 0
    during = async () => {
      groupId = await group(a, [b])
      await sendAll(a, { groupId }, '1', '2')
    }
    const to = await listen(node, b)
    to.feed.start()
    await to.until(() => textsOf(to.events).length === 2)
    await send(a, { groupId }, '3')
    await to.resume(0)
    expect(textsOf(to.events)).toEqual(['1', '2', '3'])
    expect(kindsOf(to.events)).toEqual(['group_updated', 'message_sent', 'message_sent', 'message_sent'])
  })

  test('nothing of before it is given where the node is behind the log', async () => {
    const { node, users, group, send, pubsub, arrive } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [])
    // Keeps the topic open on the node, whose position stays where the first message is.
    const owner = await listen(node, a)
    owner.feed.start()
    pubsub.decide = () => ['held']
    await send(a, { groupId }, 'before')
    await node.chat.groups.join(b, groupId)
    const [all, one] = [await listen(node, b), await listen(node, b, { kind: 'group', groupId })]
    for (const { feed } of [all, one]) feed.start()
    await send(a, { groupId }, 'after')
    await arrive()
    await all.until(() => textsOf(all.events).length > 0)
    await one.until(() => textsOf(one.events).length > 0)
    expect(textsOf(owner.events)).toEqual(['before', 'after'])
    expect(textsOf(all.events)).toEqual(['after'])
    expect(kindsOf(one.events)).toEqual(['message_sent'])
  })

  test.each(['leave', 'remove'])('by %s it ends with member_left to the one who left, and nothing after', async (how) => {
    const { node, users, group, send } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const [all, one, owner] = [
      await listen(node, b),
      await listen(node, b, { kind: 'group', groupId }),
      await listen(node, a, { kind: 'group', groupId }),
    ]
    for (const { feed } of [all, one, owner]) feed.start()
    await send(a, { groupId }, '1')
    if (how === 'leave') await node.chat.groups.leave(b, groupId)
    else await node.chat.groups.remove(a, groupId, b)
    await send(a, { groupId }, '2')
    expect(kindsOf(all.events)).toEqual(['message_sent', 'member_left'])
    expect(kindsOf(one.events)).toEqual(['message_sent', 'member_left'])
    expect([all.ends, one.ends]).toEqual([[], ['left']])
    expect(kindsOf(owner.events)).toEqual(['message_sent', 'member_left', 'message_sent'])
    expect((await all.resume(0)).events.map(({ kind }) => kind)).toEqual(['group_updated'])
  })

  test('a removal that is on its way takes nothing of what was sent before it, and gives nothing of after', async () => {
    const { node, users, group, sendAll, pubsub, arrive } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const to = await listen(node, b)
    to.feed.start()
    pubsub.decide = () => []
    await sendAll(a, { groupId }, '1', '2')
    await node.chat.groups.remove(a, groupId, b)
    await sendAll(a, { groupId }, '3')
    await arrive()
    await to.until(() => kindsOf(to.events).includes('member_left'))
    await arrive()
    expect(textsOf(to.events)).toEqual(['1', '2'])
    expect(kindsOf(to.events).at(-1)).toBe('member_left')
  })

  test('who comes back gets what is sent from then on, and nothing of the time between', async () => {
    const { node, users, group, send } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const to = await listen(node, b)
    to.feed.start()
    await send(a, { groupId }, '1')
    await node.chat.groups.leave(b, groupId)
    await send(a, { groupId }, 'between')
    await node.chat.groups.join(b, groupId)
    await send(a, { groupId }, '2')
    await to.until(() => textsOf(to.events).includes('2'))
    await send(a, { groupId }, '3')
    expect(textsOf(to.events)).toEqual(['1', '2', '3'])
    const other = await listen(node, b)
    await other.resume(0)
    expect(textsOf(other.events)).toEqual(['1', '2', '3'])
  })

  test('a return that is told of before the leaving loses neither', async () => {
    const { node, users, group, send, pubsub, arrive } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const to = await listen(node, b)
    to.feed.start()
    pubsub.decide = (channel) => (channel === groupTopic(groupId) ? ['held'] : [0])
    await send(a, { groupId }, '1')
    await node.chat.groups.leave(b, groupId)
    await send(a, { groupId }, 'between')
    await node.chat.groups.join(b, groupId)
    await send(a, { groupId }, '2')
    await send(a, { receiverId: b }, 'direct')
    pubsub.decide = () => [0]
    await arrive()
    await to.until(() => textsOf(to.events).includes('2'))
    await send(a, { groupId }, '3')
    expect(textsOf(to.events.filter((event) => conversationOf(event) === `group_${groupId}`))).toEqual(['1', '2', '3'])
    expect(textsOf(to.events)).toContain('direct')
    const changes = kindsOf(to.events).filter((kind) => kind.startsWith('member'))
    expect(changes).toEqual(['member_left', 'member_joined'])
  })

  test('the end of a membership is not waited for where the log has it no more', async () => {
    const { store } = on()
    let isLost = false
    const log = overriding(store.log, {
      read: async (...input: Parameters<typeof store.log.read>) => (isLost ? [] : await store.log.read(...input)),
    })
    const { node, users, group, send, pubsub } = await setup({ log })
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const to = await listen(node, b)
    to.feed.start()
    pubsub.decide = (channel) => (channel === groupTopic(groupId) ? ['held'] : [0])
    isLost = true
    await node.chat.groups.leave(b, groupId)
    await node.chat.groups.join(b, groupId)
    await to.until(() => kindsOf(to.events).includes('member_joined'))
    isLost = false
    await pubsub.settle()
    pubsub.decide = () => [0]
    await send(a, { groupId }, 'after')
    await to.until(() => textsOf(to.events).includes('after'))
    expect(kindsOf(to.events)).toEqual(['member_joined', 'message_sent'])
  })

  test('who left gets by a resume what was sent until then, and nothing after', async () => {
    const { node, users, group, send, cursor } = await setup()
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    await send(a, { groupId }, '0')
    const after = await cursor(groupTopic(groupId))
    await send(a, { groupId }, '1')
    await node.chat.groups.remove(a, groupId, b)
    await send(a, { groupId }, '2')
    const to = await listen(node, b)
    const { events } = await to.resume(after)
    to.feed.start()
    await send(a, { groupId }, '3')
    expect(kindsOf(events)).toEqual(['message_sent', 'member_left'])
    expect(textsOf(to.events)).toEqual(['1'])
    expect(await codeOf(listen(node, b, { kind: 'group', groupId }))).toBe('NOT_FOUND')
  })

  test.each(['still lasts', 'has ended'])(
    'one that nobody told of yet and that %s is left to that by a resume',
    async (state) => {
      const { node, users, group, send, pubsub, arrive } = await setup()
      const [a = 0, b = 0] = await users(2)
      const to = await listen(node, b)
      to.feed.start()
      pubsub.decide = () => ['held']
      const groupId = await group(a, [b])
      await send(a, { groupId }, '1')
      if (state === 'has ended') await node.chat.groups.remove(a, groupId, b)
      expect((await to.resume(0)).replay).toEqual({ replayed: 0, complete: true })
      await arrive()
      const expected = ['group_updated', 'message_sent', ...(state === 'has ended' ? ['member_left'] : [])]
      await to.until(() => to.events.length === expected.length)
      expect(kindsOf(to.events)).toEqual(expected)
    },
  )

  test('a log that cannot be read while one starts ends the feed with a reason', async () => {
    const { store } = on()
    let fails = false
    const log = overriding(store.log, {
      heads: (...input: Parameters<typeof store.log.heads>) =>
        fails ? Promise.reject(new Error('no database')) : store.log.heads(...input),
    })
    const { node, users, group } = await setup({ log })
    const [a = 0, b = 0] = await users(2)
    const to = await listen(node, b)
    to.feed.start()
    fails = true
    await group(a, [b])
    await to.until(() => to.ends.length > 0)
    expect(to.ends).toEqual(['failed'])
  })
})

/** What a resume goes by besides the cursor: what is recent, what connections left when they closed, or both. */
const GUIDES: readonly (readonly [string, () => NonNullable<NodeOptions>])[] = [
  ['an overlap', () => ({ overlapMs: 60_000 })],
  ['checkpoints', () => ({ checkpoints: createSharedCheckpoints() })],
  ['both', () => ({ overlapMs: 60_000, checkpoints: createSharedCheckpoints() })],
]

test.each(GUIDES)(
  'whatever happens to hints and connections, who resumes by %s gets everything, in order and once',
  async (_, guide) => {
    const { store } = on()
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const random = createRandom(seed)
        const drawn = (below: number): number => Math.floor(random() * below)
        const { nodes, node, pubsub, users, group, send, arrive } = await setup({ nodes: 2, ...guide() })
        const [a = 0, b = 0, c = 0] = await users(3)
        const groups = [await group(a, [b, c]), await group(c, [a])] as const
        pubsub.decide = chaos(random)
        let isInSecond = false
        const write = async (index: number): Promise<void> => {
          for (let turns = drawn(10); turns > 0; turns--) await turn()
          const kind = drawn(5)
          if (kind === 0) await send(a, { receiverId: b }, `direct ${index}`)
          else if (kind === 1) await send(b, { groupId: groups[0] }, `own ${index}`)
          else if (kind === 2) await send(c, { groupId: groups[1] }, `second ${index}`)
          else await send(c, { groupId: groups[0] }, `first ${index}`)
        }
        const changeMembership = async (): Promise<void> => {
          if (isInSecond) await node.chat.groups.leave(b, groups[1])
          else await node.chat.groups.join(b, groups[1])
          isInSecond = !isInSecond
        }

        const received = new Set<number>()
        let cursor = 0
        const connect = async (): Promise<Listening & { isEarly: boolean }> => {
          const to = await listen(nodes[drawn(2)] as TestNode, b)
          const isEarly = random() < 0.5
          if (isEarly) to.feed.start()
          expect((await to.resume(cursor)).replay.complete).toBe(true)
          if (!isEarly) to.feed.start()
          return { ...to, isEarly }
        }
        const cut = (to: Listening & { isEarly: boolean }): void => {
          to.feed.close()
          const ids = idsOf(to.events)
          expect(new Set(ids).size).toBe(ids.length)
          // A replay may repeat events that were delivered live before it.
          const conversations = to.isEarly ? [] : new Set(to.events.map(conversationOf))
          for (const conversation of conversations) {
            const inOrder = idsOf(to.events.filter((event) => conversationOf(event) === conversation))
            expect(inOrder).toEqual(ascending(inOrder))
          }
          for (const id of ids) received.add(id)
          cursor = Math.max(cursor, ...ids)
        }

        const writing: Promise<void>[] = []
        for (let round = 0; round < 4; round++) {
          const to = await connect()
          for (let index = 0; index < 8; index++) writing.push(write(round * 8 + index))
          if (round % 2 === 1) await changeMembership()
          for (let turns = drawn(60); turns > 0; turns--) await turn()
          cut(to)
        }
        await Promise.all(writing)
        await arrive()
        const last = await connect()
        const memberships = (await store.conversations.memberships([b])).get(b) ?? expect.fail('no memberships')
        const ranges = [
          { topic: userTopic(b), after: 0, until: 1_000_000 },
          ...memberships.groups.map(({ topic, sinceSeq }) => ({ topic, after: sinceSeq, until: 1_000_000 })),
          ...memberships.former.map(({ topic, sinceSeq, untilSeq }) => ({ topic, after: sinceSeq, until: untilSeq })),
        ]
        const theirs = (await store.log.newest(ranges, 10_000)).map(({ id }) => id)
        cut(last)
        expect(ascending([...received])).toEqual(theirs)
      }),
      { numRuns: 8 },
    )
  },
  60_000,
)
