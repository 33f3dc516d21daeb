import { expect, test } from 'vitest'
import type { Chat } from '../../src/chat/chat.ts'
import { DEMO_ADMIN, DEMO_USERS, seedDemo } from '../../src/demo/seed.ts'
import { createTestChat } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'

const store = useStore(openEmbeddedStore)

/** A chat as a server that starts has it: nothing remembered of an earlier one. */
const start = (): Chat => createTestChat(store().store).chat

/** A chat whose last step of the demo fails, as if the process had been killed before it. */
const killed = (chat: Chat): Chat => ({
  ...chat,
  republish: { ...chat.republish, systemNotification: () => Promise.reject(new Error('killed')) },
})

const content = async (): Promise<unknown> => {
  const { reads } = start()
  const [conversations, users] = await Promise.all([
    Promise.all(DEMO_USERS.map(({ id }) => reads.conversationPage(id, undefined, 100))),
    reads.users([...DEMO_USERS, DEMO_ADMIN].map(({ id }) => id)),
  ])
  const messages = await Promise.all((conversations[0] ?? []).map(({ id }) => reads.messagePage(id, undefined, 100)))
  const ids = messages.flat().map(({ id }) => id)
  // All but up to which message the pages were read.
  const pages = conversations.map((page) => page.map((each) => ({ ...each, asOf: undefined })))
  return { users, conversations: pages, messages, reactions: await reads.reactions(ids), receipts: await reads.receipts(ids) }
}

test('a start that is killed in the demo leaves what the next one completes, and a third changes nothing', async () => {
  await expect(seedDemo(killed(start()))).rejects.toThrow('killed')
  const interrupted = await content()
  expect(await seedDemo(start())).toBe(true)
  const complete = await content()
  expect(complete).toEqual(interrupted)
  expect(await seedDemo(start())).toBe(false)
  expect(await content()).toEqual(complete)
})

test('the demo has four users, two direct conversations and a group of all, with reactions, read and unread', async () => {
  const { reads } = start()
  expect(DEMO_USERS.map(({ id }) => id)).toEqual([1, 2, 3, 4])
  const page = await reads.conversationPage(1, undefined, 100)
  expect(page.map(({ id }) => id).sort()).toEqual(['direct_1_2', 'direct_1_3', 'group_1'])
  const members = await reads.groupMembers(1, 0, 100)
  expect(members.map(({ userId }) => userId)).toEqual([1, 2, 3, 4, DEMO_ADMIN.id])
  const states = await reads.readStates(
    1,
    page.map(({ id }) => id),
  )
  expect(Object.fromEntries([...states].map(([id, { unread }]) => [id, unread]))).toEqual({
    group_1: 0,
    direct_1_2: 0,
    direct_1_3: 1,
  })
  const group = await reads.messagePage('group_1', undefined, 100)
  expect(group.map(({ senderId }) => senderId).reverse()).toEqual([1, 1, 3, 4])
  expect((await reads.reactions(group.map(({ id }) => id))).length).toBeGreaterThan(0)
  expect(await reads.notificationPage(1, undefined, 10)).toHaveLength(1)
})

test('nothing is put in where an id belongs to somebody else', async () => {
  const chat = start()
  await chat.users.upsert({ id: 4, name: 'Somebody else', avatar: undefined })
  await store().query('DELETE FROM notifications')
  expect(await seedDemo(chat)).toBe(false)
  expect((await chat.reads.users([4])).get(4)?.name).toBe('Somebody else')
})
