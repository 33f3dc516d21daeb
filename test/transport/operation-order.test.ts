import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ChatError } from '../../src/errors.ts'
import { ATTACH_MS, OperationOrder } from '../../src/transport/graphql-ws/operation-order.ts'

let order: OperationOrder
let log: string[]
beforeEach(() => {
  vi.useFakeTimers()
  order = new OperationOrder()
  log = []
})
afterEach(() => vi.useRealTimers())

/** Something that starts when called and ends on request. */
function step(name: string): { run: () => Promise<string>; end: () => Promise<void> } {
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  return {
    async run() {
      log.push(name)
      await ended
      return name
    },
    async end() {
      end()
      await vi.advanceTimersByTimeAsync(0)
    },
  }
}

const ignore = (): void => undefined
const send = { isSend: true }
const other = { isSend: false }

test('what comes after a subscription is executed when it is attached, also another subscription', async () => {
  const [first, second, query, mutation] = [step('first'), step('second'), step('query'), step('mutation')]
  void order.subscribe(first.run, ignore)
  void order.subscribe(second.run, ignore)
  void order.query(query.run)
  void order.mutate(mutation.run, send)
  await vi.advanceTimersByTimeAsync(0)
  expect(log).toEqual(['first'])
  await first.end()
  expect(log).toEqual(['first', 'second'])
  await second.end()
  expect(log).toEqual(['first', 'second', 'query', 'mutation'])
})

test('an attachment that takes too long fails, the rest goes on, and what comes of it later is discarded', async () => {
  const [slow, query] = [step('slow'), step('query')]
  const discarded: string[] = []
  const failed = order.subscribe(slow.run, (late) => discarded.push(late)).catch((error: unknown) => error)
  void order.query(query.run)
  await vi.advanceTimersByTimeAsync(ATTACH_MS)
  expect(await failed).toMatchObject({ code: 'UNAVAILABLE' } satisfies Partial<ChatError>)
  expect(log).toEqual(['slow', 'query'])
  await slow.end()
  expect(discarded).toEqual(['slow'])
})

test('a subscription that fails keeps nothing back', async () => {
  const failed = order.subscribe(() => Promise.reject(new Error('no')), ignore).catch(({ message }: Error) => message)
  const query = step('query')
  void order.query(query.run)
  expect(await failed).toBe('no')
  await vi.advanceTimersByTimeAsync(0)
  expect(log).toEqual(['query'])
})

test('mutations run one after the other, sends side by side, and nothing waits for a query', async () => {
  const [query, a, b, rename, c] = [step('query'), step('a'), step('b'), step('rename'), step('c')]
  void order.query(query.run)
  void order.mutate(a.run, send)
  void order.mutate(b.run, send)
  void order.mutate(rename.run, other)
  void order.mutate(c.run, send)
  expect(log).toEqual(['query', 'a', 'b'])
  await b.end()
  expect(log).toHaveLength(3)
  await a.end()
  expect(log).toEqual(['query', 'a', 'b', 'rename'])
  await rename.end()
  expect(log).toEqual(['query', 'a', 'b', 'rename', 'c'])
})

test('what waits for nothing is executed at once', () => {
  expect(order.query(() => 'result')).toBe('result')
  expect(order.mutate(() => 'result', other)).toBe('result')
})
