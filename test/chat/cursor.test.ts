import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { checkCursor, encodeCursor, parseCursor } from '../../src/chat/cursor.ts'
import { createSnapshots } from '../../src/chat/snapshots.ts'
import type { SnapshotPosition } from '../../src/ids.ts'
import { Slots } from '../../src/lib/slots.ts'
import type { Store } from '../../src/store/store.ts'
import { codeOf } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'

const on = useStore(openEmbeddedStore)
const key = randomBytes(32)
const position = (snapshot: string): SnapshotPosition => ({
  snapshot,
  lastId: 123_456_789,
  at: 1_790_000_000_123,
  epoch: '0b5e7f3a-57a9-4f3e-9f0f-8f6f0a0e1b2c',
})
/** A snapshot with so many transactions under way. */
const busy = (count: number): string => {
  const running = Array.from({ length: count }, (_, index) => 5_000_000_000 + 3 * index)
  return `5000000000:${5_000_000_000 + 3 * count + 1}:${running.join()}`
}

test('a cursor says again what it was made of', () => {
  for (const snapshot of ['1:1:', '742:745:742,744', '9007199254740993:9007199254740999:9007199254740995', busy(600)]) {
    const cursor = encodeCursor(position(snapshot), key) as string
    expect(cursor).toMatch(/^[A-Za-z][A-Za-z0-9_-]{39,1023}$/)
    expect(checkCursor(parseCursor(cursor), key)).toEqual(position(snapshot))
  }
})

test('a snapshot that has no room in a cursor is taken again, and then given up', async () => {
  expect(encodeCursor(position(busy(800)), key)).toBeUndefined()
  const taken = [busy(800), busy(900), busy(3)]
  const store: Pick<Store, 'snapshot'> = {
    snapshot: (read) =>
      on().store.snapshot((seen) =>
        read({ ...seen, readPosition: () => Promise.resolve({ position: position(taken.shift() ?? busy(1000)), key }) }),
      ),
  }
  const snapshots = createSnapshots({ store, limit: 1 })
  const cursor = await snapshots.read(1, (snapshot) => snapshot.cursor())
  expect(checkCursor(parseCursor(cursor), key)).toEqual(position(busy(3)))
  expect(await codeOf(snapshots.read(1, () => Promise.resolve()))).toBe('UNAVAILABLE')
})

test('slots go to users who have none first, and nobody waits for ever', async () => {
  const slots = new Slots({ count: 2, waitingLimit: 3 })
  const order: string[] = []
  const take = async (userId: number, name: string) => {
    const release = await slots.acquire(userId, 60_000)
    order.push(release ? name : `${name} refused`)
    return release
  }
  const [first, second] = [await take(1, 'a1'), await take(1, 'a2')]
  const waiting = [take(1, 'a3'), take(2, 'b1'), take(3, 'c1')]
  expect(await slots.acquire(4, 60_000)).toBeUndefined()
  first?.()
  const third = await waiting[1]
  expect(order.at(-1)).toBe('b1')
  second?.()
  const fourth = await waiting[0]
  third?.()
  const last = await waiting[2]
  expect(order).toEqual(['a1', 'a2', 'b1', 'a3', 'c1'])
  // Both are taken: this one waits for a millisecond.
  expect(await slots.acquire(5, 1)).toBeUndefined()
  fourth?.()
  last?.()
  expect(await slots.acquire(5, 1)).toBeDefined()
})
