import { GraphQLError, type ExecutionResult } from 'graphql'
import type { SourceEvent } from './source.ts'
import type { OperationRequest, Operations, OpenSubscription } from './operations.ts'

/** A subscription's results for transports that iterate. */
export interface ResultStream extends AsyncGenerator<ExecutionResult, void, void> {
  /** Ends it with an error from outside, which is its last result. */
  fail(error: GraphQLError): void
}

/** How many results may wait for a slow reader. */
const WAITING_LIMIT = 10_000

const TOO_SLOW = 'too many results wait for this client: resume after the last event received'

/**
 * Opens a subscription as an async iterator with a bound: a reader that falls too far behind gets an error and the end,
 * never a hole. An error is its last result. `onEnd` is called once, however it ends; `onResult` with each event before its result. Events come as soon as it is open.
 */
export async function openResultStream(
  operations: Operations,
  request: OperationRequest,
  onEnd: () => void = () => undefined,
  onResult: (event: SourceEvent) => void = () => undefined,
): Promise<ResultStream | ExecutionResult> {
  const waiting: ExecutionResult[] = []
  let readers: ((result: IteratorResult<ExecutionResult, void>) => void)[] = []
  let open: OpenSubscription | undefined
  let ended = false

  function give(result: ExecutionResult): void {
    const reader = readers.shift()
    if (reader) reader({ done: false, value: result })
    else waiting.push(result)
  }

  function end(error?: GraphQLError): void {
    if (ended) return
    ended = true
    open?.close()
    onEnd()
    if (error) give({ errors: [error] })
    for (const reader of readers) reader({ done: true, value: undefined })
    readers = []
  }

  let opened: OpenSubscription | ExecutionResult
  try {
    opened = await operations.subscribe(request, {
      next(result, event) {
        if (ended) return
        onResult(event)
        if (waiting.length < WAITING_LIMIT) give(result)
        else end(new GraphQLError(TOO_SLOW, { extensions: { code: 'UNAVAILABLE' } }))
      },
      end,
    })
  } catch (error) {
    onEnd()
    throw error
  }
  if (!('start' in opened)) {
    onEnd()
    return opened
  }
  open = opened
  if (ended) opened.close()
  else opened.start().catch((error: unknown) => end(operations.failure(error)))

  const stream: ResultStream = {
    next() {
      const result = waiting.shift()
      if (result) return Promise.resolve({ done: false, value: result })
      if (ended) return Promise.resolve({ done: true, value: undefined })
      return new Promise((resolve) => readers.push(resolve))
    },
    return() {
      waiting.length = 0
      end()
      return Promise.resolve({ done: true, value: undefined })
    },
    throw(error: unknown) {
      end()
      return Promise.reject(error)
    },
    fail: end,
    [Symbol.asyncIterator]: () => stream,
    [Symbol.asyncDispose]() {
      end()
      return Promise.resolve()
    },
  }
  return stream
}
