import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** Close code of a client that is too slow for its durable events (PROTOCOL.md, section 1). */
const TOO_SLOW = 4508

const NOTHING = Buffer.alloc(0)

/** Writers that hold what this turn of the event loop wrote. */
let holding: SocketWriter[] = []

/** What was joined last: members of a group are mostly written the same frames. */
let joined: { parts: readonly Buffer[]; bytes: Buffer } | undefined

function join(parts: readonly Buffer[]): Buffer {
  const isSame = joined?.parts.length === parts.length && joined.parts.every((part, index) => part === parts[index])
  if (!isSame) joined = { parts, bytes: Buffer.concat(parts) }
  return (joined as { bytes: Buffer }).bytes
}

function flush(): void {
  const writers = holding
  holding = []
  for (const writer of writers) writer.release()
  joined = undefined
}

/**
 * Writes frames to a socket: what one turn of the event loop brings goes out in one write. It is where outbound data is
 * bounded, by class: a durable frame beyond the limit closes the socket, whose client resumes; a frame that is not kept
 * is left out from half the limit on.
 */
export class SocketWriter {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #maxBufferedBytes: number
  #held: Buffer[] | undefined
  #heldBytes = 0

  /** `socket` is the one under `ws`, which must not compress. */
  constructor(ws: WebSocket, socket: Duplex, maxBufferedBytes: number) {
    this.#ws = ws
    this.#socket = socket
    this.#maxBufferedBytes = maxBufferedBytes
    // Nothing may follow a close frame, whoever sends it (RFC 6455, section 5.5.1).
    const close = ws.close.bind(ws)
    ws.close = (...args) => {
      this.release()
      close(...args)
    }
  }

  /** Writes a whole frame, whose last bytes may be in a buffer of their own, unless the socket is closing. */
  write(frame: Buffer, isDurable: boolean, rest?: Buffer): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return
    const length = frame.length + (rest?.length ?? 0)
    const waiting = this.#socket.writableLength + this.#heldBytes
    if (waiting > 0) {
      if (!isDurable && waiting + length > this.#maxBufferedBytes / 2) return
      if (waiting + length > this.#maxBufferedBytes) {
        this.#ws.close(TOO_SLOW, 'too slow: come back with resume')
        return
      }
    }
    if (!this.#held) {
      this.#held = []
      if (holding.push(this) === 1) setImmediate(flush)
    }
    this.#held.push(frame)
    if (rest) this.#held.push(rest)
    this.#heldBytes += length
  }

  /** Resolves when there is room for more; undefined where there is now. */
  ready(): Promise<void> | undefined {
    const socket = this.#socket
    if (socket.writableLength + this.#heldBytes < this.#maxBufferedBytes / 4 || socket.destroyed) return undefined
    this.release()
    // Its callback comes when all before it has left, or never will.
    return new Promise((resolve) => socket.write(NOTHING, () => resolve()))
  }

  /** Lets go what it holds; called at the end of the turn. */
  release(): void {
    const held = this.#held
    if (!held) return
    this.#held = undefined
    this.#heldBytes = 0
    if (this.#ws.readyState !== this.#ws.OPEN) return
    this.#socket.write(held.length === 1 ? (held[0] as Buffer) : join(held))
  }
}
