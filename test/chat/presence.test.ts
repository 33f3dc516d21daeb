import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Presence } from '../../src/chat/presence.ts'
import type { PresencePayload } from '../../src/chat/events.ts'
import { createLocalRegistry } from '../../src/cluster/presence-registry.ts'
import { createTestChat, type TestChat } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'

const GRACE_MS = 5_000
const on = useStore(openEmbeddedStore)
let node: TestChat
let presence: Presence
let a: number
let b: number

beforeEach(async () => {
  // The wheel's timer and its clock; the database keeps its own.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
  node = createTestChat(on().store, { presenceGraceMs: GRACE_MS })
  ;({ presence } = node.chat)
  ;[a = 0, b = 0] = await node.users(2)
})
afterEach(async () => {
  await node.expectLogPublished()
  await node.close()
  vi.useRealTimers()
})

const announced = async (count: number): Promise<{ topics: readonly string[]; payload: PresencePayload }[]> => {
  const all = (): typeof node.published => node.published.filter(({ event }) => event.kind === 'presence')
  await expect.poll(() => all().length).toBe(count)
  return all().map(({ topics, event }) => ({ topics, payload: event.payload as PresencePayload }))
}

test('the first connection and the end of the grace after the last one are told, nothing in between', async () => {
  await node.send(a, { receiverId: b })
  const openedAt = Date.now()
  presence.opened(a)
  expect(presence.here().includes(a)).toBe(true)
  expect(await announced(1)).toEqual([{ topics: [`user:${b}`], payload: { userId: a, online: true, lastActive: openedAt } }])
  presence.opened(a)
  presence.closed(a)
  vi.advanceTimersByTime(60_000)
  expect(presence.here().includes(a)).toBe(true)
  const closedAt = Date.now()
  presence.closed(a)
  vi.advanceTimersByTime(GRACE_MS)
  expect(presence.here().includes(a)).toBe(true)
  vi.advanceTimersByTime(100)
  expect(presence.here().includes(a)).toBe(false)
  expect((await announced(2))[1]).toEqual({ topics: [`user:${b}`], payload: { userId: a, online: false, lastActive: closedAt } })
  expect((await node.chat.reads.users([a])).get(a)?.lastActive).toBe(closedAt)
})

test('a connection within the grace sends nothing, and the grace begins anew with the next closing', async () => {
  await node.send(a, { receiverId: b })
  presence.opened(a)
  await announced(1)
  for (let round = 0; round < 3; round++) {
    presence.closed(a)
    vi.advanceTimersByTime(GRACE_MS - 100)
    presence.opened(a)
    vi.advanceTimersByTime(GRACE_MS * 2)
    expect(presence.here().includes(a)).toBe(true)
  }
  presence.closed(a)
  vi.advanceTimersByTime(GRACE_MS + 100)
  expect((await announced(2))[1]?.payload.online).toBe(false)
})

test('those who share a conversation are told, in one publish: contacts and groups, not the user, not those who left', async () => {
  const [c = 0] = await node.users(1)
  const kept = await node.group(a, [b, c])
  const left = await node.group(b, [a])
  await node.chat.groups.leave(a, left)
  await node.send(a, { receiverId: b })
  presence.opened(a)
  const [{ topics } = { topics: [] }] = await announced(1)
  expect(topics).toHaveLength(2)
  expect(new Set(topics)).toEqual(new Set([`group:${kept}`, `user:${b}`]))
})

test('all contacts are told, however many', async () => {
  await on().query(`WITH others AS (
      INSERT INTO users (id, name) SELECT ${a} + 1000000 + n, 'x' FROM generate_series(1, 1100) n RETURNING id
    ), conversations AS (
      INSERT INTO conversations (id, is_group, user_low, user_high) SELECT 'direct_${a}_' || id, false, ${a}, id FROM others RETURNING id
    ) INSERT INTO members (conversation_id, user_id) SELECT id, ${a} FROM conversations`)
  presence.opened(a)
  const [{ topics } = { topics: [] }] = await announced(1)
  expect(new Set(topics).size).toBe(1100)
})

test('who shares no conversation is announced to nobody, and noted all the same', async () => {
  const at = Date.now()
  presence.opened(a)
  await presence.stop()
  expect((await node.chat.reads.users([a])).get(a)?.lastActive).toBe(at)
  expect(await announced(0)).toEqual([])
})

test('announcements keep the order of what happened, however long one takes', async () => {
  let release = (): void => undefined
  const first = new Promise<void>((resolve) => (release = resolve))
  const told: boolean[] = []
  let asked = 0
  const slow = new Presence({
    store: on().store,
    publisher: {
      entries: () => undefined,
      ephemeral: () => undefined,
      audience: (_, event) => told.push((event.payload as PresencePayload).online),
    },
    wheel: { at: () => ({ cancel: () => undefined }), stop: () => undefined },
    loadMemberships: async () => {
      if (asked++ === 0) await first
      return { groups: [] }
    },
    loadContacts: () => Promise.resolve([b]),
    graceMs: 0,
    groupLimit: 1000,
    registry: createLocalRegistry(),
    onError: (error) => node.errors.push(error),
  })
  slow.opened(a)
  slow.closed(a)
  slow.opened(a)
  release()
  await slow.stop()
  expect(told).toEqual([true, false, true])
})

test('an announcement that fails is reported, and the next one comes all the same', async () => {
  const told: boolean[] = []
  const errors: unknown[] = []
  let fails = true
  const failing = new Presence({
    store: on().store,
    publisher: {
      entries: () => undefined,
      ephemeral: () => undefined,
      audience: (_, event) => told.push((event.payload as PresencePayload).online),
    },
    wheel: { at: () => ({ cancel: () => undefined }), stop: () => undefined },
    loadMemberships: () => (fails ? Promise.reject(new Error('gone')) : Promise.resolve({ groups: [] })),
    loadContacts: () => Promise.resolve([b]),
    graceMs: 0,
    groupLimit: 1000,
    registry: createLocalRegistry(),
    onError: (error) => errors.push(error),
  })
  failing.opened(a)
  await failing.stop()
  fails = false
  failing.closed(a)
  await failing.stop()
  expect(errors).toEqual([new Error('gone')])
  expect(told).toEqual([false])
})

test('a stop notes when those who are still connected were last seen', async () => {
  presence.opened(a)
  presence.opened(b)
  presence.closed(b)
  const closedAt = Date.now()
  vi.advanceTimersByTime(1_000)
  await presence.stop()
  const users = await node.chat.reads.users([a, b])
  expect([users.get(a)?.lastActive, users.get(b)?.lastActive]).toEqual([closedAt + 1_000, closedAt])
})
