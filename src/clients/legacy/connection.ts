/** One connection, from the socket's creation to its end, watched by pings. */
import { capabilitiesSubprotocol, type Capability } from '../../legacy-protocol/capabilities.ts'
import type { ServerFrame } from '../../legacy-protocol/frames.ts'

/** The part of a WebSocket that the client uses; browsers, Node and the library `ws` have it. */
export interface WebSocketLike {
  readonly readyState: number
  send(text: string): void
  close(code?: number, reason?: string): void
  /** Loosely typed, since the types of browsers and libraries differ; `open` is not used. */
  addEventListener(type: never, listener: never): void
}
interface SocketEvents {
  message: { readonly data: unknown }
  error: { readonly message?: string }
  close: { readonly code: number; readonly reason: string }
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

/** All in milliseconds. */
export interface Timing {
  /** Timeout until the server's first frame, and between frames until the resume is complete. */
  connect: number
  /** Timeout of a request, waiting for a connection included. */
  request: number
  /** A `ping` is sent after this long without a frame. */
  heartbeat: number
  /** How long after a `ping` something must arrive; also the timeout of a closing handshake. */
  silence: number
  /** The pause before the first reconnect; it doubles with every further one. */
  minBackoff: number
  maxBackoff: number
}

export interface Connection {
  /** Sends a frame's text. */
  send(text: string): void
  /** Closes with 1000; resolves when the socket is closed. `onEnd` is not called. */
  close(): Promise<void>
  /** Ends at once, as if the network had broken. */
  lose(reason: string): void
}

export interface ConnectionOptions {
  webSocket: WebSocketConstructor
  url: string
  token: string
  capabilities: readonly Capability[]
  timing: Timing
  onFrame: (frame: ServerFrame) => void
  /**
   * The connection has ended or could not be opened; 1006 if there was no close code. Called at most once, and nothing after
   * it.
   */
  onEnd: (code: number, reason: string) => void
}

const OPEN = 1
const PING = JSON.stringify({ type: 'ping' })

/** A received frame, if it has all that this client depends on. */
function readFrame(text: unknown): ServerFrame | undefined {
  if (typeof text !== 'string') return undefined
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return undefined
  }
  const { type, data, message_id: id } = Object(frame) as Record<string, unknown>
  if (typeof type !== 'string' || typeof data !== 'object' || data === null) return undefined
  if (id !== undefined && typeof id !== 'string') return undefined
  if (type === 'error' && typeof (data as { details?: { error?: unknown } }).details?.error !== 'string') return undefined
  return frame as ServerFrame
}

/** Connects; throws where the WebSocket does, for a bad URL or a token that is not a valid header value. */
export function openConnection({
  webSocket: Socket,
  url,
  token,
  capabilities,
  timing,
  onFrame,
  onEnd,
}: ConnectionOptions): Connection {
  const socket = new Socket(
    url,
    capabilities.length === 0 ? ['bearer', token] : ['bearer', token, capabilitiesSubprotocol(capabilities)],
  )
  let isOver = false
  let problem = ''
  let timer = setTimeout(() => lose('the server did not answer in time'), timing.connect)
  let closed = (): void => undefined

  function over(code: number, reason: string): void {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    onEnd(code, reason)
  }

  /** A close would wait for a response, which is exactly what is missing; browsers offer nothing better. */
  function destroy(): void {
    const { terminate } = socket as { terminate?: () => void }
    if (terminate) terminate.call(socket)
    else socket.close()
  }

  function lose(reason: string): void {
    over(1006, reason)
    destroy()
  }

  function watch(): void {
    clearTimeout(timer)
    timer = setTimeout(() => {
      send(PING)
      timer = setTimeout(() => lose('the server fell silent'), timing.silence)
    }, timing.heartbeat)
  }

  function send(text: string): void {
    if (!isOver && socket.readyState === OPEN) socket.send(text)
  }

  function on<T extends keyof SocketEvents>(type: T, listener: (event: SocketEvents[T]) => void): void {
    socket.addEventListener(type as never, listener as never)
  }

  on('message', ({ data }) => {
    if (isOver) return
    const frame = readFrame(data)
    if (frame === undefined) return lose('what the server sent is no frame')
    watch()
    onFrame(frame)
  })
  // Libraries report why an upgrade was refused, browsers do not.
  on('error', ({ message }) => {
    problem = message ?? ''
  })
  on('close', ({ code, reason }) => {
    closed()
    over(code, reason || problem)
  })

  return {
    send,
    lose,
    close() {
      isOver = true
      clearTimeout(timer)
      return new Promise((resolve) => {
        timer = setTimeout(() => {
          destroy()
          resolve()
        }, timing.silence)
        closed = () => {
          clearTimeout(timer)
          resolve()
        }
        if (socket.readyState > OPEN + 1) closed()
        else socket.close(1000)
      })
    },
  }
}
