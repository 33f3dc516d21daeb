import { afterEach, describe, expect, test } from 'vitest'
import { messageIdOf, type ChatEvent } from '../../src/chat/events.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'
import { newUserId } from '../support/chat.ts'
import { createNode, listen, UnreliablePubSub, type TestNode } from '../support/live.ts'
import { GROUP_INFO } from '../support/group-info.ts'

const on = useStore(openEmbeddedStore)
const open: TestNode[] = []
afterEach(async () => {
  for (const node of open.splice(0)) await node.close()
})

async function setup(historyVisible: boolean) {
  const node = await createNode(on().store, new UnreliablePubSub(), {})
  open.push(node)
  const [a, b, c] = [newUserId(), newUserId(), newUserId()] as const
  await on().store.users.upsert([a, b, c].map((id) => ({ id, name: undefined, avatar: undefined })))
  const group = await node.chat.groups.create(a, { ...GROUP_INFO, historyVisible }, [b])
  const send = async (from: number): Promise<number> => {
    const input = { conversationId: group.conversationId, receiverId: null, isGroup: true, content: 'hi' }
    return (await node.chat.messages.send(from, { ...input, messageType: 'text', mediaUrl: null, key: null })).id
  }
  /** Whatever can happen to a message. */
  const change = async (id: number): Promise<void> => {
    await node.chat.reactions.add(b, id, '👍')
    await node.chat.reactions.remove(b, id, '👍')
    await node.chat.edits.edit(a, { messageId: id, content: 'edited' })
    await node.chat.republish.newMessage(id, true)
    await node.chat.deletions.delete({ userId: a, isAdmin: false }, id)
  }
  return { node, a, b, c, group, send, change }
}

const CHANGES = ['reaction_added', 'reaction_removed', 'message_edited', 'message_sent', 'message_deleted']
const about = (events: readonly ChatEvent[], id: number): string[] =>
  events.filter((event) => messageIdOf(event) === id).map(({ kind }) => kind)

describe('what happens to messages from before a horizon', () => {
  test.each([
    ['is not delivered where the history is hidden', false, []],
    ['is delivered where it is visible', true, CHANGES],
  ])('%s', async (_, historyVisible, expected) => {
    const { node, a, c, group, send, change } = await setup(historyVisible)
    const before = await send(a)
    // Open while the user joins, opened after it, one of the group alone, and one that resumes.
    const early = await listen(node, c)
    early.feed.start()
    await node.chat.groups.invite(a, group.id, [c])
    const feeds = [early, await listen(node, c), await listen(node, c, { kind: 'group', groupId: group.id, withOwn: true })]
    for (const { feed } of feeds) feed.start()
    await change(before)
    const after = await send(a)
    await change(after)
    for (const feed of feeds) {
      await feed.until(() => about(feed.events, after).includes('message_deleted'))
      expect(about(feed.events, before)).toEqual(expected)
      expect(about(feed.events, after)).toEqual(['message_sent', ...CHANGES])
    }
    const back = await listen(node, c)
    const { events } = await back.resume(0)
    expect(about(events, before)).toEqual(expected)
    expect(about(events, after)).toEqual(['message_sent', ...CHANGES])
  })

  test('depends on the membership that an event belongs to', async () => {
    const { node, a, c, group, send } = await setup(false)
    await node.chat.groups.invite(a, group.id, [c])
    const first = await send(a)
    await node.chat.reactions.add(a, first, '1️⃣')
    await node.chat.groups.leave(c, group.id)
    const second = await send(a)
    const feed = await listen(node, c)
    feed.feed.start()
    await node.chat.groups.invite(a, group.id, [c])
    await node.chat.reactions.add(a, first, '2️⃣')
    await node.chat.reactions.add(a, second, '2️⃣')
    const third = await send(a)
    await feed.until(() => about(feed.events, third).length > 0)
    expect([about(feed.events, first), about(feed.events, second)]).toEqual([[], []])
    const { events } = await (await listen(node, c)).resume(0)
    expect([about(events, first), about(events, second), about(events, third)]).toEqual([
      ['message_sent', 'reaction_added'],
      [],
      ['message_sent'],
    ])
  })
})
