import { expect, test } from 'vitest'
import { codeOf, createTestChat, refusal, type TestChat, useChat } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  const mentioned = async (messageId: number): Promise<number[]> => {
    const rows = await on().query(`SELECT user_id FROM mentions WHERE message_id = ${messageId} ORDER BY user_id`)
    return rows.map((row) => row['user_id'] as number)
  }

  test('an edit changes the content, keeps the rest, and is pushed to every member', async () => {
    const { chat, send, take, users } = node
    const [a = 0, b = 0] = await users(2)
    const message = await send(a, { receiverId: b }, { content: 'helo', mediaUrl: 'https://media.example/1.png' })
    take()
    const edited = await chat.edits.edit(a, { messageId: message.id, content: 'hello' })
    expect(edited).toEqual({ ...message, content: 'hello', editedAt: expect.any(Number) as number })
    expect(edited.editedAt).toBeGreaterThanOrEqual(message.at)
    expect(take().map(({ topic, event }) => [topic, event.kind, event.payload])).toEqual(
      [`user:${a}`, `user:${b}`].toSorted().map((topic) => [topic, 'message_edited', edited]),
    )
    expect((await chat.reads.messages([message.id])).get(message.id)).toEqual(edited)
  })

  test('the same content and mentions change nothing, in whatever order; the same content with others is a change', async () => {
    const { chat, group, send, take, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const groupId = await group(a, [b, c])
    const { id } = await send(a, { conversationId: `group_${groupId}` }, { content: 'hi', mentionIds: [b, c] })
    take()
    for (const mentionIds of [undefined, null, [c, b], [b, c, c]]) {
      expect((await chat.edits.edit(a, { messageId: id, content: 'hi', mentionIds })).editedAt).toBeUndefined()
    }
    expect(take()).toEqual([])
    const edited = await chat.edits.edit(a, { messageId: id, content: 'hi', mentionIds: [b] })
    expect([edited.mentionIds, await mentioned(id)]).toEqual([[b], [b]])
    expect((await chat.edits.edit(a, { messageId: id, content: 'ho' })).mentionIds).toEqual([b])
    expect((await chat.edits.edit(a, { messageId: id, content: 'ho', mentionIds: [c, a] })).mentionIds).toEqual([c, a])
    expect(await mentioned(id)).toEqual([a, c])
    expect((await chat.edits.edit(a, { messageId: id, content: 'ho', mentionIds: [] })).mentionIds).toBeUndefined()
    expect([await mentioned(id), take()]).toMatchObject([[], { length: 4 }])
  })

  test('what mentions everybody goes on doing so', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const { id } = await send(a, { conversationId: `group_${groupId}` }, { mentionAll: true })
    expect(await chat.edits.edit(a, { messageId: id, content: 'all of you', mentionIds: [] })).toMatchObject({
      mentionsAll: true,
    })
  })

  test('only its sender edits a message, while it is one of theirs to see and not deleted', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const groupId = await group(a, [b])
    const message = await send(b, { conversationId: `group_${groupId}` })
    const edit = (userId: number, more = {}) => codeOf(chat.edits.edit(userId, { messageId: message.id, content: 'x', ...more }))
    expect(await edit(a)).toBe('FORBIDDEN')
    expect(await edit(c)).toBe('NOT_FOUND')
    expect(await edit(b, { isGroup: false })).toBe('NOT_FOUND')
    expect(await edit(b, { messageId: 1_000_000_000 })).toBe('NOT_FOUND')
    expect(await edit(b, { content: '' })).toBe('BAD_USER_INPUT')
    expect(await edit(b, { content: 'x'.repeat(5001) })).toBe('BAD_USER_INPUT')
    expect(await edit(b, { mentionIds: [c] })).toBe('BAD_USER_INPUT')
    expect(await edit(b, { mentionIds: Array.from({ length: 51 }, (_, index) => index + 1) })).toBe('BAD_USER_INPUT')
    await chat.deletions.delete({ userId: b, isAdmin: false }, message.id)
    expect(await edit(b)).toBe('NOT_FOUND')
    const second = await send(b, { conversationId: `group_${groupId}` })
    await chat.groups.leave(b, groupId)
    expect(await edit(b, { messageId: second.id })).toBe('NOT_FOUND')
  })

  test('in a direct conversation its two users can be mentioned, and nobody else', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0, c = 0] = await users(3)
    const { id } = await send(a, { receiverId: b })
    expect(await codeOf(chat.edits.edit(a, { messageId: id, content: 'x', mentionIds: [b, c] }))).toBe('BAD_USER_INPUT')
    expect((await chat.edits.edit(a, { messageId: id, content: 'x', mentionIds: [b] })).mentionIds).toEqual([b])
  })

  test('the content may become empty where there is media', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b }, { mediaUrl: 'https://media.example/1.png' })
    expect((await chat.edits.edit(a, { messageId: id, content: '' })).content).toBe('')
  })

  test('an edit follows the rules of sending at that moment', async () => {
    const { chat, group, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const { id } = await send(b, { conversationId: `group_${groupId}` })
    const edit = (content: string) => chat.edits.edit(b, { messageId: id, content })
    await chat.groups.update(a, groupId, { allowSendMessages: false })
    expect(await codeOf(edit('closed'))).toBe('FORBIDDEN')
    await chat.groups.update(a, groupId, { allowSendMessages: true })
    await on().query(`INSERT INTO group_mutes (group_id, user_id, until) VALUES (${groupId}, ${b}, now() + interval '1 minute')`)
    expect(await refusal(edit('muted'))).toMatchObject({ code: 'FORBIDDEN', message: 'you are muted in this group' })
    await on().query(`DELETE FROM group_mutes WHERE group_id = ${groupId}`)
    expect((await edit('again')).content).toBe('again')

    const direct = await send(a, { receiverId: b })
    await on().query(`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${b}, ${a})`)
    expect(await codeOf(chat.edits.edit(a, { messageId: direct.id, content: 'blocked' }))).toBe('FORBIDDEN')
  })

  test('a message is edited for so long after it was sent, and with 0 for ever', async () => {
    const { chat, send, users, take } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b })
    const forEver = createTestChat(on().store, { messageEditHours: 0 })
    const age = (time: string) => on().query(`UPDATE messages SET created_at = now() - interval '${time}' WHERE id = ${id}`)
    await age('47:59:00')
    expect((await chat.edits.edit(a, { messageId: id, content: 'just in time' })).content).toBe('just in time')
    await age('48:00:01')
    take()
    expect(await codeOf(chat.edits.edit(a, { messageId: id, content: 'too late' }))).toBe('FORBIDDEN')
    expect(take()).toEqual([])
    expect((await forEver.chat.edits.edit(a, { messageId: id, content: 'late' })).content).toBe('late')
    await forEver.close()
    // What the other chat published, this one did not.
    node.published.length = 0
  })

  test('an idempotent repeat of an edited message is the message as it is now', async () => {
    const { chat, send, users, take } = node
    const [a = 0, b = 0] = await users(2)
    const { id } = await send(a, { receiverId: b }, { key: 'k', content: 'first' })
    const edited = await chat.edits.edit(a, { messageId: id, content: 'second' })
    take()
    for (const content of ['first', 'second', 'third']) {
      expect(await send(a, { receiverId: b }, { key: 'k', content })).toEqual(edited)
    }
    expect(take()).toEqual([])
  })
})
