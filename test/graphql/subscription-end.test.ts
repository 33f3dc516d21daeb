import { expect, test } from 'vitest'
import { createCounts } from '../../src/telemetry/counters.ts'
import { SubscriptionBudget } from '../../src/graphql/subscription-budget.ts'
import { Source } from '../../src/graphql/source.ts'
import { Subscription } from '../../src/graphql/subscription.ts'

const viewer = { userId: 1, name: 'Ann', avatar: null, isAdmin: false, issuedAt: 0, expiresAt: Infinity }
const executed = { result: () => undefined, resultFor: () => undefined, release: () => undefined }

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('subscriptions for which too many events wait are ended in later turns, each once', async () => {
  const ended: (string | undefined)[] = []
  const parts = {
    report: () => undefined,
    activity: { isWatched: false, record: () => undefined },
    budget: new SubscriptionBudget(),
    counts: createCounts(),
  }
  const subscriptions = Array.from(
    { length: 3 },
    () =>
      new Subscription(parts, {
        viewer,
        connectionId: null,
        executed,
        cost: 1,
        sink: {
          protocol: 'graphql-ws',
          event: () => true,
          end: (error) => ended.push(error?.extensions['code'] as string | undefined),
        },
      }),
  )
  for (let count = 0; count < 2; count++)
    for (const subscription of subscriptions)
      subscription.event({ id: 1, at: 0, kind: 'user_erased', payload: { userId: 2 } }, false)
  expect(ended).toEqual([])
  while (ended.length < 3) await nextTurn()
  await nextTurn()
  expect(ended).toEqual(['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE'])
})

test('what a subscription holds of the blocks and memberships of its viewer counts against the budget as long as it is open', async () => {
  const budget = new SubscriptionBudget()
  const parts = {
    report: () => undefined,
    activity: { isWatched: false, record: () => undefined },
    budget,
    counts: createCounts(),
  }
  const sink = { protocol: 'graphql-ws' as const, event: () => true, end: () => undefined }
  const holding = (held: number) =>
    new Source(() =>
      Promise.resolve({ held, start: () => Promise.resolve(), resume: () => Promise.resolve(), close: () => undefined }),
    )
  const open = async (held: number, cost = 2) => {
    const subscription = new Subscription(parts, { viewer, connectionId: 'a', executed, cost, sink })
    budget.acquire(viewer.userId, 'a', cost)
    await subscription.open(holding(held))
    return subscription
  }
  const many = await Promise.all(Array.from({ length: 24 }, () => open(10_000)))
  await expect(open(10_000)).rejects.toThrow('the open subscriptions of this connection')
  await open(40)
  for (const subscription of many) subscription.close()
  // However many have blocked somebody.
  for (let count = 0; count < 20; count++) await open(1_000_000)
})
