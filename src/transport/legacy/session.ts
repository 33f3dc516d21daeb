import type { ExecutionResult, GraphQLError } from 'graphql'
import { countIn, type Counts } from '../../telemetry/counters.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { ActivityRecorder, Operations, OpenSubscription } from '../../graphql/operations.ts'
import { inSpan, SpanKind, tracing } from '../../telemetry/tracing.ts'
import type { SourceHooks } from '../../graphql/source.ts'
import type { Connection, ConnectionPeer, EndReason } from '../../live/connections.ts'
import { encodeTextFrame } from '../socket/frame.ts'
import type { PacedSocket } from '../socket/paced-socket.ts'
import type { SocketWriter } from '../socket/writer.ts'
import {
  decodeRequest,
  encodeAuthenticated,
  encodeConnectionEstablished,
  encodeEnabled,
  encodeError,
  encodeHeartbeat,
  encodeResumed,
  encodeSuccess,
  failureText,
} from '../../legacy-protocol/codec.ts'
import { TEXTS, type LegacyRequest } from '../../legacy-protocol/frames.ts'
import { capabilitySet, type CapabilitySet } from '../../legacy-protocol/capabilities.ts'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { CLOSE_OF, closeWith } from '../socket/close.ts'
import { inWireNames, operationOf, type OperationRequest } from '../../legacy-protocol/requests.ts'
import type { Pushes } from './push-sink.ts'

/** Shared by all sessions. */
export interface SessionParts {
  operations: Operations
  /** The live trace. */
  activity: ActivityRecorder
  /** Takes one request from the user's rate limit; throws RATE_LIMITED if none is left. */
  consumeRateLimit: (userId: number) => void
  counts: Counts
}

export interface SessionOptions {
  ws: PacedSocket
  writer: SocketWriter
  /** The client's. */
  address: string
  /** The viewer's feed, not started yet. */
  feed: OpenSubscription
  /** The receiver of the feed; with the capabilities of the handshake. */
  pushes: Pushes
}

/** How many requests of one connection may be pending before it is no longer read. */
const OUTSTANDING_LIMIT = 100

const hasErrors = ({ errors }: ExecutionResult): boolean => errors !== undefined

const isPing = (request: LegacyRequest): request is Extract<LegacyRequest, { type: 'ping' | 'heartbeat' }> =>
  request.type === 'ping' || request.type === 'heartbeat'

/** The error text for one request too many: that of its type, if it has one. */
function limitedText(decoded: ReturnType<typeof decodeRequest>): string {
  if (!decoded.ok) return decoded.msg
  return isPing(decoded.request) ? TEXTS.tooManyRequests : failureText(decoded.request.type)
}

/** A pending response reserves its slot in the order of the requests. */
interface ResponseSlot {
  text: string | undefined
  isDone: boolean
}

/**
 * Serves one connection: requests become operations, in order, and are answered in order, except pings, which never wait.
 * Messages are sent without waiting for each other; anything else waits for everything before it.
 */
export class Session implements ConnectionPeer {
  readonly protocol = 'legacy'
  readonly address: string
  readonly #parts: SessionParts
  readonly #ws: PacedSocket
  readonly #writer: SocketWriter
  readonly #feed: OpenSubscription
  readonly #pushes: Pushes
  /** The capabilities for decoding: those of the last `capabilities` request, which may still be queued. */
  #capabilities: CapabilitySet
  #connection: Connection | undefined
  /** Response slots, in the order of the requests. */
  readonly #slots: ResponseSlot[] = []
  readonly #queue: { request: LegacyRequest; slot: ResponseSlot }[] = []
  #running = 0
  #runningSends = 0
  /** Whether too many requests in a row were refused: nothing more is read, and pending ones are still answered. */
  #isGivenUp = false

  constructor(parts: SessionParts, { ws, writer, address, feed, pushes }: SessionOptions) {
    this.#parts = parts
    this.#ws = ws
    this.#writer = writer
    this.address = address
    this.#feed = feed
    this.#pushes = pushes
    this.#capabilities = pushes.capabilities
  }

  /**
   * Sends the greeting, starts the feed, and accepts requests. `resumes`: the feed begins with a replay, which is answered like
   * `resume` (docs/protocol.md, section 6).
   */
  start(connection: Connection, { resumes }: { resumes: boolean }): void {
    this.#connection = connection
    const ws = this.#ws
    ws.on('message', (data, isBinary) => {
      if (isBinary) closeWith(this.#writer, CLOSE.binaryFrame)
      else if (ws.readyState === ws.OPEN && !this.#isGivenUp) this.#receive((data as Buffer).toString())
    })
    const { viewer, id: connectionId } = connection
    this.#send(encodeConnectionEstablished({ userId: viewer.userId, connectionId, serverTime: new Date() }))
    const hooks: SourceHooks = resumes ? { replayed: (replay) => this.#send(encodeResumed(replay, undefined)) } : {}
    this.#feed.start(hooks).catch((error: unknown) => this.#stop(error))
  }

  queuedBytes(): number {
    return this.#writer.waiting()
  }

  disconnect(reason: EndReason, text?: string): void {
    if (reason === 'expired') {
      this.#send(encodeError({ code: 401, msg: TEXTS.unauthenticated, error: CLOSE.tokenExpired.reason }, undefined))
    }
    if (reason === 'banned')
      this.#send(encodeError({ code: 403, msg: TEXTS.unauthenticated, error: text ?? 'banned' }, undefined))
    // Queued requests are not started any more.
    if (reason === 'disconnected' || reason === 'banned') this.#queue.length = 0
    closeWith(this.#writer, CLOSE_OF[reason], text)
  }

  #send(text: string): void {
    this.#writer.write(encodeTextFrame(text))
  }

  #reserveSlot(): ResponseSlot {
    const slot: ResponseSlot = { text: undefined, isDone: false }
    if (this.#slots.push(slot) === OUTSTANDING_LIMIT) this.#ws.pause()
    return slot
  }

  #answer(slot: ResponseSlot, text?: string): void {
    slot.text = text
    slot.isDone = true
    while (this.#slots[0]?.isDone) {
      const { text: ready } = this.#slots.shift() as ResponseSlot
      if (this.#slots.length === OUTSTANDING_LIMIT - 1) this.#ws.resume()
      if (ready !== undefined) this.#send(ready)
    }
    if (this.#isGivenUp && this.#slots.length === 0) this.#ws.giveUp()
  }

  #refuse(text: string): void {
    this.#isGivenUp = this.#ws.refused()
    this.#answer(this.#reserveSlot(), text)
  }

  #run(request: OperationRequest): Promise<ExecutionResult> | ExecutionResult {
    const { operations } = this.#parts
    const { viewer, id: connectionId } = this.#connection as Connection
    const { document, variables } = operationOf(request)
    const operation = { document, variables, viewer, connectionId }
    if (!tracing.isOn) return operations.execute(operation)
    const attributes = { 'parley.connection_id': connectionId, 'parley.user_id': viewer.userId }
    return inSpan(
      { name: `frame ${request.type}`, attributes, kind: SpanKind.SERVER },
      () => operations.execute(operation),
      hasErrors,
    )
  }

  /** Executes a request; returns the response's text, or undefined if the response was written already. */
  async #execute(request: Exclude<LegacyRequest, { type: 'capabilities' }>): Promise<string | undefined> {
    if (request.type === 'resume') {
      await this.#feed.resume(request.lastMessageId, {
        again: this.#pushes.again(),
        replayed: (replay) => this.#send(encodeResumed(replay, request.echo)),
      })
      return undefined
    }
    const { data, errors } = await this.#run(request)
    if (errors?.[0]) return failed(request, errors[0])
    if (request.type === 'auth') return encodeAuthenticated(data?.['refreshToken'] as string, request.echo)
    return encodeSuccess(request.type, request.echo)
  }

  #startOne({ request, slot }: { request: LegacyRequest; slot: ResponseSlot }): void {
    if (request.type === 'capabilities') {
      const enabled = capabilitySet(request.enable)
      this.#answer(slot, encodeEnabled(enabled, request.echo))
      // What it brings comes after the response.
      this.#pushes.enable(enabled)
      return
    }
    const isSend = request.type === 'message_sent'
    this.#running++
    if (isSend) this.#runningSends++
    this.#execute(request)
      .catch((error: unknown) => failed(request, this.#parts.operations.failure(error)))
      .then((text) => {
        this.#running--
        if (isSend) this.#runningSends--
        this.#answer(slot, text)
        this.#startNext()
      })
      .catch((error: unknown) => this.#stop(error))
  }

  #startNext(): void {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const isPipelined = next.request.type === 'message_sent' && this.#running === this.#runningSends
      if (this.#running > 0 && !isPipelined) return
      this.#queue.shift()
      this.#startOne(next)
    }
  }

  /** A session that can't continue is closed; its client reconnects with resume. */
  #stop(error: unknown): void {
    this.#parts.operations.failure(error)
    closeWith(this.#writer, CLOSE.interrupted)
  }

  #notifyWatchers(decoded: ReturnType<typeof decodeRequest>): void {
    const { viewer, id } = this.#connection as Connection
    const { type, ...rest } = decoded.ok ? decoded.request : { type: 'invalid' as const, error: decoded.error }
    this.#parts.activity.record({
      kind: 'frame',
      userId: viewer.userId,
      connectionId: id,
      name: type,
      code: decoded.ok ? 'ok' : String(decoded.code),
      conversationId: 'conversationId' in rest ? rest.conversationId : 'sessionId' in rest ? rest.sessionId : null,
      content: () => (type === 'auth' ? null : rest),
    })
  }

  #receive(text: string): void {
    const { operations, activity, consumeRateLimit, counts } = this.#parts
    const decoded = decodeRequest(text, this.#capabilities)
    countIn(counts.frames, `legacy ${decoded.ok ? decoded.request.type : 'invalid'}`)
    if (activity.isWatched) this.#notifyWatchers(decoded)
    const echo = decoded.ok ? decoded.request.echo : decoded.echo
    try {
      consumeRateLimit((this.#connection as Connection).viewer.userId)
    } catch (error) {
      const { message } = operations.failure(error)
      return this.#refuse(encodeError({ code: 429, msg: limitedText(decoded), error: message }, echo))
    }
    if (!decoded.ok) return this.#refuse(encodeError(decoded, echo))
    this.#ws.accepted()
    const { request } = decoded
    if (isPing(request)) {
      void this.#run(request)
      return this.#send(encodeHeartbeat(echo))
    }
    if (request.type === 'capabilities') this.#capabilities = capabilitySet(request.enable)
    this.#queue.push({ request, slot: this.#reserveSlot() })
    this.#startNext()
  }
}

function failed(request: LegacyRequest, error: GraphQLError): string {
  const { status } = statusOf(error)
  return encodeError({ code: status, msg: failureText(request.type), error: inWireNames(error.message) }, request.echo)
}
