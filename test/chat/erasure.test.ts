import { afterEach, beforeEach, expect, test } from 'vitest'
import { createErasure } from '../../src/chat/erasure.ts'
import { userTopic } from '../../src/chat/events.ts'
import { codeOf, createTestChat, type TestChat } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'
import { rowsOfAllTables } from '../support/tables.ts'
import { overriding } from '../support/overriding.ts'

const NAME = 'Nemo Nusquam'
const SECRETS = [
  NAME,
  'nemo.png',
  'a secret content',
  'secret-media',
  'secret-key',
  '🦄',
  'a secret notification',
  'a secret reason',
]

describeEngines((on) => {
  let node: TestChat
  beforeEach(() => {
    node = createTestChat(on().store)
  })
  afterEach(() => node.close())

  const none = (): Promise<void> => Promise.resolve()
  const erase = (adminId: number, userId: number) => node.chat.erasure.erase(adminId, userId, none, none)
  const secretsIn = async (): Promise<string[]> =>
    (await rowsOfAllTables(on().query)).flatMap(({ table, row }) =>
      SECRETS.filter((secret) => row.includes(secret)).map((secret) => `${table}: ${secret}`),
    )

  /** Everything that can be stored of a user. */
  async function world() {
    const { chat, send, users, group } = node
    const [admin = 0, nemo = 0, bob = 0, eve = 0] = await users(4)
    await chat.users.upsert({ id: nemo, name: NAME, avatar: 'https://media.example/nemo.png' })
    const groupId = await group(nemo, [bob, eve])
    const to = { conversationId: `group_${groupId}` }
    const first = await send(bob, to, { content: 'of bob' })
    const own = await send(nemo, to, {
      content: 'a secret content',
      mediaUrl: 'https://media.example/secret-media',
      key: 'secret-key',
      replyToId: first.id,
      mentionIds: [bob],
    })
    const direct = await send(nemo, { receiverId: bob }, { content: 'a secret content, to bob', key: 'secret-key 2' })
    const answer = await send(bob, { receiverId: nemo }, { content: 'an answer' })
    const deleted = await send(nemo, to, { content: 'a slip', key: 'secret-key 3' })
    await chat.deletions.delete({ userId: nemo, isAdmin: false }, deleted.id)
    await chat.reactions.add(nemo, first.id, '🦄')
    await chat.reactions.add(eve, first.id, '👍')
    await chat.reactions.add(nemo, first.id, '👍')
    await chat.reactions.add(bob, first.id, '👍')
    await chat.receipts.markMessage(nemo, first.id)
    await chat.receipts.markMessage(nemo, answer.id)
    await chat.receipts.markMessage(bob, own.id)
    await chat.notifications.send('t', { text: 'a secret notification' }, [nemo])
    await chat.moderation.report(bob, own.id, 'rude')
    await chat.moderation.report(nemo, first.id, 'a secret reason')
    await chat.blocks.block(bob, nemo)
    await chat.blocks.block(nemo, eve)
    return { admin, nemo, bob, eve, groupId, to, first, own, direct, answer }
  }

  test('nothing of the user is left in any table', async () => {
    const { admin, nemo } = await world()
    expect(new Set((await secretsIn()).map((found) => found.split(': ')[1]))).toEqual(new Set(SECRETS))
    expect(await erase(admin, nemo)).toBe(2)
    expect(await secretsIn()).toEqual([])
    // A repeat changes nothing.
    node.take()
    expect(await erase(admin, nemo)).toBe(0)
    expect(node.take()).toEqual([])
    expect(node.errors).toEqual([])
  })

  test('order and number of messages stay, and what others did', async () => {
    const { admin, nemo, bob, eve, to, first, own, direct, answer } = await world()
    const { chat } = node
    await erase(admin, nemo)
    const page = await chat.reads.messagePage(to.conversationId, undefined, 10)
    expect(page.map(({ id }) => id).slice(1)).toEqual([own.id, first.id])
    expect(page[1]).toMatchObject({ senderName: `user${nemo}`, content: '', mediaUrl: null, deletedById: admin })
    expect((await chat.reads.messagePage(direct.conversationId, undefined, 10)).map(({ id, content }) => [id, content])).toEqual([
      [answer.id, 'an answer'],
      [direct.id, ''],
    ])
    expect(await chat.reads.reactions([first.id])).toMatchObject([
      { reaction: '👍', userIds: [bob, eve].toSorted((a, b) => a - b) },
    ])
    expect(await chat.reads.receipts([first.id, own.id, answer.id])).toMatchObject([{ messageId: own.id, readerId: bob }])
    expect(await chat.reads.reportPage(undefined, undefined, 100)).toContainEqual(
      expect.objectContaining({ messageId: own.id, reason: 'rude', content: '', mediaUrl: null }),
    )
  })

  test('contacts are told once, then that the membership ended; the group goes to who is in longest', async () => {
    const { admin, nemo, bob, groupId } = await world()
    node.take()
    await erase(admin, nemo)
    const told = node.take().map(({ topic, event }) => [topic, event.kind])
    const group = `group:${groupId}`
    const erased = told.filter(([, kind]) => kind === 'user_erased').map(([topic]) => topic)
    expect(new Set(erased)).toEqual(new Set([group, userTopic(bob), userTopic(nemo)]))
    expect(erased).toHaveLength(3)
    expect(told.filter(([topic]) => topic === group)).toEqual([
      [group, 'user_erased'],
      [group, 'group_updated'],
      [group, 'member_left'],
    ])
    expect((await node.chat.reads.rolesOf(bob, [groupId])).get(groupId)).toBe('OWNER')
    expect(await node.chat.reads.rolesOf(nemo, [groupId])).toEqual(new Map())
  })

  test('the log replays in order without holes that anybody would see', async () => {
    const { admin, nemo, bob, groupId, own } = await world()
    await erase(admin, nemo)
    const { log } = on().store
    for (const topic of [`group:${groupId}`, userTopic(bob)]) {
      const head = (await log.heads([topic])).get(topic) ?? 0
      const entries = await log.read({ topic, after: 0, until: head }, 1000)
      const seqs = entries.map(({ seq }) => seq)
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
      expect(JSON.stringify(entries)).not.toMatch(/Nusquam|secret|🦄/)
      for (const { event } of entries) expect(event.payload).not.toBeNull()
    }
    const entries = await log.read({ topic: `group:${groupId}`, after: 0, until: 1000 }, 1000)
    expect(entries.map(({ event }) => event.payload)).toContainEqual(
      expect.objectContaining({ id: own.id, content: '', deletedById: admin }),
    )
    const reactions = entries.filter(({ event }) => event.kind === 'reaction_added')
    expect(reactions.map(({ event }) => (event.payload as { userIds: number[] }).userIds.includes(nemo))).toEqual([false, false])
  })

  test('a token brings nothing back, upsertUser does', async () => {
    const { admin, nemo } = await world()
    await erase(admin, nemo)
    const claims = {
      userId: nemo,
      name: NAME,
      avatar: null,
      isAdmin: false,
      issuedAt: Date.now() + 5000,
      expiresAt: Date.now() + 60_000,
    }
    await node.chat.users.ensure(claims)
    expect((await node.chat.reads.users([nemo])).get(nemo)?.name).toBe(`user${nemo}`)
    await node.chat.users.upsert(
      { id: nemo, name: 'Another', avatar: undefined },
      async (tx) => void (await tx.bans.setErased(nemo, false)),
    )
    expect((await node.chat.reads.users([nemo])).get(nemo)?.name).toBe('Another')
    await node.send(nemo, { receiverId: admin }, { content: 'new', key: 'secret-key' })
    await erase(admin, nemo)
  })

  test('what was interrupted goes on', async () => {
    const { admin, nemo } = await world()
    const { store } = on()
    const erasure = overriding(store.erasure, { events: () => Promise.reject(new Error('away')) })
    const broken = overriding(store, { erasure })
    const { commits, chat } = node
    const interrupted = createErasure({ store: broken, commits, groups: chat.groups }).erase(admin, nemo, none, none)
    await expect(interrupted).rejects.toThrow('away')
    expect(await erase(admin, nemo)).toBe(0)
    expect(await secretsIn()).toEqual([])
  })

  test('oneself and nobody', async () => {
    const [admin = 0] = await node.users(1)
    expect(await codeOf(erase(admin, admin))).toBe('BAD_USER_INPUT')
    expect(await codeOf(erase(admin, 2_147_483_647))).toBe('NOT_FOUND')
  })
})
