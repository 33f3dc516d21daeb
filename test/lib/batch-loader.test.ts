import { expect, test } from 'vitest'
import { createBatchLoader } from '../../src/lib/batch-loader.ts'

/** A loader whose calls are answered by the test. */
function controlled(limit?: number) {
  const calls: { keys: readonly number[]; answer: (values: readonly string[]) => void; fail: (error: unknown) => void }[] = []
  const load = createBatchLoader<number, string>(
    (keys) => new Promise((answer, fail) => calls.push({ keys, answer, fail })),
    ...(limit === undefined ? [] : [limit]),
  )
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return { calls, load, turn }
}

const named = (keys: readonly number[]): string[] => keys.map((key) => `value ${key}`)

test('keys asked for at once are loaded together, each with its own value', async () => {
  const { calls, load, turn } = controlled()
  const values = Promise.all([load(1), load(2), load(3)])
  await turn()
  expect(calls.map(({ keys }) => keys)).toEqual([[1, 2, 3]])
  calls[0]?.answer(named([1, 2, 3]))
  expect(await values).toEqual(named([1, 2, 3]))
})

test('what is asked for during a load goes into the next one', async () => {
  const { calls, load, turn } = controlled()
  const first = load(1)
  await turn()
  const later = [load(2), load(3)]
  await turn()
  expect(calls).toHaveLength(1)
  calls[0]?.answer(named([1]))
  expect(await first).toBe('value 1')
  await turn()
  expect(calls[1]?.keys).toEqual([2, 3])
  calls[1]?.answer(named([2, 3]))
  expect(await Promise.all(later)).toEqual(named([2, 3]))
})

test('a load takes no more than the limit', async () => {
  const sizes: number[] = []
  const load = createBatchLoader<number, string>((keys) => {
    sizes.push(keys.length)
    return Promise.resolve(named(keys))
  }, 4)
  const keys = Array.from({ length: 10 }, (_, index) => index)
  expect(await Promise.all(keys.map(load))).toEqual(named(keys))
  expect(sizes).toEqual([4, 4, 2])
})

test('a failed load fails its own keys only, thrown or rejected', async () => {
  let calls = 0
  const load = createBatchLoader<number, string>((keys) => {
    if (calls++ === 0) throw new Error('not now')
    return calls === 2 ? Promise.reject(new Error('nor now')) : Promise.resolve(named(keys))
  }, 1)
  const outcomes = await Promise.allSettled([load(1), load(2), load(3)])
  expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message))).toEqual([
    'not now',
    'nor now',
    'value 3',
  ])
})

test('a key that can not be loaded fails alone, and the others of its load do not', async () => {
  const load = createBatchLoader<number, string>((keys) =>
    keys.includes(3) ? Promise.reject(new Error('a bad key')) : Promise.resolve(named(keys)),
  )
  const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map(load))
  expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message))).toEqual([
    'value 1',
    'value 2',
    'a bad key',
    'value 4',
    'value 5',
  ])
})
