import type { Viewer } from '../../src/auth/verify.ts'
import { describe, expect, test } from 'vitest'
import type { NotificationRecord } from '../../src/store/notifications.ts'
import { codeOf, createTestChat, newUserId, type Published, type TestChat, useChat } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'

describeEngines((on) => {
  let node: TestChat
  useChat(on, (opened) => (node = opened))

  const page = (userId: number, before?: number, limit = 10): Promise<NotificationRecord[]> =>
    node.chat.reads.notificationPage(userId, before, limit)

  describe('notifications', () => {
    test('each user named gets one of their own, stored and pushed', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const data = { text: 'ü 🦊 "\\', deep: { list: [1, 1.5, null, true, { b: 1, a: 2 }] }, '': 0 }
      await node.chat.notifications.send('system', data, [b, a, b])
      const published = node.take()
      expect(published.map(({ topic, event }) => [topic, event.kind])).toEqual([
        [`user:${a}`, 'notification'],
        [`user:${b}`, 'notification'],
      ])
      const [notification] = await page(a)
      expect(notification).toEqual({
        id: expect.any(Number) as number,
        userId: a,
        type: 'system',
        data,
        at: expect.any(Number) as number,
        readAt: null,
      })
      expect(published[0]?.event.payload).toEqual(notification)
      expect(await page(c)).toEqual([])
    })

    test('what is pushed keeps the order of its members', async () => {
      const [a = 0] = await node.users(1)
      const data = { zebra: 1, ape: { second: 2, first: 1 } }
      await node.chat.notifications.send('system', data, [a])
      const payload = node.take()[0]?.event.payload as { data: unknown }
      expect(JSON.stringify(payload.data)).toBe(JSON.stringify(data))
    })

    test('they come newest first, and pages stay whole where the time is the same', async () => {
      const [a = 0, b = 0] = await node.users(2)
      for (let index = 0; index < 7; index++) await node.chat.notifications.send('n', { index }, [a, b])
      await on().query(`UPDATE notifications SET created_at = now() WHERE user_id IN (${a}, ${b})`)
      node.published.length = 0
      const seen: unknown[] = []
      for (let before: number | undefined, length = 3; length === 3;) {
        const next = await page(a, before, 3)
        length = next.length
        before = next.at(-1)?.id
        seen.push(...next.map(({ data }) => (data as { index: number }).index))
      }
      expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0])
    })

    test('marking one read keeps the first time; others cannot', async () => {
      const [a = 0, b = 0] = await node.users(2)
      await node.chat.notifications.send('n', {}, [a])
      const id = (await page(a))[0]?.id ?? 0
      const { readAt } = await node.chat.notifications.markRead(a, id)
      expect(readAt).toEqual(expect.any(Number))
      expect((await node.chat.notifications.markRead(a, id)).readAt).toBe(readAt)
      expect((await page(a))[0]?.readAt).toBe(readAt)
      expect(await codeOf(node.chat.notifications.markRead(b, id))).toBe('NOT_FOUND')
      expect(await codeOf(node.chat.notifications.markRead(a, Number.MAX_SAFE_INTEGER))).toBe('NOT_FOUND')
    })

    test.each([
      ['no object', []],
      ['null', null],
      ['a text', 'text'],
      ['NUL in a value', { a: 'x\0' }],
      ['NUL in a name', { 'x\0': 1 }],
      ['a lone surrogate', { a: ['\ud83e'] }],
      ['too long', { a: 'x'.repeat(65_536) }],
      ['nested too deeply', { a: JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)) as unknown }],
    ])('data that is %s is refused', async (_, data) => {
      const [a = 0] = await node.users(1)
      expect(await codeOf(node.chat.notifications.send('n', data, [a]))).toBe('BAD_USER_INPUT')
      expect(await page(a)).toEqual([])
      expect(node.take()).toEqual([])
    })

    test('texts that only look like NUL or surrogates are data', async () => {
      const [a = 0] = await node.users(1)
      const data = { a: '\\u0000 \\ud800 \\\\u0000', b: '\u0001\u001f', c: '🦊' }
      await node.chat.notifications.send('n', data, [a])
      expect((await page(a))[0]?.data).toEqual(data)
    })

    test('type and users have their limits; with one who is not there nobody is notified', async () => {
      const [a = 0] = await node.users(1)
      const { send } = node.chat.notifications
      expect(await codeOf(send('', {}, [a]))).toBe('BAD_USER_INPUT')
      expect(await codeOf(send('x'.repeat(101), {}, [a]))).toBe('BAD_USER_INPUT')
      expect(await codeOf(send('n\0', {}, [a]))).toBe('BAD_USER_INPUT')
      expect(await codeOf(send('n', {}, []))).toBe('BAD_USER_INPUT')
      expect(await codeOf(send('n', {}, Array.from({ length: 1001 }, newUserId)))).toBe('BAD_USER_INPUT')
      expect(await codeOf(send('n', {}, [a, newUserId()]))).toBe('NOT_FOUND')
      expect(await page(a)).toEqual([])
    })
  })

  describe('pushing again', () => {
    const kinds = (published: Published[]): unknown[] => published.map(({ topic, event }) => [topic, event.kind])

    test('a message is a new event with the same message', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const direct = await node.send(a, { receiverId: b })
      const [first] = node.take()
      await node.chat.republish.newMessage(direct.id, false)
      const again = node.take()
      expect(kinds(again)).toEqual([
        [`user:${a}`, 'message_sent'],
        [`user:${b}`, 'message_sent'],
      ])
      expect(again[0]?.event.payload).toEqual(first?.event.payload)
      expect(again[0]?.event.id).toBeGreaterThan(first?.event.id ?? Infinity)
      const groupId = await node.group(a, [b])
      const inGroup = await node.send(a, { conversationId: `group_${groupId}` })
      node.take()
      await node.chat.republish.newMessage(inGroup.id, true)
      expect(kinds(node.take())).toEqual([[`group:${groupId}`, 'message_sent']])
      expect(await codeOf(node.chat.republish.newMessage(direct.id, true))).toBe('NOT_FOUND')
      expect(await codeOf(node.chat.republish.newMessage(inGroup.id, false))).toBe('NOT_FOUND')
      expect(await codeOf(node.chat.republish.newMessage(1_000_000_000, false))).toBe('NOT_FOUND')
    })

    test("a group's info goes to the group", async () => {
      const [a = 0] = await node.users(1)
      const id = await node.group(a, [])
      node.take()
      await node.chat.republish.groupUpdate(id)
      const group = (await node.chat.reads.groups([id])).get(id)
      expect(node.take()).toMatchObject([{ topic: `group:${id}`, event: { kind: 'group_updated', payload: { group } } }])
      expect(await codeOf(node.chat.republish.groupUpdate(1_000_000))).toBe('NOT_FOUND')
    })

    test('joining and leaving go to the group, and to the user where that is not in it; no membership changes', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const id = await node.group(a, [b])
      node.take()
      await node.chat.republish.memberJoined(id, b)
      await node.chat.republish.memberLeft(id, c)
      const published = node.take()
      expect(kinds(published)).toEqual([
        [`group:${id}`, 'member_joined'],
        [`group:${id}`, 'member_left'],
        [`user:${c}`, 'member_left'],
      ])
      for (const { event } of published) {
        expect(event.payload).toMatchObject({ groupId: id, conversationId: `group_${id}`, memberCount: 2 })
        expect(event.payload).not.toHaveProperty('opens')
        expect(event.payload).not.toHaveProperty('closes')
      }
      await node.chat.republish.memberLeft(id, b)
      expect((await node.chat.reads.rolesOf(b, [id])).get(id)).toBe('MEMBER')
      expect(await codeOf(node.chat.republish.memberJoined(1_000_000, b))).toBe('NOT_FOUND')
      expect(await codeOf(node.chat.republish.memberLeft(id, newUserId()))).toBe('NOT_FOUND')
    })

    test('a system notification is a notification', async () => {
      const [a = 0] = await node.users(1)
      await node.chat.republish.systemNotification('maintenance', { at: '22:00' }, [a])
      expect(kinds(node.take())).toEqual([[`user:${a}`, 'notification']])
    })
  })

  describe('users', () => {
    const viewer = (userId: number, name?: string, avatar?: string | null): Parameters<typeof node.chat.users.ensure>[0] => ({
      userId,
      name,
      avatar,
      isAdmin: false,
      issuedAt: 0,
      expiresAt: Infinity,
    })

    test('a viewer is created from the token, and brought to what a later one says', async () => {
      const id = newUserId()
      const name = async (): Promise<string | undefined> => (await node.chat.reads.users([id])).get(id)?.name
      await node.chat.users.ensure(viewer(id))
      expect(await name()).toBe(`user${id}`)
      await node.chat.users.ensure(viewer(id, 'Ann'))
      await node.chat.users.ensure(viewer(id))
      expect(await name()).toBe('Ann')
      await node.chat.users.upsert({ id, name: 'By an admin', avatar: undefined })
      expect(await name()).toBe('By an admin')
      await node.chat.users.ensure(viewer(id, 'Ann'))
      expect(await name()).toBe('By an admin')
    })

    test('of two devices the one with the later token names the user, and neither undoes what an admin said after both', async () => {
      const [id, other] = [newUserId(), createTestChat(on().store)]
      const name = async (): Promise<string | undefined> => (await node.chat.reads.users([id])).get(id)?.name
      const at = Date.now() - 100_000
      const [older, later] = [viewer(id, 'Old'), viewer(id, 'New')].map((one, index) => ({ ...one, issuedAt: at + index * 1000 }))
      for (const { chat } of [node, other, node, other]) {
        await chat.users.ensure(later as Viewer)
        await chat.users.ensure(older as Viewer)
        expect(await name()).toBe('New')
      }
      await other.chat.users.upsert({ id, name: 'By an admin', avatar: undefined })
      for (const { chat } of [node, other]) {
        await chat.users.ensure(later as Viewer)
        await chat.users.ensure(older as Viewer)
        expect(await name()).toBe('By an admin')
      }
      // At once, with what is older behind it in the same batch.
      await Promise.all([
        node.chat.users.upsert({ id, name: 'Again by an admin', avatar: undefined }),
        node.chat.users.ensure({ ...viewer(id, 'Other'), issuedAt: at + 2000 }),
      ])
      expect(await name()).toBe('Again by an admin')
      await other.close()
    })

    test('many at once, some of them the same, are all there afterwards', async () => {
      const ids = Array.from({ length: 50 }, newUserId)
      await Promise.all([...ids, ...ids.toReversed()].map((id) => node.chat.users.ensure(viewer(id, `name ${id}`))))
      const users = await node.chat.reads.users(ids)
      expect(ids.map((id) => users.get(id)?.name)).toEqual(ids.map((id) => `name ${id}`))
    })

    test("an admin's change is checked and answered with the user", async () => {
      const id = newUserId()
      const avatar = 'https://example.org/a.png'
      expect(await node.chat.users.upsert({ id, name: 'Ann', avatar })).toEqual({ id, name: 'Ann', avatar, lastActive: null })
      expect(await node.chat.users.upsert({ id, name: 'Ann', avatar: undefined })).toMatchObject({ avatar })
      expect(await node.chat.users.upsert({ id, name: 'Ann', avatar: null })).toMatchObject({ avatar: null })
      expect(await codeOf(node.chat.users.upsert({ id, name: '', avatar }))).toBe('BAD_USER_INPUT')
      expect(await codeOf(node.chat.users.upsert({ id, name: 'Ann', avatar: 'x' }))).toBe('BAD_USER_INPUT')
    })
  })
})
