/**
 * A client of the legacy protocol (`/ws/connect`) that stays connected: for browsers and Node, without dependencies. It
 * reconnects, resumes missed events, and repeats requests that are safe to repeat.
 */
import type { Capability } from '../../legacy-protocol/capabilities.ts'
import type {
  ConnectionEstablishedData,
  RequestData,
  RequestType,
  ResponseData,
  ResponseFrame,
  ServerFrame,
} from '../../legacy-protocol/frames.ts'
import { CLOSE, comeBackMsIn, reconnectOf } from '../../legacy-protocol/close-codes.ts'
import { ClientClosedError } from './errors.ts'
import { openConnection, type Connection, type Timing, type WebSocketConstructor } from './connection.ts'
import { Pushes, type Incoming } from './pushes.ts'
import { randomId, Requests, type RequestOptions } from './requests.ts'

export { ClientClosedError, ConnectionLostError, RequestRefusedError, RequestTimeoutError } from './errors.ts'
export type { Capability } from '../../legacy-protocol/capabilities.ts'
export type { Timing, WebSocketConstructor, WebSocketLike } from './connection.ts'
export type { Incoming } from './pushes.ts'
export type { RequestOptions } from './requests.ts'

/**
 * `connecting`: an attempt is in progress; `open`: connected and resumed; `waiting`: for the next attempt; `closed`:
 * permanently.
 */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'closed'

/** Why a token is requested: `refused` if the last one has expired or was rejected. */
export type TokenReason = 'connect' | 'refused'

export interface LegacyClientOptions {
  /** The URL of `/ws/connect`, `ws:` or `wss:`. */
  url: string
  /**
   * The JWT, or a function that returns one before every connection. A rejection counts as a failed attempt, null closes the
   * client. Without a function the client closes when the token has expired.
   */
  token: string | ((reason: TokenReason) => string | null | Promise<string | null>)
  /** The global one by default; Node 20 has none: pass that of the library `ws`. */
  webSocket?: WebSocketConstructor
  /**
   * Capabilities beyond sections 1 to 8 of docs/protocol.md, enabled by the handshake of every connection. A server of Parley
   * 0.1 refuses a client that asks for any.
   */
  capabilities?: readonly Capability[]
  /** Resumes after this event: the `lastMessageId` when the program ended; or after the state of a query, by its `cursor`. */
  lastMessageId?: string
  /**
   * How many pushes may be queued for the reader, 10,000 by default. At the limit the connection is dropped, and resumed once
   * half of them have been read. 0 is for clients that only send: pushes are dropped.
   */
  maxPushes?: number
  /** Closes the client. */
  signal?: AbortSignal
  timing?: Partial<Timing>
  /** Called at every change, with the reason in words; must not throw. */
  onState?: (state: ClientState, why: string) => void
}

/** Requests of a client; resume is automatic, and capabilities are an option. */
export type ClientRequestType = Exclude<RequestType, 'resume' | 'heartbeat' | 'capabilities'>

type RequestArguments<T extends ClientRequestType> =
  undefined extends RequestData<T>
    ? [data?: undefined, options?: RequestOptions]
    : [data: RequestData<T>, options?: RequestOptions]

/** Iterating reads the pushes, as `pushes()` does. */
export interface LegacyClient extends AsyncIterable<Incoming, undefined> {
  readonly state: ClientState
  /** The highest id of an event that was read; store it to resume after a restart of the program. */
  readonly lastMessageId: string | undefined
  /** Resolves when the client is open, with the server's greeting; rejects when it is closed permanently. */
  ready(): Promise<ConnectionEstablishedData>
  /**
   * Sends a request as soon as there is a connection, and resolves with the response's `data`. Sends, edits, deletions,
   * receipts and reactions without a response when a connection breaks are repeated on the next one; `typing`, `ping` and
   * `auth` are rejected with ConnectionLostError. Some need a capability. Otherwise rejects with RequestRefusedError,
   * RequestTimeoutError or ClientClosedError.
   */
  request<T extends ClientRequestType>(type: T, ...rest: RequestArguments<T>): Promise<ResponseData<T>>
  /**
   * The pushes, each durable event once, in the order of its conversation. There is one queue, shared by all readers. Ends when
   * the client is closed locally, throws ClientClosedError when the server closes it.
   */
  pushes(): AsyncIterableIterator<Incoming, undefined>
  /** Closes permanently: pending requests are rejected. Resolves when the connection is closed. */
  close(): Promise<void>
  /** Resolves when the client is closed permanently, with the reason. */
  readonly closed: Promise<ClientClosedError>
}

const TIMING: Timing = {
  connect: 10_000,
  request: 10_000,
  heartbeat: 20_000,
  silence: 10_000,
  minBackoff: 500,
  maxBackoff: 30_000,
}

/** An event's id, or the cursor of a query. */
const CURSOR = /^([0-9]{1,19}|(?=[0-9]*[A-Za-z_-])[A-Za-z0-9_-]{40,1024})$/
/** The library `ws` reports the status of a refused upgrade; browsers do not. */
const REFUSED = /^Unexpected server response: 401$/

/** Stands for a gap of unknown size. */
const GAP: ResponseFrame<'resume'> = {
  type: 'resume',
  code: 200,
  msg: 'success',
  data: { success: true, replayed: 0, complete: false },
}

const isAnswer = (frame: ServerFrame): frame is ResponseFrame =>
  frame.type === 'heartbeat' || (frame.data as { success?: unknown } | null)?.success === true

/** Connects at once; throws if the options are invalid. */
// oxlint-disable-next-line max-lines-per-function -- one state machine: the life of a connection that comes back
export function createLegacyClient(options: LegacyClientOptions): LegacyClient {
  const { url, token, capabilities = [], lastMessageId, maxPushes = 10_000, signal, onState } = options
  const webSocket = options.webSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket
  if (webSocket === undefined) throw new TypeError('there is no global WebSocket: give one as webSocket')
  if (lastMessageId !== undefined && !CURSOR.test(lastMessageId))
    throw new TypeError('lastMessageId must be decimal digits, or the cursor of a query')
  const Socket = webSocket
  const timing = { ...TIMING, ...options.timing }
  const requests = new Requests()
  const pushes = new Pushes(maxPushes, lastMessageId, () => {
    if (!end) void connect('connect')
  })

  let state: ClientState = 'waiting'
  let connection: Connection | undefined
  let greeting: ConnectionEstablishedData | undefined
  let wasOpen = false
  let resumeId: string | undefined
  let resumeTimer: ReturnType<typeof setTimeout> | undefined
  let attempts = 0
  let lastPause = 0
  let openedAt = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let end: ClientClosedError | undefined
  let resolveClosed: (end: Promise<ClientClosedError>) => void
  const closed = new Promise<ClientClosedError>((resolve) => (resolveClosed = resolve))
  let connectionClosed = Promise.resolve()
  const opening: { resolve: (greeting: ConnectionEstablishedData) => void; reject: (error: Error) => void }[] = []

  function enter(next: ClientState, why: string): void {
    state = next
    onState?.(next, why)
  }

  async function connect(reason: TokenReason): Promise<void> {
    enter('connecting', reason === 'refused' ? 'with a new token' : 'connecting')
    let jwt: string | null
    try {
      jwt = typeof token === 'string' ? token : await token(reason)
    } catch (error) {
      if (!end) comeBack(`no token: ${String(error)}`, backoff(), reason)
      return
    }
    if (end) return
    if (jwt === null) return finish(CLOSE.tokenExpired.code, 'there is no token')
    try {
      connection = openConnection({ webSocket: Socket, url, token: jwt, capabilities, timing, onFrame: receive, onEnd: ended })
    } catch (error) {
      finish(CLOSE.tokenExpired.code, 'the address or the token is malformed', error)
    }
  }

  /** Doubles with every attempt, half of it random, so that clients do not all reconnect at the same time. */
  function backoff(): number {
    const pause = Math.min(timing.maxBackoff, timing.minBackoff * 2 ** attempts++)
    return pause * (0.5 + Math.random() / 2)
  }

  function comeBack(why: string, pause: number, reason: TokenReason): void {
    enter('waiting', why)
    lastPause = pause
    timer = setTimeout(() => void connect(reason), pause)
  }

  function receive(frame: ServerFrame): void {
    if (frame.type === 'connection_established') established(frame.data)
    else if (frame.type === 'error') {
      // Without the missed events it can't go on: try again.
      if (resumeId !== undefined && frame.message_id === resumeId) connection?.lose(`no resume: ${frame.data.details.error}`)
      else requests.refuse(frame)
    } else if (!isAnswer(frame)) pushes.take(frame)
    else if (frame.type === 'resume') {
      if (frame.message_id === resumeId) resumed(frame)
    } else requests.answer(frame)
    if (resumeId !== undefined) watchResume()
    if (pushes.isFull && connection) pause()
  }

  function established(data: ConnectionEstablishedData): void {
    greeting = data
    if (maxPushes > 0 && pushes.cursor !== undefined) {
      resumeId = randomId()
      pushes.startReplay()
      connection?.send(JSON.stringify({ type: 'resume', data: { last_message_id: pushes.cursor }, message_id: resumeId }))
    } else {
      // No event arrived before the connection broke, so there is none to resume after: what was missed is unknown.
      if (wasOpen && maxPushes > 0) pushes.release(GAP)
      opened()
    }
    requests.flush((text) => connection?.send(text))
  }

  function watchResume(): void {
    clearTimeout(resumeTimer)
    resumeTimer = setTimeout(() => connection?.lose('the resume was not answered'), timing.connect)
  }

  function resumed(frame: ResponseFrame<'resume'>): void {
    resumeId = undefined
    clearTimeout(resumeTimer)
    pushes.release(frame)
    opened()
  }

  function opened(): void {
    wasOpen = true
    openedAt = Date.now()
    enter('open', 'connected')
    for (const { resolve } of opening.splice(0)) resolve(greeting as ConnectionEstablishedData)
  }

  function detached(code: number): void {
    connection = greeting = undefined
    resumeId = undefined
    clearTimeout(resumeTimer)
    pushes.lost()
    requests.lost(code)
  }

  function ended(code: number, reason: string): void {
    // A server that closes every connection right after opening it is retried less and less often, too.
    const hasLasted = state === 'open' && Date.now() - openedAt >= Math.max(lastPause, timing.minBackoff)
    if (hasLasted) attempts = 0
    detached(code)
    const why = `${code} ${reason}`
    const reconnect = REFUSED.test(reason) ? 'with another token' : reconnectOf(code)
    if (reconnect === 'never') finish(code, reason)
    else if (reconnect === 'with another token') {
      if (typeof token === 'string') finish(CLOSE.tokenExpired.code, reason)
      else if (code === CLOSE.tokenExpired.code && hasLasted) void connect('refused')
      else comeBack(why, backoff(), 'refused')
    } else {
      const waitMs = reconnect === 'when told' ? comeBackMsIn(reason) : undefined
      comeBack(why, waitMs === undefined ? backoff() : Math.min(waitMs, timing.maxBackoff), 'connect')
    }
  }

  /** Nobody reads: new events stay in the server's log. */
  function pause(): void {
    connectionClosed = connection?.close() ?? connectionClosed
    detached(CLOSE.normal.code)
    enter('waiting', 'too many pushes wait to be read')
  }

  function finish(code: number, reason: string, cause?: unknown): void {
    if (end) return
    const error = new ClientClosedError(code, reason, cause === undefined ? undefined : { cause })
    end = error
    clearTimeout(timer)
    clearTimeout(resumeTimer)
    signal?.removeEventListener('abort', abort)
    connectionClosed = connection?.close() ?? connectionClosed
    connection = greeting = undefined
    requests.close(error)
    pushes.close(code === CLOSE.normal.code ? undefined : error)
    for (const { reject } of opening.splice(0)) reject(error)
    enter('closed', reason)
    resolveClosed(connectionClosed.then(() => error))
  }

  function abort(): void {
    finish(CLOSE.normal.code, 'aborted', signal?.reason)
  }

  if (signal?.aborted) abort()
  else {
    signal?.addEventListener('abort', abort)
    void connect('connect')
  }

  return {
    get state() {
      return state
    },
    get lastMessageId() {
      return pushes.lastRead
    },
    ready() {
      if (end) return Promise.reject(end)
      if (state === 'open') return Promise.resolve(greeting as ConnectionEstablishedData)
      return new Promise((resolve, reject) => opening.push({ resolve, reject }))
    },
    request<T extends ClientRequestType>(type: T, ...[data, own = {}]: RequestArguments<T>) {
      if (end) return Promise.reject(end)
      const answer = requests.add(type, data, own.timeoutMs ?? timing.request, own)
      if (greeting) requests.flush((text) => connection?.send(text))
      return answer as Promise<ResponseData<T>>
    },
    pushes: () => pushes.read(),
    [Symbol.asyncIterator]: () => pushes.read(),
    async close() {
      finish(CLOSE.normal.code, 'closed')
      await closed
    },
    closed,
  }
}
