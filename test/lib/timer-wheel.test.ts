import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTimerWheel } from '../../src/lib/timer-wheel.ts'

const TICK = 50

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_020 })
})

afterEach(() => {
  vi.useRealTimers()
})

test('a deadline is never early and at most two ticks late', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -200, max: 5_000 }), { maxLength: 50 }), (delays) => {
      const wheel = createTimerWheel(TICK)
      const start = Date.now()
      const late: number[] = []
      for (const delay of delays) wheel.at(start + delay, () => late.push(Date.now() - Math.max(start + delay, start)))
      vi.advanceTimersByTime(5_000 + 2 * TICK)
      expect(late).toHaveLength(delays.length)
      expect(late.every((ms) => ms >= 0 && ms <= 2 * TICK)).toBe(true)
      wheel.stop()
    }),
  )
})

test('deadlines of different slots come in their order', () => {
  const wheel = createTimerWheel(TICK)
  const order: string[] = []
  wheel.at(Date.now() + 900, () => order.push('third'))
  wheel.at(Date.now() + 100, () => order.push('first'))
  wheel.at(Date.now() + 500, () => order.push('second'))
  vi.advanceTimersByTime(1_000)
  expect(order).toEqual(['first', 'second', 'third'])
})

test('a cancelled deadline is not called, not even when one of the same slot cancels it', () => {
  const wheel = createTimerWheel(TICK)
  const due: string[] = []
  const at = Date.now() + 100
  wheel.at(at, () => due.push('kept')).cancel()
  const cancels: (() => void)[] = []
  for (const name of ['a', 'b']) {
    wheel.at(at, () => {
      due.push(name)
      for (const cancel of cancels) cancel()
    })
  }
  const last = wheel.at(at, () => due.push('never'))
  cancels.push(() => last.cancel())
  vi.advanceTimersByTime(500)
  expect(due).toEqual(['a', 'b'])
})

test('a deadline may set another one, a past one too', () => {
  const wheel = createTimerWheel(TICK)
  const due = vi.fn<() => void>()
  wheel.at(Date.now() + 100, () => wheel.at(Date.now() - 1_000, due))
  vi.advanceTimersByTime(100 + 4 * TICK)
  expect(due).toHaveBeenCalledTimes(1)
})

test('after a sleep of the machine everything due comes at once, in order', () => {
  const wheel = createTimerWheel(TICK)
  const order: number[] = []
  for (const hours of [3, 1, 2, 48]) wheel.at(Date.now() + hours * 3_600_000, () => order.push(hours))
  vi.setSystemTime(Date.now() + 24 * 3_600_000)
  vi.advanceTimersByTime(2 * TICK)
  expect(order).toEqual([1, 2, 3])
})

test('the timer runs only while there are deadlines', () => {
  const wheel = createTimerWheel(TICK)
  expect(vi.getTimerCount()).toBe(0)
  wheel.at(Date.now() + 100, () => undefined)
  const other = wheel.at(Date.now() + 10_000, () => undefined)
  expect(vi.getTimerCount()).toBe(1)
  other.cancel()
  vi.advanceTimersByTime(100 + 2 * TICK)
  expect(vi.getTimerCount()).toBe(0)
  const due = vi.fn<() => void>()
  wheel.at(Date.now() + 100, due)
  vi.advanceTimersByTime(100 + 2 * TICK)
  expect(due).toHaveBeenCalledTimes(1)
})

test('nothing is due after a stop', () => {
  const wheel = createTimerWheel(TICK)
  const due = vi.fn<() => void>()
  wheel.at(Date.now() + 100, due)
  wheel.stop()
  vi.advanceTimersByTime(1_000)
  expect(due).not.toHaveBeenCalled()
})
