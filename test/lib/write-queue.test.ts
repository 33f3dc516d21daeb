import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChatError } from '../../src/errors.ts'
import { createWriteQueue, type WriteQueueOptions } from '../../src/lib/write-queue.ts'

interface Input {
  sender: number
  text: string
  key?: string
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A queue whose `write` answers with the texts in capitals; `batches` are what it was called with. */
function createQueue(options: Partial<WriteQueueOptions<Input, string>> = {}) {
  const batches: string[][] = []
  const written: string[] = []
  const queue = createWriteQueue<Input, string>({
    write: async (batch) => {
      batches.push(batch.map(({ text }) => text))
      await turn()
      return batch.map(({ text }) => text.toUpperCase())
    },
    onWritten: (results) => written.push(...results),
    laneOf: ({ sender }) => sender,
    keyOf: ({ key }) => key ?? null,
    lanes: 1,
    limit: 100,
    sizeLimit: 1000,
    sizeOf: ({ text }) => text.length,
    capacity: 1000,
    ...options,
  })
  return { queue, batches, written }
}

const texts = (count: number): Input[] => Array.from({ length: count }, (_, index) => ({ sender: 0, text: `t${index}` }))

test('what comes in one turn is one batch, what comes while it is written the next', async () => {
  const { queue, batches } = createQueue()
  const results = texts(3).map((input) => queue.add(input))
  await turn()
  results.push(queue.add({ sender: 0, text: 'later' }))
  expect(await Promise.all(results)).toEqual(['T0', 'T1', 'T2', 'LATER'])
  expect(batches).toEqual([['t0', 't1', 't2'], ['later']])
})

test('a batch takes no more than the limit, and inputs with one key never share one', async () => {
  const { queue, batches } = createQueue({ limit: 3 })
  const inputs = [
    ...texts(4),
    { sender: 0, text: 'k', key: 'same' },
    { sender: 0, text: 'k again', key: 'same' },
    { sender: 0, text: 'end' },
  ]
  await Promise.all(inputs.map((input) => queue.add(input)))
  expect(batches).toEqual([
    ['t0', 't1', 't2'],
    ['t3', 'k'],
    ['k again', 'end'],
  ])
})

test('a batch takes no more than the limit of sizes, but one that is larger by itself', async () => {
  const { queue, batches } = createQueue({ sizeLimit: 10 })
  const inputs = ['aaaa', 'bbbb', 'cccc', 'd'.repeat(50), 'e', 'f'].map((text) => ({ sender: 0, text }))
  await Promise.all(inputs.map((input) => queue.add(input)))
  expect(batches).toEqual([['aaaa', 'bbbb'], ['cccc'], ['d'.repeat(50)], ['e', 'f']])
})

test('who sends much holds up nobody else, and gets the room that others leave', async () => {
  const { queue, batches } = createQueue({ limit: 8 })
  const inputs = [...texts(20), { sender: 1, text: 'one' }, { sender: 2, text: 'two' }, { sender: 1, text: 'one more' }]
  const results = await Promise.all(inputs.map((input) => queue.add(input)))
  expect(results).toEqual(inputs.map(({ text }) => text.toUpperCase()))
  expect(batches[0]).toEqual(['t0', 't1', 'one', 'two', 'one more', 't2', 't3', 't4'])
  expect(batches.flat().filter((text) => text.startsWith('t') && text !== 'two')).toEqual(texts(20).map(({ text }) => text))
})

test("one sender's repeats of a key hold up nobody else", async () => {
  const { queue, batches } = createQueue()
  const repeats = Array.from({ length: 3 }, (_, index) => ({ sender: 1, text: `again ${index}`, key: 'same' }))
  const inputs = [...repeats, { sender: 1, text: 'after it' }, { sender: 2, text: 'another' }]
  await Promise.all(inputs.map((input) => queue.add(input)))
  expect(batches).toEqual([['again 0', 'another'], ['again 1'], ['again 2', 'after it']])
})

test('each input is written once, in the order of its lane, whatever the limits', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ sender: fc.nat(5), key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }) })),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 5 }),
      async (drawn, lanes, limit) => {
        const { queue, batches, written } = createQueue({ lanes, limit })
        const inputs = drawn.map(({ sender, key }, index) => ({ sender, text: `${sender}-${index}`, ...(key ? { key } : {}) }))
        const results = await Promise.all(inputs.map((input) => queue.add(input)))
        expect(results).toEqual(inputs.map(({ text }) => text.toUpperCase()))
        expect(written.toSorted((a, b) => a.localeCompare(b))).toEqual(results.toSorted((a, b) => a.localeCompare(b)))
        for (const sender of new Set(drawn.map((one) => one.sender))) {
          const own = (all: string[]): string[] => all.filter((text) => text.startsWith(`${sender}-`))
          expect(own(batches.flat())).toEqual(own(inputs.map(({ text }) => text)))
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('who waits goes on after the results were told', async () => {
  const order: string[] = []
  const { queue } = createQueue({ onWritten: (results) => order.push(`told ${results.join()}`) })
  await queue.add({ sender: 0, text: 'a' }).then((result) => order.push(`got ${result}`))
  expect(order).toEqual(['told A', 'got A'])
})

/** A queue that fails every batch with one of these texts in it. */
function createQueueWithBad(bad: readonly string[], options: Partial<WriteQueueOptions<Input, string>> = {}) {
  const tried: string[][] = []
  const made = createQueue({
    write(batch) {
      tried.push(batch.map(({ text }) => text))
      if (batch.some(({ text }) => bad.includes(text))) return Promise.reject(new Error('a bad one'))
      return Promise.resolve(batch.map(({ text }) => text.toUpperCase()))
    },
    ...options,
  })
  return { ...made, tried }
}

test('of a batch that fails only the input at fault fails, and what follows it is written in one statement', async () => {
  const { queue, written, tried } = createQueueWithBad(['t1'])
  const outcomes = await Promise.allSettled(texts(6).map((input) => queue.add(input)))
  expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, true, true])
  expect(tried).toEqual([['t0', 't1', 't2', 't3', 't4', 't5'], ['t0', 't1', 't2'], ['t0'], ['t1'], ['t2', 't3', 't4', 't5']])
  expect(written).toEqual(['T0', 'T2', 'T3', 'T4', 'T5'])
})

test('one bad input costs a batch of 512 a dozen statements, wherever it stands', async () => {
  for (const index of [0, 1, 255, 256, 300, 511]) {
    const { queue, written, tried } = createQueueWithBad([`t${index}`], { limit: 512 })
    const outcomes = await Promise.allSettled(texts(512).map((input) => queue.add(input)))
    expect(outcomes.flatMap(({ status }, at) => (status === 'rejected' ? [at] : []))).toEqual([index])
    expect(written).toEqual(
      texts(512)
        .map(({ text }) => text.toUpperCase())
        .filter((_, at) => at !== index),
    )
    expect(tried.length).toBeLessThanOrEqual(12)
  }
})

test('whichever inputs are bad, each other one is written once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), async (isBad) => {
      const bad = isBad.flatMap((is, index) => (is ? [`t${index}`] : []))
      const { queue, written } = createQueueWithBad(bad)
      const outcomes = await Promise.allSettled(texts(isBad.length).map((input) => queue.add(input)))
      expect(outcomes.map(({ status }) => status === 'rejected')).toEqual(isBad)
      expect(written).toEqual(isBad.flatMap((is, index) => (is ? [] : [`T${index}`])))
    }),
    { numRuns: 50 },
  )
})

test('without a database nothing is tried again: nobody knows what was stored', async () => {
  let calls = 0
  const { queue } = createQueue({
    write: () => {
      calls++
      return Promise.reject(new ChatError('UNAVAILABLE', 'gone'))
    },
  })
  const outcomes = await Promise.allSettled(texts(3).map((input) => queue.add(input)))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(calls).toBe(1)
})

test('more than may wait are refused, and there is room again when something is written', async () => {
  const { queue, batches } = createQueue({ capacity: 2 })
  const first = texts(2).map((input) => queue.add(input))
  await expect(queue.add({ sender: 0, text: 'one too many' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await Promise.all(first)
  await queue.idle()
  expect(await queue.add({ sender: 0, text: 'fits' })).toBe('FITS')
  expect(batches.flat()).toEqual(['t0', 't1', 'fits'])
})

test('idle resolves when everything added so far is written', async () => {
  const { queue, written } = createQueue({ lanes: 3, limit: 1 })
  await queue.idle()
  for (let sender = 0; sender < 9; sender++) void queue.add({ sender, text: `t${sender}` })
  await queue.idle()
  expect(written).toHaveLength(9)
})

test('a failure of whoever is told writes nothing twice and stops nothing', async () => {
  const bugs: unknown[] = []
  const handlers = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => bugs.push(error))
  try {
    const { queue, batches } = createQueue({
      onWritten: () => {
        throw new Error('a bug')
      },
    })
    expect(await Promise.all(texts(2).map((input) => queue.add(input)))).toEqual(['T0', 'T1'])
    expect(await queue.add({ sender: 0, text: 'after' })).toBe('AFTER')
    expect(batches).toEqual([['t0', 't1'], ['after']])
    await turn()
    expect(bugs).toHaveLength(2)
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const handler of handlers) process.on('uncaughtException', handler)
  }
})
