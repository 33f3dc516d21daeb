import { describe, expect, test } from 'vitest'
import type { ConversationFilter, ConversationPosition } from '../../src/chat/reads.ts'
import type { ConversationSettings } from '../../src/store/conversation-settings.ts'
import { type TestChat, useChat } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'

const HOUR = 3_600_000

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  const keep = (userId: number, id: string, changes: Partial<ConversationSettings>) =>
    node.chat.conversationSettings.update(userId, id, changes)
  const settingsOf = async (userId: number, id: string) => (await node.chat.reads.conversationSettings(userId, [id])).get(id)
  const page = (userId: number, filter: ConversationFilter, after?: ConversationPosition, limit = 100) =>
    node.chat.reads.conversationPage(userId, after, limit, filter)
  const idsOf = async (userId: number, filter: ConversationFilter) => (await page(userId, filter)).map(({ id }) => id)

  /** Groups of a user, each written to by another one, the last one latest. */
  async function conversations(count: number) {
    const [user = 0, other = 0] = await node.users(2)
    const ids: string[] = []
    for (let index = 0; index < count; index++) ids.push(`group_${await node.group(user, [other])}`)
    for (const conversationId of ids) await node.send(other, { conversationId })
    node.take()
    const [a = '', b = '', c = '', d = ''] = ids
    const say = (conversationId: string, from = other) => node.send(from, { conversationId })
    return { user, other, a, b, c, d, say }
  }

  describe('settings', () => {
    test('are changed one by one, and told to the user’s own connections where something changed', async () => {
      const { user, other, a } = await conversations(1)
      const mutedUntil = Date.now() + HOUR
      expect(await settingsOf(user, a)).toEqual({ mutedUntil: null, pinned: false, archived: false })
      await keep(user, a, { pinned: true })
      await keep(user, a, { mutedUntil })
      await keep(user, a, { archived: true })
      await keep(user, a, { archived: true, pinned: true, mutedUntil })
      await keep(user, a, {})
      const all = { mutedUntil, pinned: true, archived: true }
      expect(await settingsOf(user, a)).toEqual(all)
      expect(await settingsOf(other, a)).toEqual({ mutedUntil: null, pinned: false, archived: false })
      expect(node.take().map(({ topic, event }) => [topic, event.kind, event.payload])).toEqual(
        [{ mutedUntil: null, pinned: true, archived: false }, { ...all, archived: false }, all].map((settings) => [
          `user:${user}`,
          'conversation_settings_changed',
          { conversationId: a, settings },
        ]),
      )
    })

    test('a time that is past mutes nothing', async () => {
      const { user, a } = await conversations(1)
      await keep(user, a, { mutedUntil: Date.now() - 1 })
      expect(node.take()).toEqual([])
      await keep(user, a, { mutedUntil: Date.now() + HOUR })
      await on().query(`UPDATE members SET muted_until = now() - interval '1 second' WHERE user_id = ${user}`)
      expect(await settingsOf(user, a)).toMatchObject({ mutedUntil: null })
    })

    test('are for those in the conversation, and begin anew with a new membership', async () => {
      const { user, other, a } = await conversations(1)
      const [stranger = 0] = await node.users(1)
      await expect(keep(stranger, a, { pinned: true })).rejects.toMatchObject({ code: 'NOT_FOUND' })
      // Nothing was sent yet, so there is nothing to keep.
      const [low, high] = [Math.min(user, stranger), Math.max(user, stranger)]
      await expect(keep(user, `direct_${low}_${high}`, { pinned: true })).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await keep(other, a, { pinned: true, archived: true })
      await node.chat.groups.leave(other, Number(a.slice('group_'.length)))
      await expect(keep(other, a, { pinned: false })).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await node.chat.groups.invite(user, Number(a.slice('group_'.length)), [other])
      expect(await settingsOf(other, a)).toEqual({ mutedUntil: null, pinned: false, archived: false })
    })
  })

  describe('an archived conversation', () => {
    test('is taken back by a later message, one’s own too, without an event', async () => {
      const { user, a, b, say } = await conversations(2)
      for (const id of [a, b]) await keep(user, id, { archived: true })
      expect([await idsOf(user, 'ALL'), await idsOf(user, 'ARCHIVED')]).toEqual([[], [b, a]])
      node.take()
      await say(a)
      await say(b, user)
      expect([await idsOf(user, 'ALL'), await idsOf(user, 'ARCHIVED')]).toEqual([[b, a], []])
      expect(node.take().map(({ event }) => event.kind)).toEqual(['message_sent', 'message_sent'])
      // What took it back may be archived again.
      await keep(user, a, { archived: true })
      expect(await idsOf(user, 'ARCHIVED')).toEqual([a])
    })

    test('that is muted stays archived, also when the time is over or the mute is lifted, until the next message', async () => {
      const { user, a, b, say } = await conversations(2)
      for (const id of [a, b]) await keep(user, id, { archived: true, mutedUntil: Date.now() + HOUR })
      await say(a)
      await say(b)
      expect(await idsOf(user, 'ARCHIVED')).toEqual([b, a])
      await keep(user, a, { mutedUntil: null })
      await on().query(
        `UPDATE members SET muted_until = statement_timestamp() WHERE user_id = ${user} AND conversation_id = '${b}'`,
      )
      expect(await idsOf(user, 'ARCHIVED')).toEqual([b, a])
      await say(a)
      await say(b)
      expect([await idsOf(user, 'ARCHIVED'), await idsOf(user, 'ALL')]).toEqual([[], [b, a]])
    })

    test('that was taken back is not archived by muting it', async () => {
      const { user, a, say } = await conversations(1)
      await keep(user, a, { archived: true })
      await say(a)
      await keep(user, a, { mutedUntil: Date.now() + HOUR })
      expect(await settingsOf(user, a)).toMatchObject({ archived: false })
      await keep(user, a, { archived: false })
      expect(await idsOf(user, 'ALL')).toEqual([a])
    })

    test('without a message is archived until the first', async () => {
      const [user = 0] = await node.users(1)
      const id = `group_${await node.group(user, [])}`
      await keep(user, id, { archived: true })
      expect(await idsOf(user, 'ARCHIVED')).toEqual([id])
      await node.send(user, { conversationId: id })
      expect(await idsOf(user, 'ALL')).toEqual([id])
    })
  })

  test('filters: unread and mentioned ones leave archived ones out, and mentioned ones muted ones; pinned ones come first in each', async () => {
    const { user, other, a, b, c, d } = await conversations(4)
    const mention = { mentionIds: [user] }
    for (const conversationId of [a, b, c]) await node.send(other, { conversationId }, mention)
    const markRead = async (id: string): Promise<void> => {
      const [last] = await node.chat.reads.messagePage(id, undefined, 1)
      await node.chat.receipts.markConversation(user, id, last?.id ?? 0)
    }
    await markRead(d)
    expect([await idsOf(user, 'ALL'), await idsOf(user, 'UNREAD'), await idsOf(user, 'MENTIONED')]).toEqual([
      [c, b, a, d],
      [c, b, a],
      [c, b, a],
    ])
    await keep(user, a, { pinned: true })
    await keep(user, b, { mutedUntil: Date.now() + HOUR })
    await keep(user, c, { archived: true })
    await keep(user, d, { pinned: true })
    expect([await idsOf(user, 'ALL'), await idsOf(user, 'UNREAD')]).toEqual([
      [a, d, b],
      [a, b],
    ])
    expect([await idsOf(user, 'MENTIONED'), await idsOf(user, 'ARCHIVED')]).toEqual([[a], [c]])
    // Without a filter, as for administrators, by activity alone.
    expect((await node.chat.reads.conversationPage(user, undefined, 10)).map(({ id }) => id)).toEqual([c, b, a, d])
  })

  test('pages repeat none while conversations move, are pinned and unpinned', async () => {
    const { user, a, b, c, d, say } = await conversations(4)
    await keep(user, a, { pinned: true })
    await keep(user, b, { pinned: true })
    const [first, second] = await page(user, 'ALL', undefined, 2)
    expect([first?.id, second?.id]).toEqual([b, a])
    // Each of these would come again below, or is above by now.
    await keep(user, a, { pinned: false })
    await keep(user, b, { pinned: false })
    await say(c)
    expect((await page(user, 'ALL', second, 10)).map(({ id }) => id)).toEqual([c, d])
    const [third] = await page(user, 'ALL', second, 1)
    await say(d)
    expect((await page(user, 'ALL', third, 10)).map(({ id }) => id)).toEqual([])
    expect(await idsOf(user, 'ALL')).toEqual([d, c, b, a])
  })

  test('a notification that is marked read reaches the user’s own connections once', async () => {
    const [user = 0] = await node.users(1)
    await node.chat.notifications.send('t', { n: 1 }, [user])
    const [{ id } = { id: 0 }] = await node.chat.reads.notificationPage(user, undefined, 1)
    node.take()
    const first = await node.chat.notifications.markRead(user, id)
    expect(first.readAt).toEqual(expect.any(Number))
    expect(await node.chat.notifications.markRead(user, id)).toEqual(first)
    expect(node.take().map(({ topic, event }) => [topic, event.kind, event.payload])).toEqual([
      [`user:${user}`, 'notification_read', first],
    ])
  })
})
