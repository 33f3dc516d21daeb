import type { ExecutionResult, GraphQLError } from 'graphql'
import type { WebSocket } from 'ws'
import { countIn, type Counts } from '../../counts.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { ActivityRecorder, Operations, OpenSubscription } from '../../graphql/operations.ts'
import { inSpan, SpanKind, tracing } from '../../tracing.ts'
import type { Connection } from '../connections.ts'
import { encodeTextFrame } from '../frame.ts'
import type { SocketWriter } from '../socket-writer.ts'
import {
  decodeRequest,
  encodeAuthenticated,
  encodeConnectionEstablished,
  encodeError,
  encodeHeartbeat,
  encodeResumed,
  encodeSuccess,
  failureText,
} from './codec.ts'
import { encodeEvent, type FeedEvent } from './events.ts'
import { TEXTS, type LegacyRequest } from './frames.ts'
import { operationOf } from './requests.ts'

export interface SessionOptions {
  ws: WebSocket
  writer: SocketWriter
  connection: Connection
  operations: Operations
  /** Where admins watch. */
  activity: ActivityRecorder
  /** Takes one request of the user; throws RATE_LIMITED where none is left. */
  takeRequest: (userId: number) => void
  counts: Counts
  /** The viewer's feed, not started yet. */
  feed: OpenSubscription
  /** Whether the feed starts with a replay, which is answered as `resume` is (PROTOCOL.md, section 6). */
  resumes: boolean
}

/** A connection of the legacy protocol after its upgrade. */
export interface Session {
  /** Greets, and lets the feed begin; whatever that gives must reach `push` by then. */
  start(): void
  /** A result of the feed; `keyOf` as the writer takes it. */
  push(result: ExecutionResult, keyOf: (() => string) | undefined): void
  /** Resolves when there is room for more of a replay; undefined where there is now. */
  ready(): Promise<void> | undefined
  /** Says that the token has expired, and closes. */
  expire(): void
}

/** How many requests of one connection may wait for their answers before it is no longer read. */
const OUTSTANDING_LIMIT = 100

const hasErrors = ({ errors }: ExecutionResult): boolean => errors !== undefined

const isPing = (request: LegacyRequest): request is Extract<LegacyRequest, { type: 'ping' | 'heartbeat' }> =>
  request.type === 'ping' || request.type === 'heartbeat'

/** What a request too many is answered with: the text of its own failure, if it has one. */
function limitedText(decoded: ReturnType<typeof decodeRequest>): string {
  if (!decoded.ok) return decoded.msg
  return isPing(decoded.request) ? TEXTS.tooManyRequests : failureText(decoded.request.type)
}

/** The last result that a session was given, and its bytes: the other sessions of an event get the same one right after. */
let lastPush: { result: ExecutionResult; frame: Buffer | null } | undefined

/** The bytes of a feed's result, which all sessions share; null for what this protocol does not tell. */
function pushFrameOf(result: ExecutionResult): Buffer | null {
  if (lastPush?.result !== result) {
    const text = encodeEvent((result.data as { events: FeedEvent }).events)
    lastPush = { result, frame: text === null ? null : encodeTextFrame(text) }
  }
  return lastPush.frame
}

/** An answer that is still to come holds the place of its request. */
interface Place {
  text: string | undefined
  isDone: boolean
}

/**
 * Serves one connection: requests become operations, in their order, and are answered in their order, but for pings,
 * which never wait. Messages are sent without waiting for each other; anything else waits for what came before it.
 */
export function openSession(options: SessionOptions): Session {
  const { ws, writer, connection, operations, activity, takeRequest, counts, feed, resumes } = options
  const places: Place[] = []
  const queue: { request: LegacyRequest; place: Place }[] = []
  let running = 0
  let runningSends = 0

  const send = (text: string): void => writer.write(encodeTextFrame(text))

  function reserve(): Place {
    const place: Place = { text: undefined, isDone: false }
    if (places.push(place) === OUTSTANDING_LIMIT) ws.pause()
    return place
  }

  function answer(place: Place, text?: string): void {
    place.text = text
    place.isDone = true
    while (places[0]?.isDone) {
      const { text: ready } = places.shift() as Place
      if (places.length === OUTSTANDING_LIMIT - 1) ws.resume()
      if (ready !== undefined) send(ready)
    }
  }

  function failed(request: LegacyRequest, error: GraphQLError): string {
    const { status } = statusOf(error)
    return encodeError({ code: status, msg: failureText(request.type), error: error.message }, request.echo)
  }

  const run = (request: Exclude<LegacyRequest, { type: 'resume' }>): Promise<ExecutionResult> | ExecutionResult => {
    const operation = { ...operationOf(request), viewer: connection.viewer, connectionId: connection.id }
    if (!tracing.isOn) return operations.run(operation)
    const attributes = { 'parley.connection_id': connection.id, 'parley.user_id': connection.viewer.userId }
    return inSpan(
      { name: `frame ${request.type}`, attributes, kind: SpanKind.SERVER },
      () => operations.run(operation),
      hasErrors,
    )
  }

  /** Executes a request; the text to answer with, or none where it was answered on the way. */
  async function execute(request: LegacyRequest): Promise<string | undefined> {
    if (request.type === 'resume') {
      const after = Number(request.lastMessageId)
      await feed.resume(Number.isSafeInteger(after) ? after : Infinity, {
        replayed: (replay) => send(encodeResumed(replay, request.echo)),
      })
      return undefined
    }
    const { data, errors } = await run(request)
    if (errors?.[0]) return failed(request, errors[0])
    if (request.type === 'auth') return encodeAuthenticated(data?.['refreshToken'] as string, request.echo)
    return encodeSuccess(request.type, request.echo)
  }

  function start({ request, place }: { request: LegacyRequest; place: Place }): void {
    const isSend = request.type === 'message_sent'
    running++
    if (isSend) runningSends++
    execute(request)
      .catch((error: unknown) => failed(request, operations.failure(error)))
      .then((text) => {
        running--
        if (isSend) runningSends--
        answer(place, text)
        startNext()
      })
      .catch(stop)
  }

  function startNext(): void {
    for (let next = queue[0]; next; next = queue[0]) {
      const isPipelined = next.request.type === 'message_sent' && running === runningSends
      if (running > 0 && !isPipelined) return
      queue.shift()
      start(next)
    }
  }

  /** What can't go on is closed, and comes back with resume. */
  function stop(error?: unknown): void {
    if (error !== undefined) operations.failure(error)
    ws.close(1012, 'come back with resume')
  }

  function tell(decoded: ReturnType<typeof decodeRequest>): void {
    const { viewer, id } = connection
    const { type, ...rest } = decoded.ok ? decoded.request : { type: 'invalid' as const, error: decoded.error }
    activity.record({
      kind: 'frame',
      userId: viewer.userId,
      connectionId: id,
      name: type,
      code: decoded.ok ? 'ok' : String(decoded.code),
      conversationId: 'conversationId' in rest ? rest.conversationId : 'sessionId' in rest ? rest.sessionId : null,
      content: () => (type === 'auth' ? null : rest),
    })
  }

  function receive(text: string): void {
    const decoded = decodeRequest(text)
    countIn(counts.frames, `legacy ${decoded.ok ? decoded.request.type : 'invalid'}`)
    if (activity.isWatched) tell(decoded)
    const echo = decoded.ok ? decoded.request.echo : decoded.echo
    try {
      takeRequest(connection.viewer.userId)
    } catch (error) {
      const { message } = operations.failure(error)
      answer(reserve(), encodeError({ code: 429, msg: limitedText(decoded), error: message }, echo))
      return
    }
    if (!decoded.ok) return answer(reserve(), encodeError(decoded, echo))
    const { request } = decoded
    if (isPing(request)) {
      void run(request)
      return send(encodeHeartbeat(echo))
    }
    queue.push({ request, place: reserve() })
    startNext()
  }

  ws.on('message', (data, isBinary) => {
    if (isBinary) ws.close(1003, 'expected text frames')
    else if (ws.readyState === ws.OPEN) receive((data as Buffer).toString())
  })

  return {
    start() {
      send(encodeConnectionEstablished({ userId: connection.viewer.userId, connectionId: connection.id, serverTime: new Date() }))
      const replayed = resumes
        ? { replayed: (replay: { replayed: number; complete: boolean }) => send(encodeResumed(replay, undefined)) }
        : {}
      feed.start(replayed).catch(stop)
    },
    push(result, keyOf) {
      // An event that could not be executed must not be left out in silence.
      if (result.errors) return stop()
      const frame = pushFrameOf(result)
      if (frame === null) return
      if (keyOf) counts.deliveries.legacy.unkept++
      else counts.deliveries.legacy.durable++
      writer.write(frame, keyOf)
    },
    ready: () => writer.ready(),
    expire() {
      send(encodeError({ code: 401, msg: TEXTS.unauthenticated, error: 'the token has expired' }, undefined))
      ws.close(4401, 'the token has expired')
    },
  }
}
