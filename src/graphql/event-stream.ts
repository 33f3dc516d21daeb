import type { ExecutionResult } from 'graphql'
import type { FetchAPI } from 'graphql-yoga'
import { resumeIdOf, serialize, type ResultStream } from './result-stream.ts'

/** How often a comment keeps proxies from closing an idle stream. */
const PING_MS = 12_000
const PING = ':\n\n'

/** A result as a server-sent event (GraphQL over SSE, distinct connections mode), with the id to resume after. */
function encode(result: ExecutionResult): Uint8Array {
  if (last?.result !== result) {
    const id = resumeIdOf(result)
    const text = `event: next\n${id === undefined ? '' : `id: ${id}\n`}data: ${serialize(result).json}\n\n`
    last = { result, bytes: encoder.encode(text) }
    // Not longer than the turn: nobody may come for a large one any more.
    setImmediate(() => (last = undefined))
  }
  return last.bytes
}

const encoder = new TextEncoder()

/** The last result: the other streams of an event get the same one right after. */
let last: { result: ExecutionResult; bytes: Uint8Array } | undefined

/** The response of a subscription over server-sent events. Results are taken from the stream at the client's pace. */
export function processEventStream(results: ResultStream, { ReadableStream, Response }: FetchAPI): Response {
  let pings: NodeJS.Timeout | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // Some clients consider a response started only when a part of its body has arrived.
      controller.enqueue(encoder.encode(PING))
      pings = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(PING))
      }, PING_MS)
    },
    async pull(controller) {
      const { done, value } = await results.next()
      if (!done) return controller.enqueue(encode(value))
      clearInterval(pings)
      controller.enqueue(encoder.encode('event: complete\ndata:\n\n'))
      controller.close()
    },
    async cancel() {
      clearInterval(pings)
      await results.return()
    },
  })
  return new Response(body, {
    status: 200,
    headers: { 'content-type': 'text/event-stream', connection: 'keep-alive', 'cache-control': 'no-cache' },
  })
}
