import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { groupTopic } from '../../src/chat/events.ts'
import { createTestChat, type TestChat } from '../support/chat.ts'
import { describeOwnEngines } from '../support/database.ts'
import { rowsOfAllTables } from '../support/tables.ts'

/** A random number generator with a reproducible sequence for each seed. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

describeOwnEngines((on) => {
  let node: TestChat
  beforeEach(() => {
    node = createTestChat(on().store)
  })
  afterEach(() => node.close())

  const age = (ids: readonly number[], days = 40) =>
    on().query(`UPDATE messages SET created_at = created_at - interval '${days} days' WHERE id IN (${ids.join(',') || 0})`)
  const unreadOf = async (userId: number, id: string): Promise<number> =>
    (await node.chat.reads.readStates(userId, [id])).get(id)?.unread ?? -1

  test('old messages go for good, with what belongs to them, without an event', async () => {
    const { chat, send, users, group } = node
    const [a = 0, b = 0] = await users(2)
    const groupId = await group(a, [b])
    const to = { conversationId: `group_${groupId}` }
    const old = await send(a, to, {
      content: 'a secret of old',
      mediaUrl: 'https://media.example/secret',
      mentionIds: [b],
      key: 'secret-key',
    })
    await chat.reactions.add(b, old.id, '🦄')
    await chat.receipts.markMessage(b, old.id)
    const answer = await send(b, to, { content: 'an answer', replyToId: old.id })
    await age([old.id])
    node.take()
    expect(await chat.retention.sweep(30)).toBe(1)
    expect(node.take()).toEqual([])
    const rows = await rowsOfAllTables(on().query)
    expect(rows.filter(({ row }) => row.includes('secret'))).toEqual([])
    const tables = ['messages', 'receipts', 'reactions', 'mentions', 'message_search']
    expect(rows.filter(({ table, row }) => tables.includes(table) && row.startsWith(`(${old.id},`))).toEqual([])
    expect((await chat.reads.messagePage(to.conversationId, undefined, 10)).map(({ id }) => id)).toEqual([answer.id])
    expect((await chat.reads.messages([old.id])).size).toBe(0)
    // The rest of the log is in order.
    const entries = await on().store.log.read({ topic: groupTopic(groupId), after: 0, until: 1000 }, 1000)
    expect(entries.map(({ event }) => event.kind)).toEqual(['group_updated', 'reaction_added', 'message_sent'])
    expect(await chat.retention.sweep(30)).toBe(0)
  })

  test('a message that younger ones precede is emptied, and goes with them', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const [young, old, deleted] = [
      await send(a, { receiverId: b }, { content: 'young' }),
      await send(a, { receiverId: b }, { content: 'old' }),
      await send(a, { receiverId: b }, { content: 'deleted' }),
    ]
    await chat.deletions.delete({ userId: a, isAdmin: false }, deleted.id)
    await age([old.id, deleted.id])
    expect(await chat.retention.sweep(30)).toBe(0)
    const contents = async () => (await chat.reads.messagePage(young.conversationId, undefined, 10)).map(({ content }) => content)
    expect(await contents()).toEqual(['', '', 'young'])
    await age([young.id])
    expect(await chat.retention.sweep(30)).toBe(3)
    expect(await contents()).toEqual([])
  })

  test('a long history goes in batches', async () => {
    const { chat, send, users } = node
    const [a = 0, b = 0] = await users(2)
    const sent = await Promise.all(Array.from({ length: 450 }, () => send(a, { receiverId: b })))
    await age(sent.slice(0, 420).map(({ id }) => id))
    expect(await chat.retention.sweep(30)).toBe(420)
    expect(await unreadOf(b, sent[0]?.conversationId as string)).toBe(30)
  })

  describe.each(['group', 'direct'])('in a %s conversation', (kind) => {
    test.each([1, 2])('counts stay exact over random histories (%i)', async (seed) => {
      const { chat, send, users, group } = node
      const next = random(seed)
      const people = await users(kind === 'group' ? 4 : 2)
      const id =
        kind === 'group' ? `group_${await group(people[0] as number, people.slice(1))}` : `direct_${people[0]}_${people[1]}`
      /** What each has not read, of what is left. */
      const unread = new Map(people.map((person) => [person, new Set<number>()]))
      const left: { id: number; senderId: number; isDeleted: boolean }[] = []
      const forget = (messageId: number): void => {
        for (const set of unread.values()) set.delete(messageId)
      }
      const any = <T>(list: readonly T[]): T => list[next(list.length)] as T
      for (let step = 0; step < 80; step++) {
        const person = any(people)
        const own = unread.get(person) as Set<number>
        const what = next(10)
        if (what < 4 || left.length === 0) {
          const to =
            kind === 'group' ? { conversationId: id } : { receiverId: people.find((other) => other !== person) as number }
          const message = await send(person, to)
          left.push({ id: message.id, senderId: person, isDeleted: false })
          for (const [other, set] of unread) if (other !== person) set.add(message.id)
        } else if (what === 4) {
          const message = any(left)
          if (message.senderId !== person) {
            await chat.receipts.markMessage(person, message.id)
            own.delete(message.id)
          }
        } else if (what === 5) {
          const upTo = any(left).id
          const expected = [...own].filter((messageId) => messageId <= upTo)
          expect(await chat.receipts.markConversation(person, id, upTo), `step ${step}`).toBe(expected.length)
          for (const messageId of expected) own.delete(messageId)
        } else if (what === 6) {
          const message = any(left)
          if (message.senderId === person && !message.isDeleted) {
            await chat.deletions.delete({ userId: person, isAdmin: false }, message.id)
            message.isDeleted = true
            forget(message.id)
          }
        } else if (what === 7) {
          const gone = left.splice(0, next(Math.min(6, left.length + 1)))
          await age(gone.map((message) => message.id))
          await chat.retention.sweep(30)
          for (const message of gone) forget(message.id)
        } else if (what === 8) {
          const inside = any(left)
          await age([inside.id])
          await chat.retention.sweep(30)
          forget(inside.id)
          inside.isDeleted = true
          while (left[0]?.isDeleted && (await chat.reads.messages([left[0].id])).size === 0) left.shift()
        }
        for (const [other, set] of unread) {
          const state = await unreadOf(other, id)
          if (left.length > 0 || state >= 0)
            expect([step, what, other, Math.max(0, state)]).toEqual([step, what, other, set.size])
        }
      }
      expect(node.errors).toEqual([])
    })
  })
})
