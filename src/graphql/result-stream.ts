import { GraphQLError, type ExecutionResult } from 'graphql'
import type { Counts } from '../telemetry/counters.ts'
import { CoalescingBuffer } from '../lib/coalescing-buffer.ts'
import type { SourceEvent } from './delivery.ts'
import type { Operations, OpenSubscription } from './operations.ts'
import type { PreparedRequest } from './requests.ts'

/** A subscription's results for transports that iterate. */
export interface ResultStream extends AsyncGenerator<ExecutionResult, void, void> {
  /** Ends it with an external error, which becomes its last result. */
  fail(error: GraphQLError): void
  /** Bytes of queued results. */
  queuedBytes(): number
}

export interface ResultStreamOptions {
  /** How many bytes may be queued for a slow reader. */
  maxBufferedBytes: number
  counts: Pick<Counts, 'ephemeralDropped' | 'tooSlow'>
  /** Called once, however it ends. */
  onEnd: () => void
}

/** Where a client resumes after a result: an event id or a cursor. */
const resumeIds = new WeakMap<ExecutionResult, string>()

/**
 * The id of a result in a stream of server-sent events; undefined if its subscription does not resume, or its event has none.
 */
export const resumeIdOf = (result: ExecutionResult): string | undefined => resumeIds.get(result)

function idOf(event: SourceEvent): string | undefined {
  if (event.kind === 'resume_incomplete') return event.payload.position
  return event.id === null ? undefined : String(event.id)
}

const TOO_SLOW = 'too many results wait for this client: resume after the last event received'

/** The last result as text: the other streams of an event get the same one right after. */
let last: { result: ExecutionResult; json: string; bytes: number } | undefined

/** A result as JSON, and how many bytes that are. It is made once for all streams of an event. */
export function serialize(result: ExecutionResult): { json: string; bytes: number } {
  if (last?.result !== result) {
    const json = JSON.stringify(result)
    last = { result, json, bytes: Buffer.byteLength(json) }
    // Not longer than the turn: nobody may come for a large one any more.
    setImmediate(() => (last = undefined))
  }
  return last
}

/**
 * Opens a subscription as an async iterator with a bounded queue, by delivery class: a durable result beyond the limit ends it
 * with an error in place of the whole queue, never with a gap; from half the limit on ephemeral results wait until there is
 * room, and only the latest for each key. An error is the last result. Events flow as soon as it is open.
 */
// oxlint-disable-next-line max-lines-per-function -- one state machine: a bounded queue between a subscription and its reader
export async function openResultStream(
  operations: Operations,
  request: PreparedRequest,
  { maxBufferedBytes, counts, onEnd }: ResultStreamOptions,
): Promise<ResultStream | ExecutionResult> {
  let waiting: { result: ExecutionResult; bytes: number }[] = []
  let waitingBytes = 0
  const latest = new CoalescingBuffer<ExecutionResult>(counts)
  let readers: ((result: IteratorResult<ExecutionResult, void>) => void)[] = []
  /** Callbacks of replays that wait for room. */
  let blocked: (() => void)[] = []
  let open: OpenSubscription | undefined
  let ended = false

  function add(result: ExecutionResult, bytes: number): void {
    waiting.push({ result, bytes })
    waitingBytes += bytes
  }

  function push(result: ExecutionResult, key: string | undefined): void {
    if (key !== undefined) latest.drop(key)
    const reader = readers.shift()
    if (reader) return reader({ done: false, value: result })
    const { bytes } = serialize(result)
    if (waiting.length === 0) return add(result, bytes)
    if (key !== undefined && waitingBytes + bytes > maxBufferedBytes / 2) return latest.set(key, result)
    if (waitingBytes + bytes <= maxBufferedBytes) return add(result, bytes)
    counts.tooSlow++
    clear()
    end(new GraphQLError(TOO_SLOW, { extensions: { code: 'UNAVAILABLE' } }))
  }

  function take(): ExecutionResult | undefined {
    const first = waiting.shift()
    if (!first) return undefined
    waitingBytes -= first.bytes
    if (hasRoom()) goOn()
    return first.result
  }

  const hasRoom = (): boolean => ended || waitingBytes < maxBufferedBytes / 4

  function goOn(): void {
    for (const [key, result] of latest.take()) push(result, key)
    const going = blocked
    blocked = []
    for (const each of going) each()
  }

  function clear(): void {
    waiting = []
    waitingBytes = 0
    latest.take()
  }

  function end(error?: GraphQLError): void {
    if (ended) return
    ended = true
    open?.close()
    onEnd()
    latest.take()
    goOn()
    const reader = error && readers.shift()
    if (reader) reader({ done: false, value: { errors: [error] } })
    else if (error) add({ errors: [error] }, 0)
    for (const each of readers) each({ done: true, value: undefined })
    readers = []
  }

  let opened: OpenSubscription | ExecutionResult
  try {
    opened = await operations.subscribe(request, {
      protocol: 'sse',
      event(result, { key, event }) {
        if (ended) return false
        const id = request.operation.takesAfter ? idOf(event) : undefined
        if (id !== undefined) resumeIds.set(result, id)
        push(result, key)
        return true
      },
      end,
      ready: () => (hasRoom() ? undefined : new Promise((resolve) => blocked.push(resolve))),
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
      const result = take()
      if (result) return Promise.resolve({ done: false, value: result })
      if (ended) return Promise.resolve({ done: true, value: undefined })
      return new Promise((resolve) => readers.push(resolve))
    },
    return() {
      clear()
      end()
      return Promise.resolve({ done: true, value: undefined })
    },
    throw(error: unknown) {
      end()
      return Promise.reject(error)
    },
    fail: end,
    queuedBytes: () => waitingBytes,
    [Symbol.asyncIterator]: () => stream,
    [Symbol.asyncDispose]() {
      end()
      return Promise.resolve()
    },
  }
  return stream
}
