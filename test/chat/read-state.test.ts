import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTestChat, type TestChat } from '../support/chat.ts'
import { expectCounted } from '../support/read-counts.ts'
import { describeEngines, describeServer, type TestStore } from '../support/database.ts'

const remove = (store: TestStore, id: number): Promise<unknown> =>
  store.query(`UPDATE messages SET deleted_at = now(), content = '' WHERE id = ${id}`)

describeEngines((on) => {
  let node: TestChat
  beforeEach(() => {
    node = createTestChat(on().store)
  })
  afterEach(async () => {
    // What was published is compared with the log in receipts.test.ts: these tests delete messages behind it.
    await node.close()
  })

  const stateOf = async (userId: number, conversationId: string) =>
    (await node.chat.reads.readStates(userId, [conversationId])).get(conversationId)
  const markUnread = (userId: number, conversationId: string, id: number | undefined) =>
    node.chat.receipts.markConversationUnread(userId, conversationId, id ?? 0)
  const markUpTo = (userId: number, conversationId: string, id: number | undefined) =>
    node.chat.receipts.markConversation(userId, conversationId, id ?? 0)
  const mark = (userId: number, id: number | undefined) => node.chat.receipts.markMessage(userId, id ?? 0)

  /** A conversation of two with messages of the first, but for `own` of the second. */
  async function conversation(length: number, own: readonly number[] = []) {
    const [a = 0, b = 0] = await node.users(2)
    const ids: number[] = []
    for (let index = 0; index < length; index++) {
      const [from, to] = own.includes(index) ? [b, a] : [a, b]
      ids.push((await node.send(from, { receiverId: to })).id)
    }
    node.take()
    return { reader: b, id: `direct_${a}_${b}`, ids, sender: a }
  }

  describe('the pointer', () => {
    test('is what was marked, and null before; messages of one’s own move nothing', async () => {
      const { reader, id, ids } = await conversation(4, [1, 3])
      expect(await stateOf(reader, id)).toEqual({ readUpTo: null, unread: 2, unreadMentions: 0 })
      expect(await markUpTo(reader, id, ids[1])).toBe(1)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[1], unread: 1 })
      await mark(reader, ids[2])
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[2], unread: 0 })
      expect(await markUpTo(reader, id, ids[3])).toBe(0)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[3], unread: 0 })
      await expectCounted(on(), id)
    })

    test('moves over what was read singly before, once nothing unread lies between', async () => {
      const { reader, id, ids } = await conversation(6)
      await mark(reader, ids[4])
      await mark(reader, ids[2])
      await mark(reader, ids[1])
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: null, unread: 3 })
      await mark(reader, ids[0])
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[2], unread: 2 })
      expect(await markUpTo(reader, id, ids[3])).toBe(1)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[4], unread: 1 })
      await expectCounted(on(), id)
    })

    test('moves over deleted messages, which count as neither read nor unread, and may name one', async () => {
      const { reader, id, ids } = await conversation(4)
      await remove(on(), ids[1] as number)
      expect(await stateOf(reader, id)).toMatchObject({ unread: 3 })
      await mark(reader, ids[2])
      await mark(reader, ids[0])
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[2], unread: 1 })
      await remove(on(), ids[3] as number)
      expect(await markUpTo(reader, id, ids[3])).toBe(0)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[3], unread: 0 })
      await expectCounted(on(), id)
    })
  })

  describe('marking unread', () => {
    test('counts the message and what came after as unread; the receipts stay, and reading again makes no second one', async () => {
      const { reader, id, ids } = await conversation(5)
      await markUpTo(reader, id, ids[4])
      node.take()
      expect(await markUnread(reader, id, ids[2])).toBe(3)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[1], unread: 3 })
      const read = { conversationId: id, readUpTo: ids[1], unreadCount: 3, unreadMentionCount: 0 }
      expect(node.take()).toMatchObject([{ topic: `user:${reader}`, event: { kind: 'conversation_read', payload: read } }])
      expect(await node.chat.reads.receipts(ids)).toHaveLength(5)
      await mark(reader, ids[3])
      await mark(reader, ids[3])
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[1], unread: 2 })
      expect(await markUpTo(reader, id, ids[2])).toBe(1)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[3], unread: 1 })
      expect(node.take().map(({ event }) => event.kind)).toEqual(['conversation_read', 'conversation_read'])
      await expectCounted(on(), id)
    })

    test('from a message that is unread changes nothing', async () => {
      const { reader, id, ids } = await conversation(4)
      await mark(reader, ids[2])
      node.take()
      expect(await markUnread(reader, id, ids[1])).toBe(3)
      expect(node.take()).toEqual([])
      expect(await markUnread(reader, id, ids[2])).toBe(4)
      expect(node.take()).toHaveLength(1)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: null, unread: 4 })
    })

    test('from the first message leaves no pointer; from one’s own, those of others after it are unread', async () => {
      const { reader, id, ids } = await conversation(4, [1])
      await markUpTo(reader, id, ids[3])
      expect(await markUnread(reader, id, ids[1])).toBe(2)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: ids[0], unread: 2 })
      expect(await markUnread(reader, id, ids[0])).toBe(3)
      expect(await stateOf(reader, id)).toMatchObject({ readUpTo: null, unread: 3 })
      await expectCounted(on(), id)
    })

    test('is refused for messages that are not there for the reader', async () => {
      const { reader, id, ids } = await conversation(1)
      const other = await conversation(1)
      await expect(markUnread(other.reader, id, ids[0])).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(markUnread(reader, id, other.ids[0])).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(markUnread(reader, id, 2 ** 40)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })

  test('who joins begins with nothing unread, and with what they sent here before', async () => {
    const [a = 0, b = 0, c = 0] = await node.users(3)
    const groupId = await node.group(a, [b])
    const conversationId = `group_${groupId}`
    const say = async (from: number) => (await node.send(from, { conversationId })).id
    const ids = [await say(a), await say(b), await say(a)]
    await node.chat.groups.invite(a, groupId, [c])
    expect(await stateOf(c, conversationId)).toEqual({ readUpTo: null, unread: 0, unreadMentions: 0 })
    ids.push(await say(b))
    expect(await stateOf(c, conversationId)).toMatchObject({ readUpTo: null, unread: 1 })
    // History can be marked unread all the same.
    expect(await markUnread(c, conversationId, ids[2])).toBe(2)
    expect(await stateOf(c, conversationId)).toMatchObject({ readUpTo: ids[1], unread: 2 })
    await expectCounted(on(), conversationId)
    await node.chat.groups.leave(b, groupId)
    ids.push(await say(a))
    await node.chat.groups.invite(a, groupId, [b])
    await expectCounted(on(), conversationId)
    expect(await stateOf(b, conversationId)).toEqual({ readUpTo: null, unread: 0, unreadMentions: 0 })
    ids.push(await say(b), await say(a))
    expect(await stateOf(b, conversationId)).toMatchObject({ unread: 1 })
    await expectCounted(on(), conversationId)
  })

  test('mentions count until they are read or deleted, by name and with all once, and not while muted', async () => {
    const [a = 0, b = 0, c = 0] = await node.users(3)
    const conversationId = `group_${await node.group(a, [b, c])}`
    const mentioning = async (input: object) => (await node.send(a, { conversationId }, input)).id
    const mentions = async (userId: number) => (await stateOf(userId, conversationId))?.unreadMentions
    const both = await mentioning({ mentionIds: [b], mentionAll: true })
    const byName = await mentioning({ mentionIds: [b, a] })
    const all = await mentioning({ mentionAll: true })
    await mentioning({})
    expect([await mentions(a), await mentions(b), await mentions(c)]).toEqual([0, 3, 2])
    await mark(b, byName)
    expect(await mentions(b)).toBe(2)
    await remove(on(), all)
    expect([await mentions(b), await mentions(c)]).toEqual([1, 1])
    await on().query(`UPDATE members SET muted_until = now() + interval '1 hour' WHERE user_id = ${b}`)
    expect(await stateOf(b, conversationId)).toMatchObject({ unread: 2, unreadMentions: 0 })
    await on().query(`UPDATE members SET muted_until = now() - interval '1 hour' WHERE user_id = ${b}`)
    expect(await mentions(b)).toBe(1)
    await markUpTo(b, conversationId, both)
    expect(await mentions(b)).toBe(0)
  })

  /** Adds messages of a sender, all deleted or all with mentions, behind the store. */
  const addMany = async (conversationId: string, senderId: number, count: number, columns: Record<string, string>) => {
    const [names, values] = [Object.keys(columns).join(), Object.values(columns).join()]
    await on().query(`INSERT INTO messages (conversation_id, sender_id, content, message_type, ${names})
      SELECT '${conversationId}', ${senderId}, '', 'text', ${values} FROM generate_series(1, ${count})`)
    await on().query(`UPDATE conversations SET message_count = message_count + ${count} WHERE id = '${conversationId}'`)
    await on().query(
      `UPDATE members SET sent_count = sent_count + ${count} WHERE conversation_id = '${conversationId}' AND user_id = ${senderId}`,
    )
  }

  test('counts are exact where there is much that was deleted or mentions', async () => {
    const [a = 0, b = 0] = await node.users(2)
    const deleted = `group_${await node.group(a, [b])}`
    await addMany(deleted, a, 1003, { deleted_at: 'now()' })
    await node.send(a, { conversationId: deleted })
    expect(await stateOf(b, deleted)).toMatchObject({ unread: 1 })
    const mentioned = `group_${await node.group(a, [b])}`
    await addMany(mentioned, a, 1002, { mentions_all: 'true' })
    await on().query(`INSERT INTO mentions (message_id, user_id, conversation_id)
      SELECT id, ${b}, conversation_id FROM messages WHERE conversation_id = '${mentioned}'`)
    await addMany(mentioned, a, 1001, { mentions_all: 'true' })
    expect(await stateOf(b, mentioned)).toMatchObject({ unread: 2003, unreadMentions: 2003 })
  })

  test('what was read one by one is marked unread in several parts', async () => {
    const [a = 0, b = 0] = await node.users(2)
    const conversationId = `group_${await node.group(a, [b])}`
    const first = (await node.send(a, { conversationId })).id
    await addMany(conversationId, a, 2500, { seq: '0' })
    await on().query(`WITH ordered AS (
        SELECT id, row_number() OVER (ORDER BY id) AS seq FROM messages WHERE conversation_id = '${conversationId}'
      ) UPDATE messages m SET seq = o.seq, sender_seq = o.seq FROM ordered o WHERE m.id = o.id`)
    await on().query(`INSERT INTO receipts (message_id, reader_id, conversation_id)
      SELECT id, ${b}, conversation_id FROM messages WHERE conversation_id = '${conversationId}' AND id > ${first}`)
    await on().query(`UPDATE members SET read_beyond = 2500 WHERE conversation_id = '${conversationId}' AND user_id = ${b}`)
    expect(await stateOf(b, conversationId)).toMatchObject({ unread: 1 })
    expect(await markUnread(b, conversationId, first + 1)).toBe(2501)
    expect(await on().query(`SELECT FROM receipts WHERE reader_id = ${b} AND NOT marked_unread`)).toEqual([])
  })

  test('random histories: counts are those of a model that remembers each message', async () => {
    const action = fc.record({
      kind: fc.constantFrom('send', 'send', 'send', 'mark', 'mark', 'mark up to', 'mark unread', 'delete', 'leave and come back'),
      who: fc.nat(2),
      which: fc.nat(1000),
    })
    const run = async (isGroup: boolean, actions: readonly { kind: string; who: number; which: number }[]): Promise<void> => {
      const users = await node.users(isGroup ? 3 : 2)
      const [a = 0, b = 0] = users
      const groupId = isGroup ? await node.group(a, users.slice(1)) : 0
      const conversationId = isGroup ? `group_${groupId}` : `direct_${a}_${b}`
      const messages: { id: number; from: number; isDeleted: boolean }[] = []
      const unread = new Map(users.map((user) => [user, new Set<number>()]))
      const countOf = (user: number): number =>
        messages.filter(({ id, isDeleted }) => !isDeleted && unread.get(user)?.has(id)).length
      for (const { kind, who, which } of actions) {
        const user = users[who % users.length] as number
        const mine = unread.get(user) as Set<number>
        const message = messages[which % Math.max(1, messages.length)]
        if (kind === 'send') {
          const to = isGroup ? { conversationId } : { receiverId: user === a ? b : a }
          const { id } = await node.send(user, to)
          messages.push({ id, from: user, isDeleted: false })
          for (const [other, set] of unread) if (other !== user) set.add(id)
        } else if (kind === 'leave and come back') {
          if (!isGroup || user === a) continue
          await node.chat.groups.leave(user, groupId)
          await node.chat.groups.invite(a, groupId, [user])
          mine.clear()
        } else if (!message) continue
        else if (kind === 'delete') {
          await remove(on(), message.id)
          message.isDeleted = true
        } else if (kind === 'mark') {
          if (message.from === user) continue
          await mark(user, message.id)
          mine.delete(message.id)
        } else if (kind === 'mark up to') {
          const before = countOf(user)
          const count = await markUpTo(user, conversationId, message.id)
          for (const { id } of messages) if (id <= message.id) mine.delete(id)
          expect(count).toBe(before - countOf(user))
        } else {
          const isUnread = mine.has(message.id) && !message.isDeleted
          for (const { id, from } of messages) if (!isUnread && id >= message.id && from !== user) mine.add(id)
          expect(await markUnread(user, conversationId, message.id)).toBe(countOf(user))
        }
        for (const each of users) {
          const { unread: counted = -1, readUpTo } = (await stateOf(each, conversationId)) ?? { readUpTo: null }
          if (messages.length > 0) expect(counted).toBe(countOf(each))
          const behind = messages.filter(({ id, isDeleted }) => id <= (readUpTo ?? 0) && !isDeleted && unread.get(each)?.has(id))
          expect(behind).toEqual([])
        }
      }
      await expectCounted(on(), conversationId)
    }
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(action, { maxLength: 30 }), (isGroup, actions) => run(isGroup, actions)),
      { numRuns: 8 },
    )
  })
})

describeServer((on) => {
  test('reads, single reads and sends at once on two nodes leave exact counts', async () => {
    const nodes = [createTestChat(on().store), createTestChat((await on().another()).store)] as const
    const [first, second] = nodes
    const [a = 0, b = 0, c = 0] = await first.users(3)
    const conversationId = `group_${await first.group(a, [b, c])}`
    const sent = await Promise.all(Array.from({ length: 40 }, (_, index) => first.send(index % 2 ? a : c, { conversationId })))
    const ids = sent.map(({ id }) => id)
    await Promise.all([
      ...ids.slice(0, 30).map((id, index) => (nodes[index % 2] as TestChat).chat.receipts.markMessage(b, id)),
      first.chat.receipts.markConversation(b, conversationId, ids[10] ?? 0),
      second.chat.receipts.markConversation(b, conversationId, ids[20] ?? 0),
      ...ids.slice(0, 10).map((_, index) => (nodes[index % 2] as TestChat).send(index % 2 ? a : b, { conversationId })),
    ])
    const state = (await first.chat.reads.readStates(b, [conversationId])).get(conversationId)
    expect(state).toMatchObject({ unread: 15 })
    await expectCounted(on(), conversationId)
    first.published.push(...second.published)
    await first.expectLogPublished()
    for (const node of nodes) await node.close()
  })
})
