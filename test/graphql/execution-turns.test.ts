import { expect, test } from 'vitest'
import { ExecutionTurns, WaitingExecution } from '../../src/graphql/execution-turns.ts'
import { SUBSCRIPTION_LIMITS, SubscriptionBudget } from '../../src/graphql/subscription-budget.ts'
import { turn } from '../support/live.ts'

const CHEAP = 20
const EXPENSIVE = 600

const resultOf = (started: unknown): unknown => (started instanceof WaitingExecution ? started.result : started)

test('what is cheap is executed at once', () => {
  const turns = new ExecutionTurns()
  const results = Array.from({ length: 50 }, (_, number) => turns.run(1, CHEAP, () => ({ number })))
  expect(results).toEqual(Array.from({ length: 50 }, (_, number) => ({ number })))
})

test('the expensive executions of one user are spread over turns of the event loop, in order; others don’t wait for them', async () => {
  const turns = new ExecutionTurns()
  const log: string[] = []
  const execute = (name: string) => () => {
    log.push(name)
    return {}
  }
  for (let number = 0; number < 4; number++) void turns.run(1, EXPENSIVE, execute(`expensive ${number}`))
  void turns.run(2, CHEAP, execute('cheap'))
  expect(log).toEqual(['expensive 0', 'cheap'])
  for (let number = 1; number < 4; number++) {
    await turn()
    expect(log.at(-1)).toBe(`expensive ${number}`)
    expect(log).toHaveLength(number + 2)
  }
})

test('users whose executions wait take turns', async () => {
  const turns = new ExecutionTurns()
  const log: number[] = []
  for (const user of [1, 1, 1, 2, 2, 2]) {
    void turns.run(user, EXPENSIVE, () => {
      log.push(user)
      return {}
    })
  }
  expect(log).toEqual([1, 2])
  await turn()
  expect(log.toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2])
})

test('nothing is kept of users who have nothing to execute, whatever they waited for', async () => {
  const turns = new ExecutionTurns()
  // Nobody has room any more.
  for (let user = 1; user <= 8; user++) void turns.run(user, EXPENSIVE, () => ({}))
  const waiting = turns.run(9, EXPENSIVE, () => ({}))
  expect(waiting).toBeInstanceOf(WaitingExecution)
  for (let user = 100; user < 200; user++) turns.promote(waiting as WaitingExecution<object>, user)
  expect(turns.users).toBe(9)
  // Started for somebody else, before its user's turn.
  const started = turns.run(10, EXPENSIVE, () => ({}))
  void (started as WaitingExecution<object>).start()
  for (let count = 0; count < 5; count++) await turn()
  expect(turns.users).toBe(0)
})

test('a user has a turn also where a few others fill each one', async () => {
  const turns = new ExecutionTurns()
  const log: number[] = []
  const execute = (user: number, cost: number): void => {
    void turns.run(user, cost, () => {
      log.push(user)
      return {}
    })
  }
  // Four of them fill a turn.
  for (let round = 0; round < 10; round++) for (let user = 1; user <= 6; user++) execute(user, 1000)
  execute(7, EXPENSIVE)
  for (let count = 0; count < 3; count++) await turn()
  expect(log).toContain(7)
})

test('what waits for the database counts until it is done', async () => {
  const turns = new ExecutionTurns()
  let finish: (result: object) => void = () => undefined
  void turns.run(1, EXPENSIVE, () => new Promise<object>((resolve) => (finish = resolve)))
  const second = resultOf(turns.run(1, EXPENSIVE, () => ({ second: true })))
  let isDone = false
  void Promise.resolve(second).then(() => (isDone = true))
  for (let count = 0; count < 3; count++) await turn()
  expect(isDone).toBe(false)
  finish({})
  expect(await second).toEqual({ second: true })
})

test('what waits for one user’s turn is started for another who wants the same and has room', () => {
  const turns = new ExecutionTurns()
  let executions = 0
  void turns.run(1, EXPENSIVE, () => ({}))
  const waiting = turns.run(1, EXPENSIVE, () => {
    executions++
    return {}
  })
  if (!(waiting instanceof WaitingExecution)) return expect.fail('it did not wait')
  turns.promote(waiting, 1)
  expect(executions).toBe(0)
  turns.promote(waiting, 2)
  turns.promote(waiting, 3)
  expect(executions).toBe(1)
})

test('more than so many waiting executions of a user are refused', () => {
  const turns = new ExecutionTurns()
  const started = Array.from({ length: 6000 }, () => turns.run(1, EXPENSIVE, () => ({})))
  expect(started.filter((each) => each === undefined)).toHaveLength(999)
})

test('the subscriptions of a connection and of a user cost no more than their budgets, and give back what they cost', () => {
  const budget = new SubscriptionBudget()
  const { connection, user } = SUBSCRIPTION_LIMITS
  expect(() => budget.acquire(1, 'a', connection + 1)).toThrow('ask for smaller pages')
  budget.acquire(1, 'a', connection)
  expect(() => budget.acquire(1, 'a', 1)).toThrow('the open subscriptions of this connection')
  for (const id of ['b', 'c', 'd']) budget.acquire(1, id, connection)
  expect(user).toBe(4 * connection)
  expect(() => budget.acquire(1, 'e', 1)).toThrow('the open subscriptions of this user')
  budget.acquire(2, 'f', 1)
  budget.release(1, 'a', connection)
  budget.acquire(1, 'a', connection)
})
