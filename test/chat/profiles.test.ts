import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Viewer } from '../../src/auth/verify.ts'
import type { ChatEvent } from '../../src/chat/events.ts'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import { createTestChat, newUserId, type TestChat } from '../support/chat.ts'
import { describeOwnEngines, describeServer, type TestStore } from '../support/database.ts'
import { createNode, listen, type Listening, type TestNode } from '../support/live.ts'
import { GROUP_INFO } from '../support/group-info.ts'

const AVATAR = 'https://example.org/a.png'

/** What was announced of a user: name and avatar, by topic. */
const told = (events: readonly { topic: string; event: ChatEvent }[]): unknown[] =>
  events.flatMap(({ topic, event }) =>
    event.kind === 'user_updated' ? [[topic, event.payload.user.name, event.payload.user.avatar]] : [],
  )

/** The end of the pause after a user's last announcement. */
const endPause = (on: TestStore, userId: number): Promise<unknown> =>
  on.query(
    `UPDATE users SET announced_at = announced_at - interval '4 seconds', announce_due = announce_due - interval '4 seconds' WHERE id = ${userId}`,
  )

describeOwnEngines((on) => {
  let node: TestChat
  let a: number
  let b: number
  let c: number

  beforeEach(async () => {
    node = createTestChat(on().store)
    ;[a = 0, b = 0, c = 0] = await node.users(3)
  })
  afterEach(async () => {
    await node.expectLogPublished()
    await node.close()
  })

  const rename = async (name: string, avatar?: string | null): Promise<unknown[]> => {
    await node.chat.users.upsert({ id: a, name, avatar })
    await node.chat.profileUpdates.idle()
    return told(node.take())
  }
  const viewer = (claims: Partial<Viewer>): Viewer => ({
    userId: a,
    name: undefined,
    avatar: undefined,
    isAdmin: false,
    issuedAt: Date.now() - 60_000,
    expiresAt: Date.now() + 60_000,
    ...claims,
  })

  test('a change goes to the user and to all who share a conversation, and is one event', async () => {
    const groupId = await node.group(b, [a])
    const left = await node.group(c, [a])
    await node.chat.groups.leave(a, left)
    await node.send(a, { receiverId: b })
    await node.send(c, { receiverId: b })
    node.take()
    await node.chat.users.upsert({ id: a, name: 'Ann', avatar: AVATAR })
    await node.chat.profileUpdates.idle()
    const news = node.take()
    expect(new Set(told(news).map(String))).toEqual(
      new Set([`user:${a}`, `user:${b}`, `group:${groupId}`].map((topic) => String([topic, 'Ann', AVATAR]))),
    )
    expect(new Set(news.map(({ event }) => event.id)).size).toBe(1)
  })

  test('it comes of an admin, and of a token that says something newer; not of a new user, nor of what says the same', async () => {
    const fresh = newUserId()
    await node.chat.users.ensure(viewer({ userId: fresh, name: 'New' }))
    await node.chat.users.upsert({ id: newUserId(), name: 'Newer', avatar: null })
    await node.chat.users.ensure(viewer({ name: `user${a}` }))
    await node.chat.users.ensure(viewer({ userId: b, name: `user${b}`, avatar: AVATAR }))
    await node.chat.profileUpdates.idle()
    expect(told(node.take())).toEqual([[`user:${b}`, `user${b}`, AVATAR]])
    expect(await rename('Ann')).toEqual([[`user:${a}`, 'Ann', null]])
    await endPause(on(), a)
    expect(await rename('Ann', null)).toEqual([])
    await node.chat.users.ensure(viewer({ name: 'Of an older token' }))
    await node.chat.profileUpdates.idle()
    expect(told(node.take())).toEqual([])
  })

  test('what changes within 3 s of an announcement waits, and is announced as the last state', async () => {
    expect(await rename('One')).toEqual([[`user:${a}`, 'One', null]])
    // However slow this test is.
    await on().query(`UPDATE users SET announced_at = announced_at + interval '1 hour' WHERE id = ${a}`)
    expect(await rename('Two')).toEqual([])
    expect(await rename('Three', AVATAR)).toEqual([])
    await node.chat.profileUpdates.sweep()
    expect(told(node.take())).toEqual([])
    const [pause] = await on().query(
      `SELECT extract(epoch from announce_due - announced_at)::float8 AS seconds FROM users WHERE id = ${a}`,
    )
    expect(pause?.['seconds']).toBeGreaterThanOrEqual(3)
    await on().query(`UPDATE users SET announce_due = announce_due - interval '2 hours' WHERE id = ${a}`)
    await node.chat.profileUpdates.sweep()
    expect(told(node.take())).toEqual([[`user:${a}`, 'Three', AVATAR]])
  })

  test('it is announced when the 3 s are over, by itself', async () => {
    await rename('One')
    await rename('Two')
    const all = (): Extract<ChatEvent, { kind: 'user_updated' }>[] =>
      node.published.flatMap(({ event }) => (event.kind === 'user_updated' ? [event] : []))
    await expect.poll(() => all().at(-1)?.payload.user.name).toBe('Two')
    const [first, second] = all()
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(3_000)
    expect(all()).toHaveLength(2)
  })

  test('what a node that died was about to announce is announced by another one, once', async () => {
    await rename('One')
    const dead = createTestChat(on().store)
    await dead.chat.users.upsert({ id: a, name: 'Two', avatar: undefined })
    await dead.close()
    await endPause(on(), a)
    const others = [createTestChat(on().store), createTestChat(on().store)]
    await Promise.all(others.map(({ chat }) => chat.profileUpdates.sweep()))
    expect(others.flatMap((other) => told(other.take()))).toEqual([[`user:${a}`, 'Two', null]])
    await Promise.all(others.map((other) => other.close()))
    node.published.length = 0
  })
})

describeServer((on) => {
  test('a member who joins during an announcement receives it, or has the new name already', async () => {
    const node = createTestChat(on().store)
    const other = createTestChat((await on().another()).store)
    for (let round = 0; round < 10; round++) {
      const [a = 0, b = 0] = await node.users(2)
      const groupId = await node.group(b, [])
      const [, before] = await Promise.all([
        node.chat.users.upsert({ id: a, name: `Ann ${round}`, avatar: undefined }),
        on().store.log.lastId(),
        other.chat.groups.join(a, groupId),
        other.send(a, { receiverId: b }),
      ])
      await node.chat.profileUpdates.idle()
      const entries = await on().store.log.read({ topic: `group:${groupId}`, after: 0, until: 1_000 }, 100)
      const names = entries.flatMap(({ event }) => {
        const { user } = event.payload as { user?: { name: string } }
        return user ? [user.name] : []
      })
      expect([before, names.at(-1)]).toEqual([before, `Ann ${round}`])
    }
    expect([...node.errors, ...other.errors]).toEqual([])
    await Promise.all([node.close(), other.close()])
  })
})

describeOwnEngines((on) => {
  describe('who listens to several topics', () => {
    let nodes: [TestNode, TestNode]
    let a: number
    let b: number

    beforeEach(async () => {
      const bus = createMemoryPubSub()
      nodes = [await createNode(on().store, bus), await createNode(on().store, bus)]
      ;[a, b] = [newUserId(), newUserId()]
      await on().store.users.upsert([a, b].map((id) => ({ id, name: undefined, avatar: undefined })))
      for (const name of ['One', 'Two']) await nodes[0].chat.groups.create(a, { ...GROUP_INFO, name }, [b])
      await nodes[0].chat.messages.send(a, {
        conversationId: null,
        receiverId: b,
        isGroup: null,
        content: 'hi',
        messageType: 'text',
        mediaUrl: null,
        key: null,
      })
    })
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.close()))
      const [failed] = nodes.flatMap(({ errors }) => errors)
      if (failed) throw failed.error
    })

    const open = async (userId: number): Promise<Listening> => {
      const listening = await listen(nodes[1], userId)
      listening.feed.start()
      return listening
    }
    const namesIn = (events: readonly ChatEvent[]): string[] =>
      events.flatMap((event) => (event.kind === 'user_updated' ? [event.payload.user.name] : []))

    test('receives it once, live and by a replay', async () => {
      const [mine, theirs] = [await open(a), await open(b)]
      await nodes[0].chat.users.upsert({ id: a, name: 'Ann', avatar: undefined })
      await nodes[0].chat.users.upsert({ id: b, name: 'Bob', avatar: undefined })
      await nodes[0].chat.profileUpdates.idle()
      for (const { until, events } of [mine, theirs]) {
        await until(() => namesIn(events).length === 2)
        expect(namesIn(events)).toEqual(['Ann', 'Bob'])
        const again = await listen(nodes[0], events === mine.events ? a : b)
        expect(namesIn((await again.resume(0)).events)).toEqual(['Ann', 'Bob'])
      }
    })
  })
})
