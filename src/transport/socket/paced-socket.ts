import type { Duplex, Writable } from 'node:stream'
import { WebSocket } from 'ws'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { TurnQueue } from '../../lib/turn-queue.ts'
import { closeWith } from './close.ts'
import { MessageInflater } from './message-inflater.ts'
import type { SocketWriter } from './writer.ts'

/** How much of what came is parsed at once: small enough that its frames, however short, are handled within a millisecond. */
const SLICE_BYTES = 1024

/** How long one turn of the event loop parses what is longer than a slice, of all sockets together. */
const TURN_MS = 4

/** After so many refusals in a row a socket is not read for a moment, each time again. */
const REFUSALS_STEP = 100
const SLOWED_MS = 100
/** And after so many it is closed. */
const REFUSALS_LIMIT = 1000
/** How many refusals one accepted request makes up for. */
const REFUSALS_FORGIVEN = 10
/** Refusals further apart are not in a row. */
const ROW_MS = 10_000

/** How long a client that is closed for its refusals may take to read the rest. */
const LINGER_MS = 5000

type Done = (error?: Error | null) => void

/** What `ws` parses a socket's bytes with. */
interface Receiver extends Writable {
  _write(chunk: Buffer, encoding: BufferEncoding, done: Done): void
  paced: PacedSocket
  _extensions: object
}

/** What is left to parse of bytes that came together. */
interface Rest {
  readonly chunk: Buffer
  readonly done: Done
  start: number
  /** Decompressing takes more than one turn. */
  isParsing: boolean
}

/** Sockets that have more to parse and may go on, each with one slice in its turn. */
const waiting = new TurnQueue<PacedSocket>(TURN_MS, (socket) => socket.parseSlice())

function pacedWrite(this: Receiver, chunk: Buffer, _: BufferEncoding, done: Done): void {
  this.paced.take(chunk, done)
}

/**
 * A socket that shares the event loop: what came in one piece is parsed in slices, in turn with other sockets. It is read only
 * as far as its answers go out, and many refusals in a row slow it down.
 */
export class PacedSocket extends WebSocket {
  #socket: Duplex | undefined
  #writer: SocketWriter | undefined
  #receiver: Receiver | undefined
  #parse: Receiver['_write'] | undefined
  #rest: Rest | undefined
  #isQueued = false
  #isSlowed = false
  #goesOnWhenClosed = false
  /** How many pings in a row it has not answered. */
  missedPings = 0
  #refusals = 0
  #lastRefusalAt = 0

  /** To be called with the socket below and the writer of its answers, before anything is read. */
  pace(socket: Duplex, writer: SocketWriter): void {
    const { _receiver: receiver } = this as unknown as { _receiver: Receiver }
    this.#socket = socket
    this.#writer = writer
    this.#receiver = receiver
    this.#parse = receiver._write
    receiver.paced = this
    receiver._write = pacedWrite
  }

  /** To be called where the client was told that it may compress its messages, before anything is read. */
  inflateUpTo(maxBytes: number): void {
    ;(this as unknown as { _receiver: Receiver })._receiver._extensions = new MessageInflater(this, maxBytes)
  }

  /** Parses the chunk as soon as the socket's turn comes, and then calls `done`; the next chunk comes after that. */
  take(chunk: Buffer, done: Done): void {
    const waits = this.#waits()
    if (!waits && chunk.length <= SLICE_BYTES) return this.#parseNow(chunk, done)
    this.#rest = { chunk, done, start: 0, isParsing: false }
    if (waits) return
    this.parseSlice()
  }

  /** Parses the next slice, unless the socket has to wait, and queues for the one after it. */
  parseSlice(): void {
    this.#isQueued = false
    const rest = this.#rest
    if (!rest || rest.isParsing || this.#waits()) return
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
      if (!error) return this.#goOn()
      this.#rest = undefined
      done(error)
    })
  }

  #parseNow(chunk: Buffer, done: Done): void {
    ;(this.#parse as Receiver['_write']).call(this.#receiver as Receiver, chunk, 'buffer' as BufferEncoding, done)
  }

  #goOn(): void {
    if (!this.#rest || this.#isQueued) return
    this.#isQueued = true
    waiting.add(this)
  }

  /** Whether the socket is not to be parsed now; it goes on by itself when it may. */
  #waits(): boolean {
    // The rest holds the client's close frame.
    if (this.readyState !== this.OPEN) return false
    if (!this.isPaused && !this.#isSlowed) {
      const ready = (this.#writer as SocketWriter).ready()
      if (!ready) return false
      void ready.then(() => this.#goOn())
    }
    this.#goOnWhenClosed()
    return true
  }

  /** A socket that ends while it waits is parsed to the end: `ws` says that it closed only after that. */
  #goOnWhenClosed(): void {
    if (this.#goesOnWhenClosed) return
    this.#goesOnWhenClosed = true
    ;(this.#socket as Duplex).once('close', () => this.#goOn())
  }

  /** Notes that a request was executed. */
  accepted(): void {
    if (this.#refusals > 0) this.#refusals = Math.max(0, this.#refusals - REFUSALS_FORGIVEN)
  }

  /** Notes that a request was refused without being executed; returns true where the socket has to be given up. */
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
        this.#goOn()
      }, SLOWED_MS).unref()
    }
    return false
  }

  /** Closes a socket of too many refusals, whose answers were written. */
  giveUp(): void {
    closeWith(this, CLOSE.tooManyRefusals)
    setTimeout(() => this.terminate(), LINGER_MS).unref()
  }

  override resume(): void {
    super.resume()
    this.#goOn()
  }

  /** Closes it after what its writer holds, whichever side closes (RFC 6455, section 5.5.1). */
  override close(code?: number, data?: string | Buffer): void {
    this.#writer?.release()
    super.close(code, data)
    this.#goOn()
  }
}
