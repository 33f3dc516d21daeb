import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExecutionResult } from 'graphql'
import { beforeEach, expect, test } from 'vitest'
import type { Viewer } from '../../src/auth/verify.ts'
import { LargeAnswers } from '../../src/graphql/large-answers.ts'

let started: string[]
beforeEach(() => {
  started = []
})

/** An answer that is being made until it is ended. */
function answer(name: string) {
  let end: () => void = () => undefined
  const ended = new Promise<ExecutionResult>((resolve) => (end = () => resolve({ data: { name } })))
  const execute = (): Promise<ExecutionResult> => {
    started.push(name)
    return ended
  }
  return { execute, end: () => end() }
}

const of = (userId: number, ready: () => Promise<void> | undefined = () => undefined) => ({
  viewer: { userId } as Viewer,
  reader: { ready },
})

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn()
}

test('the large answers of one user are made one after the other, and make no other user wait', async () => {
  const answers = new LargeAnswers()
  const [first, second, other] = [answer('first'), answer('second'), answer('other')]
  const results = [answers.make(of(1), first.execute), answers.make(of(1), second.execute), answers.make(of(2), other.execute)]
  await turns()
  expect(started).toEqual(['first', 'other'])
  first.end()
  await turns()
  expect(started).toEqual(['first', 'other', 'second'])
  second.end()
  other.end()
  expect(await Promise.all(results)).toEqual(['first', 'second', 'other'].map((name) => ({ data: { name } })))
})

test('an answer waits until its client has read, and makes the others wait no longer', async () => {
  const answers = new LargeAnswers()
  let read: () => void = () => undefined
  let unread: Promise<void> | undefined = new Promise((resolve) => (read = resolve))
  const slow = answers.make(
    of(1, () => unread),
    () => ({ data: { name: 'slow' } }),
  )
  expect(await answers.make(of(1), () => ({ data: { name: 'fast' } }))).toEqual({ data: { name: 'fast' } })
  unread = undefined
  read()
  expect(await slow).toEqual({ data: { name: 'slow' } })
})
