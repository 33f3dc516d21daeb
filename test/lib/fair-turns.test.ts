import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { FairTurns } from '../../src/lib/fair-turns.ts'
import { CostGate } from '../../src/graphql/cost-gate.ts'

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
})

describe('expensive operations of one user', () => {
  /** Runs when started, until it is ended. */
  function operation(started: string[], name: string) {
    let end: () => void = () => undefined
    const ended = new Promise<object>((resolve) => (end = () => resolve({})))
    const execute = (): Promise<object> => {
      started.push(name)
      return ended
    }
    return { execute, end: () => end() }
  }

  it('run together only as far as the limit goes, the others in their order after them', async () => {
    const gate = new CostGate(10_000)
    const started: string[] = []
    const [first, second, third, other] = ['first', 'second', 'third', 'other'].map((name) => operation(started, name))
    void gate.run(1, 6000, first!.execute)
    void gate.run(1, 6000, second!.execute)
    void gate.run(1, 2000, third!.execute)
    void gate.run(2, 9000, other!.execute)
    await nextTurn()
    expect(started).toEqual(['first', 'other'])
    first!.end()
    await nextTurn()
    expect(started).toEqual(['first', 'other', 'second', 'third'])
    for (const each of [second, third, other]) each!.end()
    await nextTurn()
  })

  it('make no cheap operation wait', () => {
    const gate = new CostGate(10_000)
    const { execute } = operation([], 'endless')
    void gate.run(1, 10_000, execute)
    void gate.run(1, 10_000, execute)
    const result = { data: {} }
    expect(gate.run(1, 1000, () => result)).toBe(result)
  })
})
