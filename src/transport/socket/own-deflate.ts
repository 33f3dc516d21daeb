import type { WebSocket } from 'ws'

/**
 * How many bytes `ws` compresses at the same time, or has queued to compress, of all sockets together: some 20 ms of two threads. It has one queue
 * for all: short messages would wait there for the long ones of others.
 */
const LIMIT_BYTES = 512 * 1024
/** The overhead of one compression beside its text, in bytes that take as long. */
const COMPRESSION_BYTES = 512

let inProgress = 0

interface Deflate {
  compress(payload: Buffer, fin: boolean, done: (error: Error | null, bytes: Buffer) => void): void
}

/** The messages of one socket that `ws` compresses, one after the other, each for this socket alone. */
export class OwnDeflate {
  readonly #ws: WebSocket
  /** What those count that are not compressed yet. */
  readonly #waiting = new Map<Buffer, number>()

  constructor(ws: WebSocket) {
    this.#ws = ws
    const { _extensions } = ws as unknown as { _extensions: Record<'permessage-deflate', Deflate> }
    const deflate = _extensions['permessage-deflate']
    const compress = deflate.compress.bind(deflate)
    deflate.compress = (payload, fin, done) =>
      compress(payload, fin, (error, bytes) => {
        // Not only when it is sent: a client that does not read must not keep others' messages from being compressed.
        this.#release(payload)
        done(error, bytes)
      })
  }

  /** Sends a message, uncompressed where too much is being compressed; `sent` is called even if the socket is gone. */
  send(payload: Buffer, sent: () => void): void {
    const bytes = payload.length + COMPRESSION_BYTES
    const compress = inProgress === 0 || inProgress + bytes <= LIMIT_BYTES
    if (compress) {
      inProgress += bytes
      this.#waiting.set(payload, bytes)
    }
    this.#ws.send(payload, { binary: false, compress }, () => {
      this.#release(payload)
      sent()
    })
  }

  #release(payload: Buffer): void {
    inProgress -= this.#waiting.get(payload) ?? 0
    this.#waiting.delete(payload)
  }
}
