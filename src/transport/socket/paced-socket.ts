import type { Duplex, Writable } from 'node:stream'
import { WebSocket } from 'ws'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { TurnQueue } from '../../lib/turn-queue.ts'
import { closeWith } from './close.ts'
import { MessageInflater } from './message-inflater.ts'
import { joinParts } from './message-parts.ts'
import type { SocketWriter } from './writer.ts'

/** How many bytes are parsed at once: few enough that their frames, however short, are handled within a millisecond. */
const SLICE_BYTES = 1024

/** How long one turn of the event loop parses queued slices, of all sockets together. */
const TURN_MS = 4

/** Each time a socket has had this many more refusals in a row, it is not read for SLOWED_MS. */
const REFUSALS_STEP = 100
const SLOWED_MS = 100
/** After this many in a row it is closed. */
const REFUSALS_LIMIT = 1000
/** How many refusals one accepted request cancels. */
const REFUSALS_FORGIVEN = 10
/** After this long without a refusal, counting starts anew. */
const ROW_MS = 10_000

/** How long a client closed for its refusals may take to read the responses. */
const LINGER_MS = 5000

/** What was read of one frame is joined only where it came in more parts than this: those of a large chunk are slices of it. */
const PARTS_OF_FRAME = 64

type Done = (error?: Error | null) => void

/** The parser of `ws` for a socket's bytes. */
interface Receiver extends Writable {
  _write: (this: Receiver, chunk: Buffer, encoding: BufferEncoding, done: Done) => void
  paced: PacedSocket
  _extensions: object
  /** What was read of an incomplete frame. */
  readonly _buffers: Buffer[]
  /** The frames so far of an incomplete message. */
  readonly _fragments: Buffer[]
}

/** The part of a received chunk that is not parsed yet. */
interface Rest {
  readonly chunk: Buffer
  readonly done: Done
  start: number
  /** True while a slice is being parsed: inflating takes more than one turn. */
  isParsing: boolean
}

/** Sockets that have more to parse and may go on, each with one slice in its turn. */
const waiting = new TurnQueue<PacedSocket>({ turnMs: TURN_MS, serve: (socket) => socket.parseSlice() })

function pacedWrite(this: Receiver, chunk: Buffer, _: BufferEncoding, done: Done): void {
  this.paced.receive(chunk, done)
}

/**
 * A socket that shares the event loop: a large chunk is parsed in slices, in turn with other sockets. Parsing pauses while
 * the writer's buffer is full, and many refusals in a row slow it down.
 */
export class PacedSocket extends WebSocket {
  #socket: Duplex | undefined
  #writer: SocketWriter | undefined
  #receiver: Receiver | undefined
  #parse: Receiver['_write'] | undefined
  #rest: Rest | undefined
  #isQueued = false
  #isSlowed = false
  #resumesWhenClosed = false
  /** How many pings in a row it has not answered. */
  missedPings = 0
  #refusals = 0
  #lastRefusalAt = 0

  /** Call it before anything is read, with the underlying socket and the writer of the responses. */
  pace(socket: Duplex, writer: SocketWriter): void {
    const { _receiver: receiver } = this as unknown as { _receiver: Receiver }
    this.#socket = socket
    this.#writer = writer
    this.#receiver = receiver
    this.#parse = receiver._write
    receiver.paced = this
    receiver._write = pacedWrite
  }

  /** Call it before anything is read, if permessage-deflate was negotiated: the client may compress its messages. */
  inflateUpTo(maxBytes: number): void {
    ;(this as unknown as { _receiver: Receiver })._receiver._extensions = new MessageInflater(this, maxBytes)
  }

  /** Parses the chunk in the socket's turn, then calls `done`, after which the next chunk arrives. */
  receive(chunk: Buffer, done: Done): void {
    const isBlocked = this.#isBlocked()
    if (!isBlocked && chunk.length <= SLICE_BYTES) return this.#parseNow(chunk, done)
    this.#rest = { chunk, done, start: 0, isParsing: false }
    // Not at once: many sockets may be read in one turn of the event loop.
    if (!isBlocked) this.#queueRest()
  }

  /** Parses the next slice, unless the socket has to wait, and queues for the one after it. */
  parseSlice(): void {
    this.#isQueued = false
    const rest = this.#rest
    if (!rest || rest.isParsing || this.#isBlocked()) return
    const { chunk, done, start } = rest
    const slice = chunk.subarray(start, start + SLICE_BYTES)
    rest.start += slice.length
    if (rest.start === chunk.length) {
      this.#rest = undefined
      return this.#parseNow(slice, done)
    }
    rest.isParsing = true
    this.#parseNow(slice, (error) => {
      rest.isParsing = false
      if (!error) return this.#queueRest()
      this.#rest = undefined
      done(error)
    })
  }

  #parseNow(chunk: Buffer, done: Done): void {
    const receiver = this.#receiver as Receiver
    ;(this.#parse as Receiver['_write']).call(receiver, chunk, 'buffer' as BufferEncoding, done)
    joinParts(receiver._fragments)
    if (receiver._buffers.length > PARTS_OF_FRAME) joinParts(receiver._buffers)
  }

  #queueRest(): void {
    if (!this.#rest || this.#isQueued) return
    this.#isQueued = true
    waiting.add(this)
  }

  /** Whether parsing has to wait; if so, it is queued again when the reason is gone. */
  #isBlocked(): boolean {
    // What is left includes the client's close frame.
    if (this.readyState !== this.OPEN) return false
    if (!this.isPaused && !this.#isSlowed) {
      const ready = (this.#writer as SocketWriter).ready()
      if (!ready) return false
      void ready.then(() => this.#queueRest())
    }
    this.#resumeWhenClosed()
    return true
  }

  /** A socket that ends meanwhile is parsed to the end: `ws` emits `close` only then. */
  #resumeWhenClosed(): void {
    if (this.#resumesWhenClosed) return
    this.#resumesWhenClosed = true
    ;(this.#socket as Duplex).once('close', () => this.#queueRest())
  }

  /** Notes that a request was executed. */
  accepted(): void {
    if (this.#refusals > 0) this.#refusals = Math.max(0, this.#refusals - REFUSALS_FORGIVEN)
  }

  /** Notes that a request was refused without being executed; returns true if the socket is to be closed. */
  refused(): boolean {
    const now = performance.now()
    if (now - this.#lastRefusalAt > ROW_MS) this.#refusals = 0
    this.#lastRefusalAt = now
    this.#refusals++
    if (this.#refusals >= REFUSALS_LIMIT) return true
    if (this.#refusals % REFUSALS_STEP === 0 && !this.#isSlowed) {
      this.#isSlowed = true
      setTimeout(() => {
        this.#isSlowed = false
        this.#queueRest()
      }, SLOWED_MS).unref()
    }
    return false
  }

  /** Closes the socket for too many refusals, after their responses were written. */
  giveUp(): void {
    closeWith(this, CLOSE.tooManyRefusals)
    setTimeout(() => this.terminate(), LINGER_MS).unref()
  }

  override resume(): void {
    super.resume()
    this.#queueRest()
  }

  /** Flushes the writer first, whichever side closes: nothing may follow a close frame (RFC 6455, section 5.5.1). */
  override close(code?: number, data?: string | Buffer): void {
    this.#writer?.flush()
    super.close(code, data)
    this.#queueRest()
  }
}
