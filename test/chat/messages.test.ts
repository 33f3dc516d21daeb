import { expect, test, vi } from 'vitest'
import type { ChatEvent } from '../../src/chat/events.ts'
import { codeOf, createTestChat, newUserId, refusal, type Published, type TestChat, useChat } from '../support/chat.ts'
import { describeEngines, describeServer } from '../support/database.ts'

const contentOf = ({ event }: Published): string => (event as Extract<ChatEvent, { kind: 'message_sent' }>).payload.content

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  test('a direct message is published to the topics of both, as it is stored', async () => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const message = await send(
      a,
      { receiverId: b },
      { content: 'hello', mediaUrl: 'https://example.org/x.png', messageType: 'image' },
    )
    expect(message).toMatchObject({ conversationId: `direct_${a}_${b}`, senderId: a, senderName: `user${a}`, content: 'hello' })
    expect((await chat.reads.messages([message.id])).get(message.id)).toEqual(message)
    expect(take().map(({ topic, event }) => [topic, event.kind, event.payload])).toEqual([
      [`user:${a}`, 'message_sent', message],
      [`user:${b}`, 'message_sent', message],
    ])
  })

  test('a group message is published once, to the group', async () => {
    const { group, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const id = await group(a, [b])
    take()
    const message = await send(b, { conversationId: `group_${id}` })
    expect(message).toMatchObject({ isGroup: true, groupId: id, conversationId: `group_${id}` })
    expect(take().map(({ topic, event }) => [topic, event.payload])).toEqual([[`group:${id}`, message]])
  })

  test.each([
    ['emoji of several code points', '👨‍👩‍👧‍👦🏳️‍🌈é👍🏽'],
    ['5000 code points that are 10000 UTF-16 units', '🦊'.repeat(5000)],
    ['what SQL, JSON and escapes could trip over', `'; DROP TABLE x; -- "\\" \\u0000 \\ud800 $1 {} \u2028 \u0001 \r\n\t`],
    ['white space alone', ' '],
    ['text from right to left', 'שלום \u202eمرحبا'],
  ])('content comes back as it was: %s', async (_, content) => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b }, { content })
    expect((await chat.reads.messages([id])).get(id)?.content).toBe(content)
  })

  test('content may be empty only with media', async () => {
    const { send, users } = node
    const [a = 0, b = 0] = await users(2)
    expect((await send(a, { receiverId: b }, { content: '', mediaUrl: 'https://example.org/x' })).content).toBe('')
    expect(await refusal(send(a, { receiverId: b }, { content: '' }))).toEqual({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining('content is empty') as string,
    })
  })

  test.each([
    ['content of 5001 code points', { content: 'x'.repeat(5001) }],
    ['content with NUL', { content: 'a\0b' }],
    ['content with a lone surrogate', { content: 'a\ud83e' }],
    ['a message type with a capital', { messageType: 'Text' }],
    ['an empty message type', { messageType: '' }],
    ['a message type of 33 characters', { messageType: 'a'.repeat(33) }],
    ['a media URL of another scheme', { mediaUrl: 'javascript:alert(1)' }],
    ['a media URL of 2049 characters', { mediaUrl: `https://example.org/${'x'.repeat(2029)}` }],
    ['an empty key', { key: '' }],
    ['a key of 65 characters', { key: 'k'.repeat(65) }],
    ['a key with NUL', { key: 'a\0' }],
  ])('%s is refused, and nothing is stored or published', async (_, input) => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    expect(await codeOf(send(a, { receiverId: b }, input))).toBe('BAD_USER_INPUT')
    expect(take()).toEqual([])
    expect(await chat.reads.messagePage(`direct_${a}_${b}`, undefined, 10)).toEqual([])
  })

  test('a refused message keeps no other one back', async () => {
    const { send, users, take } = node
    const [a = 0, b = 0] = await users(2)
    const outcomes = await Promise.allSettled([
      send(a, { receiverId: b }, { content: '1' }),
      send(a, { receiverId: b }, { content: '\0' }),
      send(a, { receiverId: newUserId() }),
      send(a, { receiverId: b }, { content: '2' }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect(take().map(contentOf)).toEqual(['1', '1', '2', '2'])
  })

  test('a row that the database refuses fails alone, and nothing is stored twice', async () => {
    const { chat, send, users, take } = node
    await on().query("ALTER TABLE messages ADD CONSTRAINT poison CHECK (content <> 'poison')")
    const [a = 0, b = 0, c = 0] = await users(3)
    const contents = ['1', 'poison', '2', '3', 'poison', '4']
    const outcomes = await Promise.allSettled(
      contents.map((content, index) => send(index % 2 ? a : c, { receiverId: b }, { content })),
    )
    await on().query('ALTER TABLE messages DROP CONSTRAINT poison')
    expect(outcomes.map(({ status }) => status)).toEqual(
      contents.map((content) => (content === 'poison' ? 'rejected' : 'fulfilled')),
    )
    const stored = [
      ...(await chat.reads.messagePage(`direct_${a}_${b}`, undefined, 10)),
      ...(await chat.reads.messagePage(`direct_${b}_${c}`, undefined, 10)),
    ]
    expect(stored.map(({ content }) => content).toSorted()).toEqual(['1', '2', '3', '4'])
    expect(take()).toHaveLength(8)
  })

  test('a sender who is not stored fails alone, and nothing is stored twice', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const outcomes = await Promise.allSettled([
      send(a, { receiverId: b }),
      send(newUserId(), { receiverId: b }),
      send(a, { receiverId: b }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await chat.reads.messagePage(`direct_${a}_${b}`, undefined, 10)).toHaveLength(2)
  })

  test('a message to oneself, to nobody or to both is refused', async () => {
    const { send, users } = node
    const [a = 0] = await users(1)
    const { code, message } = await refusal(send(a, { receiverId: a }))
    expect([code, message]).toEqual(['BAD_USER_INPUT', 'receiverId is the sender: a message to oneself is not possible'])
    expect(await codeOf(send(a, { conversationId: null as unknown as string }))).toBe('BAD_USER_INPUT')
    expect(await codeOf(send(a, { conversationId: `direct_${a}_${a}` }))).toBe('NOT_FOUND')
    expect(await codeOf(send(a, { receiverId: newUserId() }))).toBe('NOT_FOUND')
    expect(await codeOf(send(a, { conversationId: `direct_${a}_${newUserId()}` }))).toBe('NOT_FOUND')
    expect(await codeOf(send(a, { conversationId: 'nonsense' }))).toBe('NOT_FOUND')
    expect(await codeOf(send(a, { conversationId: 'group_999999' }))).toBe('NOT_FOUND')
    expect(await codeOf(send(a, { conversationId: 'group_99999999999999999999' }))).toBe('NOT_FOUND')
  })

  test('a conversation id beside the receiver may be empty or the right one; a wrong one is answered with the right one', async () => {
    const { send, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const id = `direct_${a}_${b}`
    for (const conversationId of ['', id, null]) {
      expect((await send(b, { receiverId: a }, { conversationId })).conversationId).toBe(id)
    }
    for (const conversationId of [`direct_${b}_${a}`, `direct_${a}_${c}`, 'x', ' ']) {
      const { code, message } = await refusal(send(b, { receiverId: a }, { conversationId }))
      expect([code, message]).toEqual([
        'BAD_USER_INPUT',
        `conversationId is not the one of this receiver: expected "${id}" or none`,
      ])
    }
  })

  test('of an id longer than any conversation has, no more goes into the statement of all senders, or into the error', async () => {
    const { send, users, store } = node
    const [a = 0, b = 0] = await users(2)
    const batches = vi.spyOn(store.messages, 'sendBatch')
    const long = `group_${'1'.repeat(60_000)}`
    for (const isGroup of [null, true]) {
      const { code, message } = await refusal(send(a, { conversationId: long }, { isGroup }))
      expect(code).toBe('NOT_FOUND')
      expect(message).toMatch(/^there is no group conversation "group_1{34}…"$/)
    }
    const { message } = await refusal(send(b, { receiverId: a }, { conversationId: `${'x'.repeat(401)}${'🦊'.repeat(100)}` }))
    expect(message).toBe(`conversationId is not the one of this receiver: expected "direct_${a}_${b}" or none`)
    const ids = batches.mock.calls.flatMap(([batch]) => batch.map(({ conversationId }) => conversationId ?? ''))
    batches.mockRestore()
    expect(ids).toHaveLength(3)
    for (const id of ids) expect(id.length).toBeLessThan(500)
  })

  test("other people's conversations cannot be written to", async () => {
    const { send, users, group } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const { conversationId } = await send(a, { receiverId: b })
    expect(await codeOf(send(c, { conversationId }))).toBe('NOT_FOUND')
    const id = await group(a, [b])
    expect(await codeOf(send(c, { conversationId: `group_${id}` }))).toBe('FORBIDDEN')
    expect(await codeOf(send(c, { conversationId: `group_${id}` }, { isGroup: true }))).toBe('FORBIDDEN')
    // The receiver is not read for a group, the group not for a receiver.
    expect((await send(b, { conversationId: `group_${id}` }, { isGroup: true, receiverId: c })).groupId).toBe(id)
    expect(await codeOf(send(b, { conversationId: `group_${id}` }, { isGroup: false, receiverId: c }))).toBe('BAD_USER_INPUT')
  })

  test('an imported direct conversation has one id, the one it came with', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const id = `session-${a}`
    await on().query(`INSERT INTO conversations (id, is_group, user_low, user_high) VALUES ('${id}', false, ${a}, ${b})`)
    await on().query(`INSERT INTO members (conversation_id, user_id) VALUES ('${id}', ${a}), ('${id}', ${b})`)
    expect((await send(a, { receiverId: b })).conversationId).toBe(id)
    expect((await send(b, { conversationId: id })).conversationId).toBe(id)
    expect((await refusal(send(a, { receiverId: b }, { conversationId: `direct_${a}_${b}` }))).message).toContain(`"${id}"`)
    expect(await codeOf(chat.access.conversation(a, `direct_${a}_${b}`, 'post'))).toBe('NOT_FOUND')
    expect(await chat.access.conversation(a, id, 'post')).toEqual({
      id,
      isGroup: false,
      groupId: null,
      pair: [a, b],
      stored: true,
    })
  })

  test('the same key again gives the first message, and nothing is stored or published twice', async () => {
    const { send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const key = 'k'.repeat(64)
    // At once they share a batch's turn, later they meet what is stored.
    const [first, second] = await Promise.all([send(a, { receiverId: b }, { key }), send(a, { receiverId: b }, { key })])
    const third = await send(a, { conversationId: `direct_${a}_${b}` }, { key })
    expect([second, third]).toEqual([first, first])
    expect(take()).toHaveLength(2)
  })

  test('a key belongs to its sender', async () => {
    const { send, users } = node
    const [a = 0, b = 0] = await users(2)
    const [mine, theirs] = await Promise.all([send(a, { receiverId: b }, { key: 'k' }), send(b, { receiverId: a }, { key: 'k' })])
    expect(mine.id).not.toBe(theirs.id)
  })

  test('a key used again for something else is a conflict', async () => {
    const { group, send, take, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const id = await group(a, [b])
    const message = await send(a, { receiverId: b }, { key: 'k' })
    take()
    const others = [
      send(a, { receiverId: b }, { key: 'k', content: 'other' }),
      send(a, { receiverId: b }, { key: 'k', messageType: 'image' }),
      send(a, { receiverId: b }, { key: 'k', mediaUrl: 'https://example.org/x' }),
      send(a, { receiverId: c }, { key: 'k' }),
      send(a, { receiverId: b }, { key: 'k', conversationId: 'other' }),
      send(a, { conversationId: `group_${id}` }, { key: 'k' }),
      send(a, { conversationId: 'group_999999' }, { key: 'k' }),
    ]
    expect(await Promise.all(others.map(codeOf))).toEqual(others.map(() => 'CONFLICT'))
    expect(take()).toEqual([])
    expect(await send(a, { receiverId: b }, { key: 'k' })).toEqual(message)
  })

  test('a refused send does not use its key up', async () => {
    const { group, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const id = await group(b, [])
    expect(await codeOf(send(a, { conversationId: `group_${id}` }, { key: 'k' }))).toBe('FORBIDDEN')
    expect(await codeOf(send(a, { receiverId: newUserId() }, { key: 'k' }))).toBe('NOT_FOUND')
    expect(await codeOf(send(a, { receiverId: b }, { key: 'k', conversationId: 'wrong' }))).toBe('BAD_USER_INPUT')
    expect((await send(a, { receiverId: b }, { key: 'k' })).senderId).toBe(a)
  })

  test('a repeat succeeds for who has left the group since', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const id = await group(a, [b])
    const message = await send(b, { conversationId: `group_${id}` }, { key: 'k' })
    await chat.groups.leave(b, id)
    expect(await send(b, { conversationId: `group_${id}` }, { key: 'k' })).toEqual(message)
    expect(await codeOf(send(b, { conversationId: `group_${id}` }, { key: 'k2' }))).toBe('FORBIDDEN')
  })

  test('the messages of one sender are stored in the order of the calls, keys repeated among them or not', async () => {
    const { group, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const id = await group(a, [b])
    take()
    const contents = Array.from({ length: 700 }, (_, index) => `${index}`)
    await Promise.all(
      contents.map((content, index) =>
        index % 10 === 5
          ? send(a, { conversationId: `group_${id}` }, { content: 'again', key: 'k' })
          : send(a, { conversationId: `group_${id}` }, { content }),
      ),
    )
    const expected = contents
      .map((content, index) => (index === 5 ? 'again' : content))
      .filter((_, index) => index === 5 || index % 10 !== 5)
    expect(take().map(contentOf)).toEqual(expected)
  })

  test('unread counts the messages of others that the viewer has not read', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const id = await group(a, [b, c])
    const direct = `direct_${a}_${b}`
    const [first] = [await send(a, { receiverId: b }), await send(a, { receiverId: b }), await send(b, { receiverId: a })]
    await send(c, { conversationId: `group_${id}` })
    await send(b, { conversationId: `group_${id}` })
    const unread = async (userId: number): Promise<(number | undefined)[]> => {
      const states = await chat.reads.readStates(userId, [direct, `group_${id}`, 'nonsense'])
      return [direct, `group_${id}`, 'nonsense'].map((conversation) => states.get(conversation)?.unread)
    }
    expect(await unread(b)).toEqual([2, 1, undefined])
    expect(await unread(a)).toEqual([1, 2, undefined])
    await chat.receipts.markMessage(b, first?.id ?? 0)
    expect(await unread(b)).toEqual([1, 1, undefined])
    expect(await unread(c)).toEqual([undefined, 1, undefined])
  })

  test('conversations come by latest activity, empty groups too, and pages stay whole where activity is the same', async () => {
    const { chat, group, send, users } = node
    const [a = 0, ...others] = await users(8)
    const groups = [await group(a, []), await group(a, [])]
    await Promise.all(others.slice(0, 4).map((other) => send(a, { receiverId: other })))
    await send(a, { conversationId: `group_${groups[0]}` })
    const groupIds = groups.map((id) => `'group_${id}'`).join(', ')
    // All at one moment: what then counts is the last message, then the id.
    await on().query(`UPDATE messages SET created_at = '2024-07-01T12:00:00.5Z' WHERE sender_id = ${a}`)
    await on().query(`UPDATE conversations SET created_at = '2024-07-01T12:00:00.5Z' WHERE id IN (${groupIds})`)
    const all = await chat.reads.conversationPage(a, undefined, 100)
    expect(all.map(({ id }) => id).slice(0, 1)).toEqual([`group_${groups[0]}`])
    expect(all.map(({ id }) => id).at(-1)).toBe(`group_${groups[1]}`)
    expect(all).toHaveLength(6)
    const pages: string[] = []
    let after: (typeof all)[number] | undefined
    for (let index = 0; index < 6; index++) {
      const [next] = await chat.reads.conversationPage(a, after, 1)
      after = next
      pages.push(next?.id ?? '')
    }
    expect(pages).toEqual(all.map(({ id }) => id))
    expect(await chat.reads.conversationPage(a, after, 10)).toEqual([])
    await send(others[5] as number, { receiverId: a })
    expect((await chat.reads.conversationPage(a, undefined, 1)).map(({ id }) => id)).toEqual([`direct_${a}_${others[5]}`])
    // The times in the log are no longer those that were published.
    node.published.length = 0
  })

  test('the memberships and contacts of a user', async () => {
    const { group, send, users, store } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const id = await group(b, [a])
    await send(a, { receiverId: c })
    const memberships = await store.conversations.memberships([a, b, c, 1])
    expect(memberships.get(a)).toEqual({
      groups: [{ topic: `group:${id}`, sinceSeq: 1, memberCount: 2, head: 1 }],
      former: [],
      blocked: [],
    })
    expect(memberships.get(c)).toEqual({ groups: [], former: [], blocked: [] })
    expect(memberships.get(1)).toEqual({ groups: [], former: [], blocked: [] })
    const contactsOf = async (userId: number, after = '') =>
      (await store.conversations.contactPages([{ userId, after, limit: 2 }]))[0]
    expect(await contactsOf(a)).toEqual({ contacts: [c], next: `group_${id}` })
    expect(await contactsOf(a, `group_${id}`)).toEqual({ contacts: [], next: undefined })
    expect(await contactsOf(b)).toEqual({ contacts: [], next: undefined })
    expect(await contactsOf(c)).toEqual({ contacts: [a], next: undefined })
  })
})

describeServer((on) => {
  test('several nodes: every message is logged and published once, each topic without holes', async () => {
    const nodes = [createTestChat(on().store), createTestChat((await on().another()).store)]
    const [first] = nodes as [TestChat]
    const users = await first.users(8)
    const id = await first.group(users[0] as number, users)
    await Promise.all(
      Array.from({ length: 1200 }, async (_, index) => {
        const { send } = nodes[index % 2] as TestChat
        const senderId = users[index % 8] as number
        // Each key is sent twice, from both nodes.
        const key = `k${index >> 4}`
        const to = index % 3 === 0 ? { conversationId: `group_${id}` } : { receiverId: users[(index * 5 + 1) % 8] as number }
        const options = index % 3 === 1 ? {} : { key: `${key}-${index % 8}` }
        // Let them meet at different moments.
        for (let turns = index % 20; turns > 0; turns--) await new Promise(setImmediate)
        return await send(
          senderId,
          'receiverId' in to && to.receiverId === senderId ? { conversationId: `group_${id}` } : to,
          options,
        ).catch((error: unknown) => expect((error as { code: string }).code).toBe('CONFLICT'))
      }),
    )
    const merged = createTestChat(on().store)
    merged.published.push(...nodes.flatMap(({ published }) => published))
    await merged.expectLogPublished()
    const [{ messages, logged } = { messages: 0, logged: 1 }] = await on().query(
      'SELECT (SELECT count(*) FROM messages) AS messages, (SELECT count(DISTINCT message_id) FROM events) AS logged',
    )
    expect(messages).toBe(logged)
    for (const node of [...nodes, merged]) await node.close()
  })
})
