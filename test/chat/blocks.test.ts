import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockPayload, ChatEvent, PresencePayload, TypingPayload } from '../../src/chat/events.ts'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import { codeOf, createTestChat, newUserId, refusal, type TestChat } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'
import { createNode, listen, turn, type Listening, type TestNode } from '../support/live.ts'
import { GROUP_INFO } from '../support/group-info.ts'

describeEngines((on) => {
  describe('what a block forbids', () => {
    let node: TestChat
    let a: number
    let b: number
    let direct: string

    beforeEach(async () => {
      node = createTestChat(on().store)
      ;[a = 0, b = 0] = await node.users(2)
      direct = `direct_${a}_${b}`
    })
    afterEach(async () => {
      await node.expectLogPublished()
      await node.close()
    })

    const block = (): Promise<unknown> => node.chat.blocks.block(a, b)

    test('both of a pair are refused alike, with a text that does not say who blocked whom', async () => {
      const { id } = await node.send(a, { receiverId: b })
      const theirs = await node.send(b, { receiverId: a })
      await block()
      const { reactions, typing, edits } = node.chat
      const refused = await Promise.all([
        refusal(node.send(a, { receiverId: b })),
        refusal(node.send(b, { receiverId: a })),
        refusal(node.send(b, { conversationId: direct })),
        refusal(typing.set(a, null, direct, true)),
        refusal(typing.set(b, null, direct, true)),
        refusal(reactions.add(a, theirs.id, '👍')),
        refusal(reactions.add(b, id, '👍')),
        refusal(edits.edit(a, { messageId: id, content: 'ho' })),
        refusal(edits.edit(b, { messageId: theirs.id, content: 'ho' })),
      ])
      expect(new Set(refused.map(({ code, message }) => `${code} ${message}`))).toEqual(
        new Set(['FORBIDDEN messages between you two are blocked']),
      )
    })

    test('the first message is refused too, and typing before it', async () => {
      await block()
      expect(await codeOf(node.send(b, { receiverId: a }))).toBe('FORBIDDEN')
      expect(await codeOf(node.chat.typing.set(b, null, direct, true))).toBe('FORBIDDEN')
      expect(await node.chat.reads.conversations([direct])).toEqual(new Map())
    })

    test('reading, deleting, taking a reaction back, a send repeated with its key and groups go on', async () => {
      const groupId = await node.group(a, [b])
      const sent = await node.send(a, { receiverId: b }, { key: 'once' })
      await node.chat.reactions.add(b, sent.id, '👍')
      await block()
      expect(await node.send(a, { receiverId: b }, { key: 'once' })).toEqual(sent)
      expect(await node.chat.reactions.remove(b, sent.id, '👍')).toMatchObject({ userIds: [] })
      expect(await node.chat.receipts.markMessage(b, sent.id)).toMatchObject({ readerId: b })
      const own = await node.chat.deletions.delete({ userId: a, isAdmin: false }, sent.id)
      expect(own.message.deletedAt).toEqual(expect.any(Number))
      const inGroup = await node.send(b, { conversationId: `group_${groupId}` })
      await node.chat.reactions.add(a, inGroup.id, '👍')
      await node.chat.typing.set(a, null, `group_${groupId}`, true)
      expect((await node.chat.reads.messagePage(direct, undefined, 10)).map(({ id }) => id)).toEqual([sent.id])
    })

    test('typing that was on ends, of both', async () => {
      await node.chat.typing.set(a, 'one', direct, true)
      await node.chat.typing.set(b, 'two', direct, true)
      node.take()
      await block()
      const ended = node.take().filter(({ event }) => event.kind === 'typing')
      const told = new Map(ended.map(({ topic, event }) => [topic, (event.payload as TypingPayload).typing]))
      expect(told).toEqual(new Map([a, b].map((userId) => [`user:${userId}`, false])))
      expect(ended).toHaveLength(2)
    })

    test('as long as either of the two blocks the other; a repeat changes and logs nothing', async () => {
      await block()
      await block()
      await node.chat.blocks.block(b, a)
      await node.chat.blocks.unblock(a, b)
      await node.chat.blocks.unblock(a, b)
      expect(await codeOf(node.send(a, { receiverId: b }))).toBe('FORBIDDEN')
      await node.chat.blocks.unblock(b, a)
      const changes = node
        .take()
        .filter(({ event, topic }) => event.kind === 'block_changed' && topic === `user:${a}`)
        .map(({ event }) => event.payload as BlockPayload)
      expect(changes.map(({ blockerId, blocked, isPairBlocked }) => [blockerId, blocked, isPairBlocked])).toEqual([
        [a, true, true],
        [b, true, true],
        [a, false, true],
        [b, false, false],
      ])
      expect((await node.send(a, { receiverId: b })).conversationId).toBe(direct)
    })

    test('oneself can’t be blocked, nor a user who does not exist', async () => {
      const nobody = newUserId()
      for (const act of ['block', 'unblock'] as const) {
        expect(await codeOf(node.chat.blocks[act](a, a))).toBe('BAD_USER_INPUT')
        expect(await codeOf(node.chat.blocks[act](a, nobody))).toBe('NOT_FOUND')
      }
    })

    test('whom a user has blocked comes latest first, in pages', async () => {
      const others = await node.users(5)
      for (const other of others) await node.chat.blocks.block(a, other)
      await node.chat.blocks.block(b, a)
      const first = await node.chat.reads.blockPage(a, undefined, 3)
      const second = await node.chat.reads.blockPage(a, first.at(-1), 3)
      expect([...first, ...second].map(({ userId }) => userId)).toEqual(others.toReversed())
      expect(await node.chat.reads.blockPage(others[0] as number, undefined, 3)).toEqual([])
      expect(await node.chat.reads.blockedPairs(b, [a, ...others])).toEqual(new Set([a]))
      expect(await node.chat.reads.blockedPairs(others[1] as number, [a, b])).toEqual(new Set([a]))
    })

    test('a send that waits for the lock of a block is refused like one that comes after it', async () => {
      await node.send(a, { receiverId: b })
      const outcomes = await Promise.all([
        node.chat.blocks.block(a, b).then(() => 'blocked'),
        ...Array.from({ length: 30 }, () => node.send(b, { receiverId: a }).then(String, () => 'refused')),
      ])
      expect(outcomes).toContain('blocked')
      const log = await on().store.log.read({ topic: `user:${a}`, after: 0, until: 1_000_000 }, 100)
      const kinds = log.map(({ event }) => event.kind)
      expect(kinds.slice(kinds.indexOf('block_changed'))).toEqual(['block_changed'])
    })
  })

  describe('what the two see of each other', () => {
    let nodes: [TestNode, TestNode]
    let a: number
    let b: number

    beforeEach(async () => {
      // Two nodes on one bus: what one does the other's clients see.
      const bus = createMemoryPubSub()
      nodes = [await createNode(on().store, bus), await createNode(on().store, bus)]
      ;[a, b] = [newUserId(), newUserId()]
      await on().store.users.upsert([a, b].map((id) => ({ id, name: undefined, avatar: undefined })))
    })
    afterEach(async () => {
      for (const { chat } of nodes) await chat.presence.stop()
      await Promise.all(nodes.map((node) => node.close()))
      const [failed] = nodes.flatMap(({ errors }) => errors)
      if (failed) throw failed.error
    })

    const open = async (node: TestNode, userId: number): Promise<Listening> => {
      const listening = await listen(node, userId)
      listening.feed.start()
      return listening
    }
    const presenceOf = (events: readonly ChatEvent[]): PresencePayload[] =>
      events.flatMap((event) => (event.kind === 'presence' ? event.payload : []))
    const blocksOf = (events: readonly ChatEvent[]): unknown[] =>
      events.flatMap((event) => (event.kind === 'block_changed' ? [[event.payload.user.id, event.payload.blocked]] : []))
    const online = ({ userId, online: isOnline }: PresencePayload): unknown => [userId, isOnline]
    const meet = (): Promise<unknown> =>
      nodes[0].chat.messages.send(a, {
        conversationId: null,
        receiverId: b,
        isGroup: null,
        content: 'hi',
        messageType: 'text',
        mediaUrl: null,
        key: null,
      })

    test('only the one who blocks receives it, live and by a replay', async () => {
      await meet()
      const [first, second] = [await open(nodes[0], a), await open(nodes[1], b)]
      await nodes[1].chat.blocks.block(a, b)
      await nodes[0].chat.blocks.unblock(a, b)
      await first.until(() => blocksOf(first.events).length === 2)
      expect(blocksOf(first.events)).toEqual([
        [b, true],
        [b, false],
      ])
      expect(blocksOf(second.events)).toEqual([])
      const again = await listen(nodes[1], a)
      expect(blocksOf((await again.resume(0)).events)).toEqual(blocksOf(first.events))
      const others = await listen(nodes[0], b)
      expect(blocksOf((await others.resume(0)).events)).toEqual([])
    })

    test('each receives once that the other is offline, nothing more, and the true state when it ends', async () => {
      await meet()
      const [first, second] = [await open(nodes[0], a), await open(nodes[1], b)]
      nodes[1].chat.presence.opened(b)
      await first.until(() => presenceOf(first.events).length === 1)
      expect(presenceOf(first.events).map(online)).toEqual([[b, true]])
      await nodes[1].chat.blocks.block(a, b)
      await first.until(() => presenceOf(first.events).length === 2)
      await second.until(() => presenceOf(second.events).length === 1)
      expect(presenceOf(first.events).slice(1).map(online)).toEqual([[b, false]])
      expect(presenceOf(second.events).map(online)).toEqual([[a, false]])

      nodes[0].chat.presence.opened(a)
      nodes[1].chat.presence.closed(b)
      nodes[1].chat.presence.opened(b)
      await Promise.all(nodes.map(({ chat }) => chat.presence.stop()))
      await turn()
      // A second block of the same pair, and the end of the first one, change nothing of what they see.
      await nodes[0].chat.blocks.block(b, a)
      await nodes[0].chat.blocks.unblock(a, b)
      await first.until(() => blocksOf(first.events).length === 2)
      expect([presenceOf(first.events), presenceOf(second.events)].map(({ length }) => length)).toEqual([2, 1])

      await nodes[0].chat.blocks.unblock(b, a)
      await first.until(() => presenceOf(first.events).length === 3)
      await second.until(() => presenceOf(second.events).length === 2)
      // Each node of this test knows of its own connections alone.
      expect(presenceOf(first.events)[2]).toMatchObject({ userId: b })
      expect(presenceOf(second.events)[1]).toMatchObject({ userId: a })
      nodes[1].chat.presence.closed(b)
      await first.until(() => presenceOf(first.events).length === 4)
      expect(presenceOf(first.events).at(-1)).toMatchObject({ userId: b, online: false })
    })

    test('a feed that opens while there is a block shows no presence of the other, also through a group of both', async () => {
      await nodes[0].chat.groups.create(a, GROUP_INFO, [b])
      await nodes[0].chat.blocks.block(a, b)
      const [first, second] = [await open(nodes[1], a), await open(nodes[0], b)]
      nodes[0].chat.presence.opened(b)
      nodes[1].chat.presence.opened(a)
      await Promise.all(nodes.map(({ chat }) => chat.presence.stop()))
      await turn()
      expect([...presenceOf(first.events), ...presenceOf(second.events)]).toEqual([])
      await nodes[0].chat.blocks.unblock(a, b)
      await first.until(() => presenceOf(first.events).length === 1)
      await second.until(() => presenceOf(second.events).length === 1)
    })

    test('users who share no conversation receive no presence when a block begins or ends', async () => {
      const first = await open(nodes[0], a)
      await nodes[1].chat.blocks.block(a, b)
      await nodes[1].chat.blocks.unblock(a, b)
      await first.until(() => blocksOf(first.events).length === 2)
      await nodes[0].chat.presence.stateOf(b)
      await turn()
      expect(presenceOf(first.events)).toEqual([])
    })
  })
})
