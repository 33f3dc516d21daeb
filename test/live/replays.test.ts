import { beforeEach, expect, test } from 'vitest'
import type { ChatError } from '../../src/errors.ts'
import { Replays } from '../../src/live/replays.ts'

let now: number
let replays: Replays
beforeEach(() => {
  now = 1_000_000
  replays = new Replays({ perSecond: 100, burst: 1000 }, () => now)
})

test('one user’s replays have turns one after the other, in the order in which they came; others don’t wait', async () => {
  const log: string[] = []
  const replay = async (userId: number, name: string): Promise<() => void> => {
    const release = await replays.acquire(userId)
    log.push(name)
    return release
  }
  const [first, second, third, other] = [replay(1, 'first'), replay(1, 'second'), replay(1, 'third'), replay(2, 'other')]
  await other
  expect(log).toEqual(['first', 'other'])
  ;(await first)()
  const release = await second
  expect(log).toEqual(['first', 'other', 'second'])
  release()
  release()
  await third
  expect(log).toEqual(['first', 'other', 'second', 'third'])
})

test('a user who had more events replayed than the burst is refused, with the wait, until time has made up for it', () => {
  replays.charge(1, 900)
  replays.check(1)
  replays.charge(1, 300)
  expect(() => replays.check(1)).toThrow(
    expect.objectContaining({ code: 'RATE_LIMITED', retryAfterMs: 2000 } satisfies Partial<ChatError>),
  )
  replays.check(2)
  now += 2000
  replays.check(1)
})

test('a rate of 0 refuses nothing', () => {
  const unlimited = new Replays({ perSecond: 0, burst: 0 }, () => now)
  unlimited.charge(1, 1_000_000)
  unlimited.check(1)
})
