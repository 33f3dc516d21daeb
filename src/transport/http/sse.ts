import type { ServerResponse } from 'node:http'
import type { ExecutionResult, GraphQLError } from 'graphql'
import type { Counts } from '../../telemetry/counters.ts'
import { ChatError } from '../../errors.ts'
import type { Operations } from '../../graphql/operations.ts'
import type { OperationRequest } from '../../graphql/requests.ts'
import { openResultStream, type ResultStream } from '../../graphql/result-stream.ts'
import type { AddressLimit } from './client-address.ts'
import type { Connection, Connections, EndReason } from '../../live/connections.ts'

export interface StreamsOptions {
  operations: Operations
  connections: Connections
  /** How many sockets and streams an address may have open. */
  addresses: AddressLimit
  counts: Counts
  /** How many bytes may be queued for the reader of a stream. */
  maxBufferedBytes: number
}

/** Opens a subscription whose results go into `response`; returns a result if it could not be opened. */
export type OpenStream = (
  request: OperationRequest,
  address: string,
  response: ServerResponse,
) => Promise<ResultStream | ExecutionResult>

/** How long a client may take to read the end of a stream; the same as `ws` waits for the end of a socket. */
const LINGER_MS = 30_000

/**
 * Subscriptions as server-sent events. Each counts as a connection of its viewer and its address, until its response is closed:
 * one that has ended and is not read completely is cut.
 */
export function createStreams({ operations, connections, addresses, counts, maxBufferedBytes }: StreamsOptions): OpenStream {
  const refused = (what: string): ExecutionResult => ({
    errors: [operations.failure(new ChatError('RATE_LIMITED', `too many connections of this ${what}: close another one first`))],
  })

  return async (request, address, response) => {
    let stream: ResultStream | undefined
    let wanted: GraphQLError | undefined
    let limit: NodeJS.Timeout | undefined
    const release = addresses.acquire(address)
    if (!release) return refused('address')
    const connection: Connection | undefined = connections.open(request.viewer, {
      protocol: 'sse',
      address,
      queuedBytes: () => (stream?.queuedBytes() ?? 0) + response.writableLength,
      disconnect(reason, text) {
        wanted = operations.failure(endError(reason, text))
        stream?.fail(wanted)
      },
    })
    if (!connection) {
      release()
      return refused('user')
    }
    const over = (): void => {
      clearTimeout(limit)
      void stream?.return()
      release()
      connection.closed()
    }
    response.once('close', over)
    const onEnd = (): void => {
      if (!response.closed) limit = setTimeout(() => response.destroy(), LINGER_MS).unref()
    }
    const prepared = operations.prepare({ ...request, connectionId: connection.id })
    if ('errors' in prepared) onEnd()
    const opened =
      'errors' in prepared ? prepared : await openResultStream(operations, prepared, { maxBufferedBytes, counts, onEnd })
    if ('fail' in opened) {
      stream = opened
      if (wanted) stream.fail(wanted)
    }
    // The client may be gone, now or from the beginning.
    if (response.closed) over()
    return opened
  }
}

/** Why a stream of server-sent events ends early. */
function endError(reason: EndReason, text: string | undefined): ChatError {
  if (reason === 'expired') return new ChatError('UNAUTHENTICATED', 'the token has expired')
  if (reason !== 'restarting') return new ChatError('FORBIDDEN', text ?? 'disconnected by an administrator')
  return new ChatError('UNAVAILABLE', text ?? 'the server restarts: resume after the last event received')
}
