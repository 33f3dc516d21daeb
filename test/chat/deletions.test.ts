import { expect, test } from 'vitest'
import { deleteMessages } from '../../src/chat/deletions.ts'
import { codeOf, type TestChat, useChat } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  const remove = async (userId: number, messageId: number, isAdmin = false) =>
    (await node.chat.deletions.delete({ userId, isAdmin }, messageId)).message

  test('what a deleted message said is gone for good, and its place stays', async () => {
    const { chat, group, send, take, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const groupId = await group(a, [b, c])
    const to = { conversationId: `group_${groupId}` }
    const before = await send(a, to, { content: 'before' })
    const content = 'something to be taken back'
    const message = await send(b, to, {
      content,
      mediaUrl: 'https://media.example/secret.png',
      mentionIds: [a, c],
      replyToId: before.id,
    })
    await chat.reactions.add(a, message.id, '👍')
    await chat.receipts.markMessage(c, message.id)
    take()
    const deleted = await remove(b, message.id)
    expect(deleted).toEqual({
      id: message.id,
      conversationId: to.conversationId,
      isGroup: true,
      groupId,
      senderId: b,
      senderName: message.senderName,
      senderAvatar: null,
      content: '',
      messageType: 'text',
      mediaUrl: null,
      at: message.at,
      deletedAt: expect.any(Number) as number,
      deletedById: b,
      replyToId: before.id,
    })
    const payload = { messageId: message.id, conversationId: to.conversationId, isGroup: true, deletedById: b }
    expect(take().map(({ topic, event }) => [topic, event.kind, event.payload])).toEqual([
      [`group:${groupId}`, 'message_deleted', payload],
    ])
    expect(await chat.reads.reactions([message.id])).toEqual([])
    expect(await on().query(`SELECT FROM mentions WHERE message_id = ${message.id}`)).toEqual([])
    expect(await chat.reads.receipts([message.id])).toMatchObject([{ readerId: c }])
    expect((await chat.reads.messagePage(to.conversationId, undefined, 10)).map(({ id }) => id)).toEqual([message.id, before.id])
    expect((await chat.reads.latestMessages([to.conversationId])).get(to.conversationId)).toEqual(deleted)
    // Neither in a row nor in a logged payload.
    const rows = [
      await on().query(`SELECT id FROM messages WHERE content = '${content}' OR media_url LIKE '%secret%'`),
      await on().query(`SELECT id FROM events WHERE payload::text LIKE '%${content}%'`),
    ]
    expect(rows).toEqual([[], []])
  })

  test('deleting again changes and pushes nothing', async () => {
    const { send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    const deleted = await remove(a, id)
    take()
    expect(await remove(a, id)).toEqual(deleted)
    expect(take()).toEqual([])
    expect(await codeOf(remove(b, id))).toBe('FORBIDDEN')
  })

  test('its sender deletes a message while a member, owner and admins any of the group, administrators any', async () => {
    const { chat, group, send, users } = node
    const [owner = 0, admin = 0, a = 0, b = 0, stranger = 0] = await users(5)
    const groupId = await group(owner, [admin, a, b])
    await chat.groups.setRole(owner, groupId, admin, 'ADMIN')
    const to = { conversationId: `group_${groupId}` }
    const [first, second, third, fourth] = [await send(a, to), await send(a, to), await send(owner, to), await send(a, to)]
    expect(await codeOf(remove(b, first.id))).toBe('FORBIDDEN')
    expect(await codeOf(remove(stranger, first.id))).toBe('NOT_FOUND')
    expect(await codeOf(chat.deletions.delete({ userId: a, isAdmin: false }, first.id, false))).toBe('NOT_FOUND')
    expect(await remove(owner, first.id)).toMatchObject({ deletedById: owner })
    expect(await remove(admin, third.id)).toMatchObject({ deletedById: admin })
    await chat.groups.leave(a, groupId)
    expect(await codeOf(remove(a, second.id))).toBe('NOT_FOUND')
    expect(await chat.deletions.delete({ userId: stranger, isAdmin: true }, second.id)).toMatchObject({
      byAdmin: true,
      message: { deletedById: stranger },
    })
    expect(await chat.deletions.delete({ userId: owner, isAdmin: true }, fourth.id)).toMatchObject({ byAdmin: false })

    const direct = await send(a, { receiverId: b })
    expect(await codeOf(remove(b, direct.id))).toBe('FORBIDDEN')
    expect(await codeOf(remove(stranger, direct.id))).toBe('NOT_FOUND')
    expect(await codeOf(chat.deletions.delete({ userId: stranger, isAdmin: true }, direct.id, true))).toBe('NOT_FOUND')
    expect(await remove(stranger, direct.id, true)).toMatchObject({ deletedById: stranger })
  })

  test('one may delete where one may not write', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const { id } = await send(b, { conversationId: `group_${groupId}` })
    await chat.groups.update(a, groupId, { allowSendMessages: false })
    expect((await remove(b, id)).deletedById).toBe(b)
    const direct = await send(b, { receiverId: a })
    await on().query(`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${a}, ${b})`)
    expect((await remove(b, direct.id)).deletedById).toBe(b)
  })

  test('a deleted message takes no reaction, no answer and no second push; a reaction can be taken back, and it can be read', async () => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    await chat.reactions.add(b, id, '👍')
    await remove(a, id)
    take()
    expect(await codeOf(chat.reactions.add(b, id, '👍'))).toBe('NOT_FOUND')
    expect(await chat.reactions.remove(b, id, '👍')).toEqual({ messageId: id, reaction: '👍', userIds: [] })
    expect(await codeOf(send(b, { receiverId: a }, { replyToId: id }))).toBe('NOT_FOUND')
    expect(await codeOf(chat.republish.newMessage(id, false))).toBe('NOT_FOUND')
    expect(take()).toEqual([])
    expect(await chat.receipts.markMessage(b, id)).toMatchObject({ messageId: id, readerId: b })
  })

  test('it no longer counts as unread, whether it was read before or not', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const sent = [await send(a, { receiverId: b }), await send(a, { receiverId: b }), await send(a, { receiverId: b })]
    const [first = 0, second = 0] = sent.map(({ id }) => id)
    const { conversationId } = sent[0] as { conversationId: string }
    const unread = async () => (await chat.reads.readStates(b, [conversationId])).get(conversationId)?.unread
    await chat.receipts.markMessage(b, first)
    expect(await unread()).toBe(2)
    await remove(a, first)
    expect(await unread()).toBe(2)
    await remove(a, second)
    expect(await unread()).toBe(1)
    await chat.receipts.markMessage(b, second)
    expect(await unread()).toBe(1)
  })

  test('an idempotent repeat is the message as it is now, and stores nothing', async () => {
    const { send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b }, { key: 'k', content: 'first' })
    const deleted = await remove(a, id)
    take()
    for (const content of ['first', 'another']) expect(await send(a, { receiverId: b }, { key: 'k', content })).toEqual(deleted)
    expect(take()).toEqual([])
  })

  test('an answer counts until it is deleted, and shows what it answers though that is deleted', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    const answers = [await send(b, { receiverId: a }, { replyToId: id }), await send(a, { receiverId: b }, { replyToId: id })]
    const [first = 0, second = 0] = answers.map((answer) => answer.id)
    const count = async () => (await chat.reads.messages([id])).get(id)?.replyCount
    const replies = async (after = 0, limit = 10) =>
      (await chat.reads.replyPages([{ messageId: id, after, limit }]))[0]?.map((answer) => answer.id)
    expect([await count(), await replies(), await replies(first), await replies(0, 1)]).toEqual([
      2,
      [first, second],
      [second],
      [first],
    ])
    await remove(b, first)
    expect([await count(), await replies()]).toEqual([1, [second]])
    await remove(b, first)
    await remove(a, id)
    expect(await count()).toBe(1)
    expect((await chat.reads.messages([second])).get(second)).toMatchObject({ replyToId: id })
    await remove(a, second)
    expect([await count(), await replies()]).toEqual([undefined, []])
  })

  test('many are deleted at once, each with its event, an answer together with what it answers', async () => {
    const { chat, group, send, store, take, users } = node
    const [a = 0, b = 0, admin = 0] = await users(3)
    const groupId = await group(a, [b])
    const direct = await send(a, { receiverId: b })
    const answer = await send(a, { receiverId: b }, { replyToId: direct.id })
    const inGroup = await send(a, { conversationId: `group_${groupId}` })
    const closed = await group(a, [])
    const last = await send(a, { conversationId: `group_${closed}` })
    await chat.groups.leave(a, closed)
    await remove(a, inGroup.id)
    take()
    const ids = [answer.id, direct.id, inGroup.id, last.id, 1_000_000_000]
    const { result, entries } = await store.transaction((tx) => deleteMessages(tx, ids, admin))
    expect(result).toEqual([direct.id, answer.id, last.id])
    expect(entries.map(({ topic, event }) => [topic, event.payload])).toEqual(
      [
        [`user:${a}`, direct],
        [`user:${b}`, direct],
        [`user:${a}`, answer],
        [`user:${b}`, answer],
        [`group:${closed}`, last],
      ].map(([topic, message]) => {
        const { id, conversationId, isGroup } = message as typeof direct
        return [topic, { messageId: id, conversationId, isGroup, deletedById: admin }]
      }),
    )
    const rows = await chat.reads.messages([direct.id, answer.id])
    expect([rows.get(direct.id)?.replyCount, rows.get(answer.id)?.content]).toEqual([undefined, ''])
    // Committed without the chat, so not published by it.
    node.published.length = 0
  })

  test('of a deletion and a reaction, an edit or a reply at once, whichever comes second knows of the first', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    for (let round = 0; round < 5; round++) {
      const { id } = await send(a, { conversationId: `group_${groupId}` })
      await Promise.allSettled([
        chat.reactions.add(b, id, '👍'),
        chat.edits.edit(a, { messageId: id, content: 'edited' }),
        remove(a, id),
      ])
      expect(await chat.reads.reactions([id])).toEqual([])
      expect((await chat.reads.messages([id])).get(id)).toMatchObject({ content: '', deletedById: a })
    }
  })
})
