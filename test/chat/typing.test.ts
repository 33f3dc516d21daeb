import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { TypingPayload } from '../../src/chat/events.ts'
import { codeOf, createTestChat, newUserId, type TestChat } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'

const on = useStore(openEmbeddedStore)
let node: TestChat
let a: number
let b: number
let direct: string

beforeEach(async () => {
  // The wheel's timer and its clock; the database keeps its own.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
  node = createTestChat(on().store)
  ;[a = 0, b = 0] = await node.users(2)
  direct = `direct_${a}_${b}`
})
afterEach(async () => {
  await node.close()
  vi.useRealTimers()
})

const say = (typing: boolean, connectionId: string | null = 'one', conversationId = direct): Promise<void> =>
  node.chat.typing.set(a, connectionId, conversationId, typing)

/** To whom typing was pushed since the last call, and what. */
const taken = (): unknown[] =>
  node
    .take()
    .filter(({ event }) => event.kind === 'typing')
    .map(({ topic, seq, event }) => {
      expect(seq).toBe(null)
      return [topic, (event.payload as TypingPayload).typing]
    })

const partnerIs = (typing: boolean): unknown[] => [[`user:${b}`, typing]]

test('typing goes to the partner of a direct conversation, or to the group, with who types and where', async () => {
  await say(true)
  expect(node.published.at(-1)).toMatchObject({
    topic: `user:${b}`,
    event: {
      id: null,
      kind: 'typing',
      payload: { conversationId: direct, isGroup: false, user: { id: a, name: `user${a}`, avatar: null }, typing: true },
    },
  })
  const groupId = await node.group(a, [b])
  node.take()
  await say(true, 'one', `group_${groupId}`)
  expect(taken()).toEqual([[`group:${groupId}`, true]])
})

test('it ends by itself ten seconds after the last true, not before', async () => {
  await say(true)
  vi.advanceTimersByTime(6_000)
  await say(true)
  expect(taken()).toEqual([...partnerIs(true), ...partnerIs(true)])
  vi.advanceTimersByTime(9_999)
  expect(taken()).toEqual([])
  vi.advanceTimersByTime(101)
  expect(taken()).toEqual(partnerIs(false))
  vi.advanceTimersByTime(60_000)
  expect(taken()).toEqual([])
})

test('a repeated true is pushed again at most every three seconds, and lengthens it all the same', async () => {
  await say(true)
  for (let second = 1; second <= 12; second++) {
    vi.advanceTimersByTime(1_000)
    await say(true)
  }
  expect(taken()).toEqual([...partnerIs(true), ...partnerIs(true), ...partnerIs(true), ...partnerIs(true), ...partnerIs(true)])
})

test('it ends on false from any connection, once', async () => {
  await say(true, 'one')
  await say(false, 'two')
  await say(false, 'one')
  expect(taken()).toEqual([...partnerIs(true), ...partnerIs(false)])
  vi.advanceTimersByTime(20_000)
  node.chat.typing.connectionClosed('one')
  expect(taken()).toEqual([])
  await say(true)
  expect(taken()).toEqual(partnerIs(true))
})

test('it ends with a message to that conversation, and with no other', async () => {
  const groupId = await node.group(a, [b])
  await say(true)
  await node.send(a, { conversationId: `group_${groupId}` })
  await node.send(b, { receiverId: a })
  expect(taken()).toEqual(partnerIs(true))
  await node.send(a, { receiverId: b })
  expect(taken()).toEqual(partnerIs(false))
})

test('it ends when the connection closes that said the last true, and with no other', async () => {
  await say(true, 'one')
  await say(true, 'two')
  node.chat.typing.connectionClosed('one')
  expect(taken()).toEqual(partnerIs(true))
  node.chat.typing.connectionClosed('two')
  expect(taken()).toEqual(partnerIs(false))
  await say(true, null)
  node.chat.typing.connectionClosed('two')
  expect(taken()).toEqual(partnerIs(true))
})

test('closing a connection ends all that it said', async () => {
  const groupId = await node.group(a, [b])
  node.take()
  await say(true)
  await say(true, 'one', `group_${groupId}`)
  node.chat.typing.connectionClosed('one')
  expect(taken()).toEqual([
    [`user:${b}`, true],
    [`group:${groupId}`, true],
    [`user:${b}`, false],
    [`group:${groupId}`, false],
  ])
})

test('what overtakes a true on its way ends it: a false, the closing of its connection, a message', async () => {
  const overtaken = say(true)
  await Promise.all([overtaken, say(false)])
  expect(taken()).toEqual([])
  const closed = say(true)
  node.chat.typing.connectionClosed('one')
  await closed
  expect(taken()).toEqual([])
  const answered = say(true)
  node.chat.typing.stop(a, direct)
  await answered
  expect(taken()).toEqual([])
  const renewed = [say(false), say(true)]
  await Promise.all(renewed)
  expect(taken()).toEqual(partnerIs(true))
})

test('in a direct conversation without messages the canonical id works, and nothing is stored', async () => {
  await say(true)
  expect(await node.chat.reads.conversations([direct])).toEqual(new Map())
  expect(await node.chat.reads.conversationPage(a, undefined, 10)).toEqual([])
})

test('typing needs a conversation that the user is in', async () => {
  const [c = 0] = await node.users(1)
  const groupId = await node.group(b, [])
  await node.send(b, { receiverId: c })
  node.take()
  const refused = [
    `direct_${a}_${newUserId()}`,
    `direct_${b}_${a}`,
    `direct_${b}_${c}`,
    `direct_${a}_${a}`,
    'nonsense',
    'group_1000000',
    '',
  ]
  for (const id of refused) expect(await codeOf(say(true, 'one', id))).toBe('NOT_FOUND')
  expect(await codeOf(say(true, 'one', `group_${groupId}`))).toBe('FORBIDDEN')
  expect(await codeOf(say(false, 'one', `group_${groupId}`))).toBe('FORBIDDEN')
  expect(taken()).toEqual([])
})

test('where the node that knew of it dies, another one tells its own clients within 15 seconds of the last true', async () => {
  const other = createTestChat(on().store)
  await say(true)
  for (const change of node.relayed.splice(0)) other.chat.typing.onRemoteChange(change)
  vi.advanceTimersByTime(8_000)
  await say(true)
  for (const change of node.relayed.splice(0)) other.chat.typing.onRemoteChange(change)
  vi.advanceTimersByTime(11_000)
  expect(other.delivered).toEqual([])
  vi.advanceTimersByTime(4_000)
  const payload = { conversationId: direct, isGroup: false, user: { id: a, name: `user${a}`, avatar: null }, typing: false }
  expect(other.delivered).toEqual([{ topic: `user:${b}`, event: { id: null, at: expect.any(Number), kind: 'typing', payload } }])
  expect(other.published).toEqual([])
  vi.advanceTimersByTime(20_000)
  expect(other.delivered).toHaveLength(1)
  await other.close()
})

test('a node pushes the end of what another one held, which may have died, and the holder does not push it again', async () => {
  const other = createTestChat(on().store)
  const relay = (): void => {
    for (const change of node.relayed.splice(0)) other.chat.typing.onRemoteChange(change)
    for (const change of other.relayed.splice(0)) node.chat.typing.onRemoteChange(change)
  }
  await say(true)
  relay()
  taken()
  await other.chat.typing.set(a, 'two', direct, false)
  expect(other.published.map(({ topic, event }) => [topic, (event.payload as TypingPayload).typing])).toEqual(partnerIs(false))
  relay()
  vi.advanceTimersByTime(20_000)
  expect(taken()).toEqual([])
  expect(other.delivered).toEqual([])
  await other.close()
})
