import { expect, test } from 'vitest'
import { createCounts } from '../../src/telemetry/counters.ts'
import { SubscriptionBudget } from '../../src/graphql/subscription-budget.ts'
import { Subscription } from '../../src/graphql/subscription.ts'

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
        viewer: { userId: 1, name: 'Ann', avatar: null, isAdmin: false, issuedAt: 0, expiresAt: Infinity },
        connectionId: null,
        executed: { result: () => undefined, resultFor: () => undefined, release: () => undefined },
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
