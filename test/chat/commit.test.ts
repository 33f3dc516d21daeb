import { expect, test } from 'vitest'
import { Commits } from '../../src/chat/commit.ts'
import type { Store } from '../../src/store/store.ts'
import type { LogEntry } from '../../src/store/event-log.ts'

const entriesOf = (count: number): LogEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    topic: 'group:1',
    seq: index + 1,
    event: { id: index + 1, at: 0, kind: 'member_joined', payload: {} },
  }))

/** Publishes a change with so many entries, each of which takes a millisecond, and counts those of each turn of the event loop. */
async function publish(count: number) {
  const ofTurns = [0]
  const seqs: number[] = []
  let isOver = false
  const turn = (): void => {
    ofTurns.push(0)
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const store = { transaction: () => Promise.resolve({ result: 'done', entries: entriesOf(count) }) } as unknown as Store
  const commits = new Commits(store, {
    entries(entries) {
      for (const { seq } of entries) {
        for (const until = performance.now() + 1; performance.now() < until;);
        seqs.push(seq)
        ofTurns.push((ofTurns.pop() ?? 0) + 1)
      }
    },
  })
  const committed: number[] = []
  commits.onCommit((entries) => committed.push(entries.length))
  const result = await commits.run(() => Promise.resolve('done'))
  isOver = true
  return { result, seqs, committed, most: Math.max(...ofTurns) }
}

test('a change of a few events is published at once', async () => {
  expect(await publish(50)).toMatchObject({ result: 'done', committed: [50], most: 50 })
})

test('one of many is published in turns of the event loop, in order, and answered after that', async () => {
  const { result, seqs, committed, most } = await publish(200)
  expect([result, committed]).toEqual(['done', [200]])
  expect(seqs).toEqual(entriesOf(200).map(({ seq }) => seq))
  expect(most).toBeLessThan(10)
})
