/** One connection: from the socket's creation to its one end, watched by pings. */
import { capabilitiesSubprotocol, type Capability } from '../../legacy-protocol/capabilities.ts'
import type { ServerFrame } from '../../legacy-protocol/frames.ts'

/** What a client needs of a WebSocket: a browser's has it, and Node's, and that of the library `ws`. */
export interface WebSocketLike {
  readonly readyState: number
  send(text: string): void
  close(code?: number, reason?: string): void
  /** Said so loosely, for the types of browsers and libraries differ; `open` is not listened to. */
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
  /** How long a connection may take until the server's first frame, and from one to the next until it has resumed. */
  connect: number
  /** How long a request may take, waiting for a connection included. */
  request: number
  /** After how long without a frame a `ping` is sent. */
  heartbeat: number
  /** How long after a `ping` something must have come; and how long a closing handshake may take. */
  silence: number
  /** The pause before the first attempt to come back; it doubles with every further one. */
  minBackoff: number
  maxBackoff: number
}

export interface Line {
  /** Sends a frame's text. */
  send(text: string): void
  /** Closes with 1000; resolves when the socket is closed. `onEnd` is not called. */
  close(): Promise<void>
  /** Ends at once, as if the network had broken. */
  lose(reason: string): void
}

export interface LineOptions {
  webSocket: WebSocketConstructor
  url: string
  token: string
  capabilities: readonly Capability[]
  timing: Timing
  onFrame(frame: ServerFrame): void
  /** The connection is over, or never came to be; 1006 where no close code came. Called once at most, and nothing after it. */
  onEnd(code: number, reason: string): void
}

const OPEN = 1
const PING = JSON.stringify({ type: 'ping' })

/** What came, if it has all that this client relies on. */
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

/** Connects; throws where the WebSocket does, for a bad URL or a token that can't go into a header. */
export function openLine({ webSocket: Socket, url, token, capabilities, timing, onFrame, onEnd }: LineOptions): Line {
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

  /** A close would wait for an answer, which is just what does not come; browsers have nothing better. */
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
  // Libraries tell why an upgrade was refused, browsers do not.
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
