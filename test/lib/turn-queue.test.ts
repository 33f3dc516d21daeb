import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TurnQueue } from '../../src/lib/turn-queue.ts'

test('serves in order, as much as fits into a turn, the rest in later ones', async () => {
  const served: string[] = []
  const queue = new TurnQueue<{ name: string; ms: number }>(4, ({ name, ms }) => {
    const until = performance.now() + ms
    while (performance.now() < until);
    served.push(name)
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
