import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** Close code of a client that is too slow for its durable events (PROTOCOL.md, section 1). */
const TOO_SLOW = 4508

const NOTHING = Buffer.alloc(0)

/** Writers that hold what this turn of the event loop wrote. */
let holding: SocketWriter[] = []

function flush(): void {
  const writers = holding
  holding = []
  for (const writer of writers) writer.release()
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
  #isHolding = false

  /** `socket` is the one under `ws`, which must not compress. */
  constructor(ws: WebSocket, socket: Duplex, maxBufferedBytes: number) {
    this.#ws = ws
    this.#socket = socket
    this.#maxBufferedBytes = maxBufferedBytes
  }

  /** Writes a whole frame, unless the socket is closing. */
  write(frame: Buffer, isDurable: boolean): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return
    const waiting = this.#socket.writableLength
    if (waiting > 0) {
      if (!isDurable && waiting + frame.length > this.#maxBufferedBytes / 2) return
      if (waiting + frame.length > this.#maxBufferedBytes) {
        this.#ws.close(TOO_SLOW, 'too slow: come back with resume')
        return
      }
    }
    if (!this.#isHolding) {
      this.#isHolding = true
      this.#socket.cork()
      if (holding.push(this) === 1) setImmediate(flush)
    }
    this.#socket.write(frame)
  }

  /** Resolves when there is room for more; undefined where there is now. */
  ready(): Promise<void> | undefined {
    const socket = this.#socket
    if (socket.writableLength < this.#maxBufferedBytes / 4 || socket.destroyed) return undefined
    // Its callback comes when all before it has left, or never will.
    return new Promise((resolve) => socket.write(NOTHING, () => resolve()))
  }

  /** Lets go what it holds; called at the end of the turn. */
  release(): void {
    this.#isHolding = false
    this.#socket.uncork()
  }
}
