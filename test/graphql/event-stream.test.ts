import type { ExecutionResult } from 'graphql'
import type { FetchAPI } from 'graphql-yoga'
import { expect, test } from 'vitest'
import { processEventStream } from '../../src/graphql/event-stream.ts'
import type { ResultStream } from '../../src/graphql/result-stream.ts'

/** A stream of these results that the test ends. */
function streamOf(...results: ExecutionResult[]): ResultStream {
  const next = () => {
    const value = results.shift()
    return Promise.resolve(value ? { done: false, value } : { done: true, value: undefined })
  }
  return { next, return: () => Promise.resolve({ done: true, value: undefined }) } as unknown as ResultStream
}

test('the streams of an event write its result as text once, however many they are', async () => {
  let written = 0
  const result = (number: number): ExecutionResult => ({
    data: {
      event: {
        toJSON() {
          written++
          return number
        },
      },
    },
  })
  const [first, second] = [result(1), result(2)]
  const responses = Array.from({ length: 10 }, () =>
    processEventStream(streamOf(first, second), globalThis as unknown as FetchAPI),
  )
  const texts = await Promise.all(responses.map(async (response) => await response.text()))
  const next = (number: number): string => `event: next\ndata: {"data":{"event":${number}}}\n\n`
  expect(new Set(texts)).toEqual(new Set([`:\n\n${next(1)}${next(2)}event: complete\ndata:\n\n`]))
  expect(written).toBe(2)
})
