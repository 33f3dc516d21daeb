import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TurnQueue } from '../../src/lib/turn-queue.ts'

test('serves in order, as much as fits into a turn, the rest in later ones', async () => {
  const served: string[] = []
  const queue = new TurnQueue<{ name: string; ms: number }>({
    turnMs: 4,
    serve({ name, ms }) {
      const until = performance.now() + ms
      while (performance.now() < until);
      served.push(name)
    },
  })
  queue.add({ name: 'long', ms: 5 })
  queue.add({ name: 'short', ms: 0 })
  queue.add({ name: 'also short', ms: 0 })
  expect(served).toEqual([])
  await nextTurn()
  expect(served).toEqual(['long'])
  await nextTurn()
  expect(served[1]).toBe('short')
  await expect.poll(() => served).toEqual(['long', 'short', 'also short'])
  queue.add({ name: 'later', ms: 0 })
  await nextTurn()
  expect(served.at(-1)).toBe('later')
})

test('serves what is few before what waits, and says when a turn ends', async () => {
  const served: number[][] = [[]]
  const queue = new TurnQueue<number>({
    // Each check of the clock ends the turn.
    turnMs: 0,
    serve: (item) => void served.at(-1)?.push(item),
    few: 2,
    itemsPerCheck: 3,
    onTurnEnd: () => void served.push([]),
  })
  for (let item = 1; item <= 8; item++) queue.add(item)
  await nextTurn()
  expect(served).toEqual([[1, 2, 3], []])
  queue.add(9)
  queue.add(10)
  await nextTurn()
  expect(served).toEqual([[1, 2, 3], [9, 10, 4, 5, 6], []])
  for (const item of [11, 12, 13]) queue.add(item)
  await nextTurn()
  await nextTurn()
  expect(served).toEqual([[1, 2, 3], [9, 10, 4, 5, 6], [7, 8, 11], [12, 13], []])
})
