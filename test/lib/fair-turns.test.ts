import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { FairTurns } from '../../src/lib/fair-turns.ts'

describe('turns of the event loop', () => {
  it('lets a user who asks for little go on at once', () => {
    const turns = new FairTurns()
    for (let part = 0; part < 10; part++) expect(turns.next(1, 10)).toBeUndefined()
  })

  it('makes a user who had enough of a turn wait, and nobody else', async () => {
    const turns = new FairTurns()
    expect(turns.next(1, 100)).toBeUndefined()
    const later = turns.next(1, 1)
    expect(later).toBeInstanceOf(Promise)
    expect(turns.next(2, 100)).toBeUndefined()
    await later
  })

  it('spreads the parts of long work over turns, in their order', async () => {
    const turns = new FairTurns()
    const done: string[] = []
    void turns.next(1, 100)
    for (let part = 0; part < 3; part++) void turns.next(1, 100)?.then(() => done.push(`long ${part}`))
    void turns.next(2, 100)
    void turns.next(2, 100)?.then(() => done.push('other'))
    await nextTurn()
    expect(done).toEqual(['long 0', 'other'])
    await nextTurn()
    await nextTurn()
    expect(done).toEqual(['long 0', 'other', 'long 1', 'long 2'])
  })

  it('gives what is too much for any turn one of its own', async () => {
    const turns = new FairTurns()
    expect(turns.next(1, 5000)).toBeUndefined()
    const second = turns.next(1, 5000)
    await nextTurn()
    await second
  })

  it('comes to everybody where more users have work than fit in a turn', async () => {
    const turns = new FairTurns()
    const rounds: number[] = []
    const users = Array.from({ length: 12 }, (_, index) => index)
    for (const user of users) {
      for (let part = 0; part < 3; part++) void turns.next(user, 100)?.then(() => rounds.push(user))
    }
    for (let turn = 0; turn < 12; turn++) await nextTurn()
    for (const user of users) expect(rounds.filter((each) => each === user).length).toBeGreaterThanOrEqual(2)
    expect(new Set(rounds.slice(0, 12)).size).toBe(12)
  })

  it('comes to a user with less work before any other has two, where they ask for one part after the other', async () => {
    const turns = new FairTurns()
    let isOver = false
    const work = async (user: number): Promise<void> => {
      while (!isOver) await turns.next(user, 100)
    }
    const others = Array.from({ length: 8 }, (_, user) => work(user))
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    let hasTurn = false
    void turns.next(8, 50)?.then(() => (hasTurn = true))
    // Four of the others fit in a turn.
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    expect(hasTurn).toBe(true)
    isOver = true
    await Promise.all(others)
  })

  it('lets little work go on beside what fills a turn, as long as it is little of all users together', async () => {
    const turns = new FairTurns()
    expect(turns.next(1, 5000)).toBeUndefined()
    const long = turns.next(2, 100)
    expect(long).toBeInstanceOf(Promise)
    const little = Array.from({ length: 30 }, (_, index) => turns.next(3 + index, 10))
    expect(little.filter((each) => each === undefined)).toHaveLength(20)
    expect(turns.next(3, 20)).toBeInstanceOf(Promise)
    await Promise.all([long, ...little])
  })
})
