import { expect, test } from 'vitest'
import type { ReactionPayload } from '../../src/chat/events.ts'
import { codeOf, createTestChat, type Published, type TestChat, useChat } from '../support/chat.ts'
import { describeEngines, describeServer } from '../support/database.ts'

const payloadOf = ({ event }: Published): ReactionPayload => event.payload as ReactionPayload

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  test('adding and removing push what holds after the change, user ids ascending; a repeat pushes nothing', async () => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id: messageId, conversationId } = await send(a, { receiverId: b })
    take()
    const base = { messageId, conversationId, isGroup: false, reaction: '👍' }
    expect(await chat.reactions.add(b, messageId, '👍')).toEqual({ messageId, reaction: '👍', userIds: [b] })
    expect(await chat.reactions.add(a, messageId, '👍', false)).toEqual({ messageId, reaction: '👍', userIds: [a, b] })
    expect(await chat.reactions.add(a, messageId, '👍')).toEqual({ messageId, reaction: '👍', userIds: [a, b] })
    expect(await chat.reactions.remove(b, messageId, '👍')).toEqual({ messageId, reaction: '👍', userIds: [a] })
    expect(await chat.reactions.remove(b, messageId, '👍')).toEqual({ messageId, reaction: '👍', userIds: [a] })
    expect(await chat.reactions.remove(b, messageId, '❤️')).toEqual({ messageId, reaction: '❤️', userIds: [] })
    const expected = [
      ['reaction_added', { ...base, userId: b, userIds: [b] }],
      ['reaction_added', { ...base, userId: a, userIds: [a, b] }],
      ['reaction_removed', { ...base, userId: b, userIds: [a] }],
    ]
    const published = take()
    for (const topic of [`user:${a}`, `user:${b}`]) {
      expect(published.filter((one) => one.topic === topic).map(({ event }) => [event.kind, event.payload])).toEqual(expected)
    }
    expect(published).toHaveLength(6)
  })

  test('reactions are kept apart to the code point, and come in the order in which each first came', async () => {
    const { chat, group, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const message = await send(a, { conversationId: `group_${groupId}` })
    const other = await send(a, { conversationId: `group_${groupId}` })
    take()
    const family = '👨‍👩‍👧‍👦'
    for (const reaction of ['z', '👍', '👍🏽', family, 'é']) await chat.reactions.add(b, message.id, reaction, true)
    await chat.reactions.add(a, message.id, 'z')
    expect(take().map(({ topic }) => topic)).toEqual(Array.from({ length: 6 }, () => `group:${groupId}`))
    const rows = await chat.reads.reactions([message.id, other.id])
    expect(rows.map(({ reaction, userIds }) => [reaction, userIds])).toEqual([
      ['z', [a, b]],
      ['👍', [b]],
      ['👍🏽', [b]],
      [family, [b]],
      ['é', [b]],
    ])
  })

  test.each([
    ['👍 with and without U+FE0F', '👍', '👍\ufe0f'],
    ['a heart as text and as emoji', '❤\ufe0e', '❤\ufe0f'],
    ['a keycap', '1\ufe0f\u20e3', '1\u20e3'],
    ['a sequence with joiners', '🏳\ufe0f\u200d🌈', '🏳\u200d🌈'],
    ['é composed and not', 'é', 'e\u0301'],
  ])('%s: two spellings are one reaction, shown as it was first given', async (_, first, second) => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id: messageId } = await send(a, { receiverId: b })
    take()
    expect(await chat.reactions.add(b, messageId, second)).toEqual({ messageId, reaction: second, userIds: [b] })
    expect(await chat.reactions.add(a, messageId, first)).toEqual({ messageId, reaction: second, userIds: [a, b] })
    expect(await chat.reactions.add(b, messageId, first)).toEqual({ messageId, reaction: second, userIds: [a, b] })
    expect(await chat.reads.reactions([messageId])).toEqual([{ messageId, reaction: second, userIds: [a, b] }])
    expect(await chat.reactions.remove(b, messageId, first)).toEqual({ messageId, reaction: second, userIds: [a] })
    expect(await chat.reactions.remove(a, messageId, first)).toEqual({ messageId, reaction: second, userIds: [] })
    expect(take().map((one) => payloadOf(one).reaction)).toEqual(Array.from({ length: 8 }, () => second))
    expect((await chat.reactions.add(a, messageId, first)).reaction).toBe(first)
  })

  test('a user gives a message at most 20 different reactions, and each of them again', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    for (let index = 0; index < 20; index++) await chat.reactions.add(b, id, `r${index}`)
    expect(await codeOf(chat.reactions.add(b, id, 'one-more'))).toBe('BAD_USER_INPUT')
    expect((await chat.reactions.add(b, id, 'r7')).userIds).toEqual([b])
    expect((await chat.reactions.add(a, id, 'other')).userIds).toEqual([a])
    expect(await codeOf(chat.reactions.add(b, id, 'other'))).toBe('BAD_USER_INPUT')
    await chat.reactions.remove(b, id, 'r0')
    expect((await chat.reactions.add(b, id, 'other')).userIds).toEqual([a, b])
  })

  test.each([
    ['an empty one', ''],
    ['65 bytes', 'x'.repeat(65)],
    ['17 emoji of four bytes', '🦊'.repeat(17)],
    ['white space', 'a b'],
    ['a no-break space', '\u00a0'],
    ['a control character', 'a\u0007'],
    ['NUL', '\0'],
    ['a lone surrogate', '\ud83e'],
    ['a joiner', '\u200d'],
    ['variation selectors', '\ufe0f\ufe0e'],
    ['a filler', '\u3164'],
    ['a combining mark', '\u0301'],
    ['a tag', '\u{e0067}'],
  ])('%s is no reaction', async (_, reaction) => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    take()
    expect(await codeOf(chat.reactions.add(b, id, reaction))).toBe('BAD_USER_INPUT')
    expect(await codeOf(chat.reactions.remove(b, id, reaction))).toBe('BAD_USER_INPUT')
    expect(take()).toEqual([])
  })

  test('64 bytes are a reaction', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    expect((await chat.reactions.add(b, id, '🦊'.repeat(16))).userIds).toEqual([b])
  })

  test('what the user may not see, or what is of the other kind, is not found', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const direct = await send(a, { receiverId: b })
    const groupId = await group(a, [b])
    const inGroup = await send(a, { conversationId: `group_${groupId}` })
    await chat.groups.leave(b, groupId)
    const refused: [number, number, boolean | null][] = [
      [c, direct.id, null],
      [a, direct.id, true],
      [a, inGroup.id, false],
      [b, inGroup.id, null],
      [a, 1_000_000_000, null],
    ]
    for (const [userId, id, isGroup] of refused)
      expect(await codeOf(chat.reactions.add(userId, id, 'x', isGroup))).toBe('NOT_FOUND')
    await chat.groups.leave(a, groupId)
    expect(await codeOf(chat.reactions.add(a, inGroup.id, 'x'))).toBe('NOT_FOUND')
  })
})

describeServer((on) => {
  test('the counts of reactions that come at once on several nodes are those of their order in the log', async () => {
    const nodes = [createTestChat(on().store), createTestChat((await on().another()).store)] as const
    const [first] = nodes
    const users = await first.users(12)
    const groupId = await first.group(users[0] as number, users)
    const { id } = await first.send(users[0] as number, { conversationId: `group_${groupId}` })
    for (const node of nodes) node.take()
    await Promise.all(
      users.flatMap((userId, index) => {
        const { chat } = nodes[index % 2] as TestChat
        const repeat = nodes[(index + 1) % 2] as TestChat
        return [
          chat.reactions.add(userId, id, '👍'),
          repeat.chat.reactions.add(userId, id, '👍'),
          chat.reactions.add(userId, id, '🎉'),
        ]
      }),
    )
    await Promise.all(users.map((userId, index) => (nodes[index % 2] as TestChat).chat.reactions.remove(userId, id, '🎉')))
    const published = nodes.flatMap((node) => node.take()).toSorted((x, y) => (x.seq ?? 0) - (y.seq ?? 0))
    expect(published).toHaveLength(36)
    const given = new Map<string, Set<number>>()
    for (const one of published) {
      const { reaction, userId, userIds } = payloadOf(one)
      const set = given.get(reaction) ?? new Set()
      given.set(reaction, set)
      if (one.event.kind === 'reaction_added') set.add(userId)
      else set.delete(userId)
      expect(userIds).toEqual([...set].toSorted((x, y) => x - y))
    }
    expect(await first.chat.reads.reactions([id])).toEqual([{ messageId: id, reaction: '👍', userIds: users }])
    first.published.push(...nodes[1].published)
    await first.expectLogPublished()
    for (const node of nodes) await node.close()
  })
})
