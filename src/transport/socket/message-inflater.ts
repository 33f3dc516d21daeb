import { constants, inflateRawSync, type InflateRaw } from 'node:zlib'
import type { WebSocket } from 'ws'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { closeWith } from './close.ts'
import { DEFLATE_TAIL } from './deflate-offer.ts'

const NOTHING: Buffer = Buffer.alloc(0)
const WINDOW_BYTES = 32_768

/** From so many bytes on the next message of the socket has to wait for the next turn of the event loop. */
const LARGE_BYTES = 4096

type Done = (error: Error | null, bytes?: Buffer) => void

/**
 * Decompresses one message. Throws RangeError where it would be longer than `maxBytes`, which stops it there, and Error where it is not
 * compressed as RFC 7692 says.
 */
function inflateMessage(message: Buffer, maxBytes: number): Buffer {
  const input = Buffer.concat([message, DEFLATE_TAIL])
  let output = NOTHING
  let start = 0
  do {
    const options = {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.max(1, maxBytes - output.length),
      info: true,
      ...(output.length > 0 ? { dictionary: output.subarray(-WINDOW_BYTES) } : {}),
    }
    const { buffer, engine } = inflateRawSync(input.subarray(start), options) as unknown as { buffer: Buffer; engine: InflateRaw }
    if (engine.bytesWritten === 0) break
    start += engine.bytesWritten
    output = output.length === 0 ? buffer : Buffer.concat([output, buffer])
    if (output.length > maxBytes) throw new RangeError(`longer than ${maxBytes} bytes`)
    // A block may say that it is the last one, and others follow it (section 7.2.3.4).
  } while (start < message.length)
  return output
}

/**
 * Decompresses what a client sends, each message by itself: the client has been told not to refer to earlier ones. It stands where `ws` looks for
 * its own implementation, which keeps hundreds of bytes for each socket, and a thread pool's work for each message.
 */
export class MessageInflater {
  readonly #ws: WebSocket
  readonly #maxBytes: number
  /** Of a message whose end has not come yet. */
  #fragments: Buffer[] | undefined

  constructor(ws: WebSocket, maxBytes: number) {
    this.#ws = ws
    this.#maxBytes = maxBytes
  }

  /** What `ws` finds among the extensions of a socket. */
  get ['permessage-deflate'](): this {
    return this
  }

  /** Called by `ws` with each frame of a compressed message. `done` has to be called later, with what there is of the message now. */
  decompress(frame: Buffer, isLast: boolean, done: Done): void {
    if (!isLast) {
      if (frame.length > 0) (this.#fragments ??= []).push(frame)
      return queueMicrotask(() => done(null, NOTHING))
    }
    const message = this.#fragments ? Buffer.concat([...this.#fragments, frame]) : frame
    this.#fragments = undefined
    try {
      const bytes = inflateMessage(message, this.#maxBytes)
      if (bytes.length < LARGE_BYTES) queueMicrotask(() => done(null, bytes))
      else setImmediate(() => done(null, bytes))
    } catch (error) {
      queueMicrotask(() => {
        // Before `ws` closes it, which knows no code for an error that is not its own.
        closeWith(this.#ws, error instanceof RangeError ? CLOSE.tooLarge : CLOSE.notUtf8)
        done(error as Error)
      })
    }
  }
}
