import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { createCounts, type Counts } from '../../telemetry/counters.ts'
import { CoalescingBuffer } from '../../lib/coalescing-buffer.ts'
import { TurnQueue } from '../../lib/turn-queue.ts'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { closeWith } from './close.ts'
import type { DeflateAgreement } from './deflate-offer.ts'
import { payloadOf } from './frame.ts'
import { OwnDeflate } from './own-deflate.ts'
import { compressedFrame, type SharedMessage } from './shared-deflate.ts'

const NOTHING = Buffer.alloc(0)

/** The last concatenation: members of a group mostly get the same frames. */
let joined: { parts: readonly Buffer[]; bytes: Buffer } | undefined

function join(parts: readonly Buffer[]): Buffer {
  const isSame = joined?.parts.length === parts.length && joined.parts.every((part, index) => part === parts[index])
  if (!isSame) joined = { parts, bytes: Buffer.concat(parts) }
  return (joined as { bytes: Buffer }).bytes
}

/**
 * Writers with frames of this turn of the event loop. The sockets of a long group take several turns, so that others are served in between;
 * few sockets have answers mostly, which go first.
 */
const unflushed = new TurnQueue<SocketWriter>({
  turnMs: 8,
  serve: (writer) => writer.flush(),
  few: 64,
  itemsPerCheck: 32,
  onTurnEnd: () => (joined = undefined),
})

/**
 * Writes frames to a socket: those of one turn of the event loop in one write, at its end. It bounds outbound data, by class: a durable
 * frame beyond the limit closes the socket, whose client resumes; from half the limit on, ephemeral frames are buffered until
 * there is room, and only the latest with each coalescing key is kept.
 */
export class SocketWriter {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #maxBufferedBytes: number
  readonly #counts: Pick<Counts, 'ephemeralDropped' | 'tooSlow'>
  /** Settles when the last compressed message is written; undefined if `ws` does not compress for this socket. */
  #compressed: Promise<void> | undefined
  readonly #ownDeflate: OwnDeflate | undefined
  #pending: Buffer[] | undefined
  #pendingBytes = 0
  /** Ephemeral frames for which there was no room. */
  #latest: CoalescingBuffer<Buffer> | undefined
  /** Set if shared compression was negotiated: messages for many sockets are compressed once for all of them. */
  readonly #deflate: DeflateAgreement | undefined
  /** The last compressed message, with which the client's window ends, and the owner of the bytes before its text. */
  #lastMessage: SharedMessage | undefined
  #lastOwner: string | undefined

  /** `socket` is the underlying one of `ws`. */
  constructor(
    ws: WebSocket,
    socket: Duplex,
    maxBufferedBytes: number,
    counts: Pick<Counts, 'ephemeralDropped' | 'tooSlow'> = createCounts(),
    deflate?: DeflateAgreement,
  ) {
    this.#counts = counts
    this.#deflate = deflate
    this.#ws = ws
    this.#socket = socket
    this.#maxBufferedBytes = maxBufferedBytes
    if (ws.extensions === '') return
    this.#compressed = Promise.resolve()
    this.#ownDeflate = new OwnDeflate(ws)
  }

  /**
   * Writes a whole frame, unless the socket is closing; `rest` are its last bytes if they are in another buffer. `key` is the coalescing
   * key of an ephemeral frame; undefined for a durable one.
   */
  write(frame: Buffer, key?: string, rest?: Buffer): void {
    if (key !== undefined) this.#latest?.drop(key)
    if (!this.#admits(frame, key, rest)) return
    if (this.#compressed) this.#compress(rest ? Buffer.concat([frame, rest]) : frame)
    else this.#enqueue(frame, rest)
  }

  /**
   * Writes a durable frame whose text, or the text of `rest`, other sockets get too: compressed once for all of them, if negotiated.
   * The bytes before `rest` are the same in all frames with the same `owner`.
   */
  writeShared(message: SharedMessage, frame: Buffer, rest?: Buffer, owner?: string): void {
    if (!this.#deflate) return this.write(frame, undefined, rest)
    if (!this.#admits(frame, undefined, rest)) return
    const { windowBits, noContextTakeover } = this.#deflate
    const compressed = compressedFrame(message, rest ? payloadOf(frame) : NOTHING, {
      windowBits,
      last: noContextTakeover ? undefined : this.#lastMessage,
      repeats: owner === this.#lastOwner,
    })
    if (!compressed) return this.#enqueue(frame, rest)
    this.#lastMessage = message
    this.#lastOwner = owner
    this.#enqueue(compressed)
  }

  /** Whether to write a frame now. If not, it was buffered, or the socket is closing. */
  #admits(frame: Buffer, key: string | undefined, rest: Buffer | undefined): boolean {
    if (this.#ws.readyState !== this.#ws.OPEN) return false
    const waiting = this.waiting()
    if (waiting === 0) return true
    const length = frame.length + (rest?.length ?? 0)
    if (key !== undefined && waiting + length > this.#maxBufferedBytes / 2) {
      this.#coalesce(key, rest ? Buffer.concat([frame, rest]) : frame)
      return false
    }
    if (waiting + length <= this.#maxBufferedBytes) return true
    // Bytes of this turn do not show that the client is slow.
    this.flush()
    const unread = this.waiting()
    if (unread === 0 || unread + length <= this.#maxBufferedBytes) return true
    this.#counts.tooSlow++
    closeWith(this.#ws, CLOSE.tooSlow)
    return false
  }

  #enqueue(frame: Buffer, rest?: Buffer): void {
    if (this.#pending) this.#pending.push(frame)
    else {
      this.#pending = [frame]
      unflushed.add(this)
    }
    if (rest) this.#pending.push(rest)
    this.#pendingBytes += frame.length + (rest?.length ?? 0)
  }

  #coalesce(key: string, frame: Buffer): void {
    if (!this.#latest) {
      this.#latest = new CoalescingBuffer(this.#counts)
      void this.#whenReady()
    }
    this.#latest.set(key, frame)
  }

  async #whenReady(): Promise<void> {
    // There may be room already, but not for a frame of this size.
    await (this.ready() ?? this.#drained())
    const latest = this.#latest
    this.#latest = undefined
    for (const [key, frame] of latest?.take() ?? []) this.write(frame, key)
  }

  /** Resolves when there is room for more; undefined if there is now. */
  ready(): Promise<void> | undefined {
    if (this.waiting() < this.#maxBufferedBytes / 4 || this.#socket.destroyed) return undefined
    return this.#drained()
  }

  /** Resolves when everything written so far is sent, or the socket is gone. */
  #drained(): Promise<void> {
    if (this.#compressed) return this.#compressed
    this.flush()
    // Callbacks come in the order of writes.
    return new Promise((resolve) => this.#socket.write(NOTHING, () => resolve()))
  }

  /** Outbound bytes buffered in this process. */
  waiting(): number {
    return this.#compressed ? this.#ws.bufferedAmount : this.#socket.writableLength + this.#pendingBytes
  }

  /** `ws` compresses, one message after the other. */
  #compress(frame: Buffer): void {
    const payload = payloadOf(frame)
    // Its callback is called even if the socket is gone.
    this.#compressed = new Promise((resolve) => (this.#ownDeflate as OwnDeflate).send(payload, resolve))
  }

  /** Flushes, then closes the socket (RFC 6455, section 5.5.1). */
  close(code: number, reason: string): void {
    this.flush()
    this.#ws.close(code, reason)
  }

  /** Writes pending frames to the socket; called at the end of the turn or of a later one, and before a close frame, which nothing may follow. */
  flush(): void {
    const pending = this.#pending
    if (!pending) return
    this.#pending = undefined
    this.#pendingBytes = 0
    if (this.#ws.readyState !== this.#ws.OPEN) return
    this.#socket.write(pending.length === 1 ? (pending[0] as Buffer) : join(pending))
  }
}
