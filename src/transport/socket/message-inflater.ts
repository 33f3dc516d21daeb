import { constants, inflateRawSync, type InflateRaw } from 'node:zlib'
import type { WebSocket } from 'ws'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { closeWith } from './close.ts'
import { DEFLATE_TAIL } from './deflate-offer.ts'
import { joinParts } from './message-parts.ts'

const NOTHING: Buffer = Buffer.alloc(0)
const WINDOW_BYTES = 32_768

/** After a message of this size or more, the socket's next one waits for the next turn of the event loop. */
const LARGE_BYTES = 4096

/** How many final blocks a message may have: what follows one is inflated anew, which takes as long for two bytes as for many. */
const FINAL_BLOCKS = 16

type Done = (error: Error | null, bytes?: Buffer) => void

/**
 * Inflates one message. Throws RangeError as soon as it exceeds `maxBytes`, and Error for what is not valid by RFC 7692.
 */
function inflateMessage(message: Buffer, maxBytes: number): Buffer {
  const input = Buffer.concat([message, DEFLATE_TAIL])
  let output = NOTHING
  let start = 0
  let parts = 0
  do {
    if (++parts > FINAL_BLOCKS) throw new Error(`more than ${FINAL_BLOCKS} final blocks`)
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
    // More blocks may follow one with the BFINAL bit (section 7.2.3.4).
  } while (start < message.length)
  return output
}

/**
 * Inflates a client's messages, each by itself, since `client_no_context_takeover` was negotiated. It replaces the extension object of `ws`,
 * which takes hundreds of bytes for each socket and a job of the thread pool for each message.
 */
export class MessageInflater {
  readonly #ws: WebSocket
  readonly #maxBytes: number
  /** The frames so far of an incomplete message. */
  #fragments: Buffer[] | undefined

  constructor(ws: WebSocket, maxBytes: number) {
    this.#ws = ws
    this.#maxBytes = maxBytes
  }

  /** The receiver of `ws` looks its extension up by this name. */
  get ['permessage-deflate'](): this {
    return this
  }

  /** Called by `ws` with each frame of a compressed message; `done` must be called asynchronously. */
  decompress(frame: Buffer, isLast: boolean, done: Done): void {
    if (!isLast) {
      if (frame.length > 0) {
        this.#fragments ??= []
        this.#fragments.push(frame)
        joinParts(this.#fragments)
      }
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
        // Before `ws` closes it without a code, since the error is not one of its own.
        closeWith(this.#ws, error instanceof RangeError ? CLOSE.tooLarge : CLOSE.notUtf8)
        done(error as Error)
      })
    }
  }
}
