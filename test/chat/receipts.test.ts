import { expect, test } from 'vitest'
import { codeOf, createTestChat, type Published, type TestChat, useChat } from '../support/chat.ts'
import { describeEngines, describeServer } from '../support/database.ts'

/** Whom receipts were pushed to, and of which messages. */
const receiptsIn = (published: readonly Published[]): [string, number][] =>
  published.flatMap(({ topic, event }) => (event.kind === 'message_read' ? [[topic, event.payload.messageId]] : []))

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  test('a receipt is stored and pushed to the sender once; a repeat gives the first one', async () => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id, conversationId } = await send(a, { receiverId: b })
    take()
    const receipt = await chat.receipts.markMessage(b, id, false)
    expect(receipt).toEqual({ messageId: id, readerId: b, readAt: expect.any(Number) as number })
    const read = { conversationId, readUpTo: id, unreadCount: 0, unreadMentionCount: 0 }
    expect(take().map(({ topic, event }) => [topic, event.kind, event.payload])).toEqual([
      [`user:${a}`, 'message_read', { messageId: id, conversationId, isGroup: false, readerId: b }],
      [`user:${b}`, 'conversation_read', read],
    ])
    expect(await chat.receipts.markMessage(b, id)).toEqual(receipt)
    expect(await Promise.all([chat.receipts.markMessage(b, id), chat.receipts.markMessage(b, id)])).toEqual([receipt, receipt])
    expect(take()).toEqual([])
    expect(await chat.reads.receipts([id])).toEqual([receipt])
  })

  test('in a group every reader tells the sender and their own connections, and nobody else', async () => {
    const { chat, group, send, take, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const groupId = await group(a, [b, c])
    const { id } = await send(b, { conversationId: `group_${groupId}` })
    take()
    await chat.receipts.markMessage(c, id, true)
    await chat.receipts.markMessage(a, id)
    expect(take().map(({ topic }) => topic)).toEqual([`user:${b}`, `user:${c}`, `user:${b}`, `user:${a}`])
    expect((await chat.reads.receipts([id])).map(({ readerId }) => readerId)).toEqual([c, a])
  })

  test("one's own message can't be read, nor one that is not there for the reader", async () => {
    const { chat, group, send, take, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const direct = await send(a, { receiverId: b })
    const groupId = await group(a, [b])
    const inGroup = await send(b, { conversationId: `group_${groupId}` })
    take()
    const refused: [number, number, boolean | null][] = [
      [c, direct.id, null],
      [c, inGroup.id, null],
      [b, direct.id, true],
      [a, inGroup.id, false],
      [b, 1_000_000_000, null],
      [b, Number.MAX_SAFE_INTEGER, null],
    ]
    for (const [reader, id, isGroup] of refused)
      expect(await codeOf(chat.receipts.markMessage(reader, id, isGroup))).toBe('NOT_FOUND')
    expect(await codeOf(chat.receipts.markMessage(a, direct.id))).toBe('BAD_USER_INPUT')
    await chat.groups.leave(b, groupId)
    expect(await codeOf(chat.receipts.markMessage(b, inGroup.id))).toBe('NOT_FOUND')
    expect(take().map(({ event }) => event.kind)).toEqual(['member_left'])
  })

  test('a conversation is read up to a message: each that was unread is pushed to its sender, the others are not', async () => {
    const { chat, group, send, take, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const groupId = await group(a, [b, c])
    const conversationId = `group_${groupId}`
    const sent = [
      await send(a, { conversationId }),
      await send(b, { conversationId }),
      await send(c, { conversationId }),
      await send(a, { conversationId }),
    ]
    const [first = 0, second = 0, own = 0, last = 0] = sent.map(({ id }) => id)
    await chat.receipts.markMessage(c, first)
    take()
    expect(await chat.receipts.markConversation(c, conversationId, own)).toBe(1)
    expect(receiptsIn(take())).toEqual([[`user:${b}`, second]])
    expect(await chat.receipts.markConversation(c, conversationId, own)).toBe(0)
    expect(await chat.receipts.markConversation(c, conversationId, last)).toBe(1)
    expect((await chat.reads.readStates(c, [conversationId])).get(conversationId)?.unread).toBe(0)
    expect(receiptsIn(take())).toHaveLength(1)
  })

  test('a conversation is read whatever its length; receipts are made for the newest 1000', async () => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const sent = await Promise.all(Array.from({ length: 1003 }, () => send(a, { receiverId: b })))
    const conversationId = `direct_${a}_${b}`
    const last = sent.at(-1)?.id ?? 0
    take()
    expect(await chat.receipts.markConversation(b, conversationId, last)).toBe(1003)
    const events = take()
    expect(receiptsIn(events).map(([, id]) => id)).toEqual(sent.slice(3).map(({ id }) => id))
    expect(events.filter(({ event }) => event.kind === 'conversation_read')).toMatchObject([
      { topic: `user:${b}`, event: { payload: { readUpTo: last, unreadCount: 0 } } },
    ])
    expect(await chat.receipts.markConversation(b, conversationId, sent[1]?.id ?? 0)).toBe(0)
    expect(take()).toEqual([])
    // A receipt of one of the others can still be made, and changes no count.
    await chat.receipts.markMessage(b, sent[0]?.id ?? 0)
    expect(take().map(({ event }) => event.kind)).toEqual(['message_read'])
  })

  test('a conversation can be read only by those in it, up to a message of it', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const direct = await send(a, { receiverId: b })
    const other = await send(c, { receiverId: b })
    const groupId = await group(a, [])
    const inGroup = await send(a, { conversationId: `group_${groupId}` })
    const refused: [number, string, number][] = [
      [c, direct.conversationId, direct.id],
      [b, direct.conversationId, other.id],
      [b, 'nonsense', direct.id],
      [b, direct.conversationId, 1_000_000_000],
      [b, `group_${groupId}`, inGroup.id],
      [a, `direct_${a}_${c}`, direct.id],
    ]
    for (const [reader, id, upTo] of refused)
      expect(await codeOf(chat.receipts.markConversation(reader, id, upTo))).toBe('NOT_FOUND')
  })
})

describeServer((on) => {
  test('two nodes that mark the same messages read at once push each once', async () => {
    const nodes = [createTestChat(on().store), createTestChat((await on().another()).store)] as const
    const [first, second] = nodes
    const [a = 0, b = 0, c = 0] = await first.users(3)
    const conversationId = `group_${await first.group(a, [b, c])}`
    const sent = await Promise.all(Array.from({ length: 60 }, (_, index) => first.send(index % 2 ? a : c, { conversationId })))
    for (const node of nodes) node.take()
    const upTo = sent.at(-1)?.id ?? 0
    const counts = await Promise.all([
      first.chat.receipts.markConversation(b, conversationId, upTo),
      second.chat.receipts.markConversation(b, conversationId, upTo),
      ...sent.slice(0, 20).map(({ id }, index) => (nodes[index % 2] as TestChat).chat.receipts.markMessage(b, id)),
    ])
    const pushed = receiptsIn(nodes.flatMap((node) => node.take())).map(([, id]) => id)
    expect(pushed.toSorted((x, y) => x - y)).toEqual(sent.map(({ id }) => id))
    expect(counts.slice(2).every((receipt) => typeof receipt === 'object')).toBe(true)
    first.published.push(...second.published)
    await first.expectLogPublished()
    for (const node of nodes) await node.close()
  })
})
