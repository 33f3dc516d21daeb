import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { createCounts, type Counts } from '../../telemetry/counters.ts'
import { CoalescingBuffer } from '../../lib/coalescing-buffer.ts'
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import { closeWith } from './close.ts'
import type { DeflateAgreement } from './deflate-offer.ts'
import { payloadOf } from './frame.ts'
import { compressedFrame, type SharedMessage } from './shared-deflate.ts'

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
 * bounded, by class: a durable frame beyond the limit closes the socket, whose client resumes; from half the limit on a frame
 * that is ephemeral waits until there is room, and only the latest of those with the same key.
 */
export class SocketWriter {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #maxBufferedBytes: number
  readonly #counts: Pick<Counts, 'ephemeralDropped' | 'tooSlow'>
  /** Settles when the last compressed message has left; undefined where the socket does not compress. */
  #compressed: Promise<void> | undefined
  #held: Buffer[] | undefined
  #heldBytes = 0
  /** Ephemeral frames that found no room. */
  #latest: CoalescingBuffer<Buffer> | undefined
  /** Where messages for many sockets are compressed once for all of them. */
  readonly #deflate: DeflateAgreement | undefined
  /** The last compressed message, which the client's window ends with, and whose beginning it had. */
  #lastMessage: SharedMessage | undefined
  #lastOwner: string | undefined

  /** `socket` is the one under `ws`. */
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
    if (ws.extensions !== '') this.#compressed = Promise.resolve()
  }

  /**
   * Writes a whole frame, whose last bytes may be in a buffer of their own, unless the socket is closing. `key` is what an ephemeral frame
   * is coalesced by; undefined for one that is durable.
   */
  write(frame: Buffer, key?: string, rest?: Buffer): void {
    if (key !== undefined) this.#latest?.drop(key)
    if (!this.#admits(frame, key, rest)) return
    if (this.#compressed) this.#compress(rest ? Buffer.concat([frame, rest]) : frame)
    else this.#hold(frame, rest)
  }

  /**
   * Writes a durable frame whose text, or the text of `rest`, other sockets get too: compressed once for all of them where that was agreed.
   * `owner` says whose the bytes before `rest` are: they are the same in all frames with the same owner.
   */
  writeShared(message: SharedMessage, frame: Buffer, rest?: Buffer, owner?: string): void {
    if (!this.#deflate) return this.write(frame, undefined, rest)
    if (!this.#admits(frame, undefined, rest)) return
    const { windowBits, forgets } = this.#deflate
    const compressed = compressedFrame(message, rest ? payloadOf(frame) : NOTHING, {
      windowBits,
      last: forgets ? undefined : this.#lastMessage,
      repeats: owner === this.#lastOwner,
    })
    if (!compressed) return this.#hold(frame, rest)
    this.#lastMessage = message
    this.#lastOwner = owner
    this.#hold(compressed)
  }

  /** Whether a frame is to be written now. One that is not was coalesced, or the socket is closing. */
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
    // What only waits for the end of the turn says nothing of the client.
    this.release()
    const unread = this.waiting()
    if (unread === 0 || unread + length <= this.#maxBufferedBytes) return true
    this.#counts.tooSlow++
    closeWith(this.#ws, CLOSE.tooSlow)
    return false
  }

  #hold(frame: Buffer, rest?: Buffer): void {
    if (this.#held) this.#held.push(frame)
    else {
      this.#held = [frame]
      if (holding.push(this) === 1) setImmediate(flush)
    }
    if (rest) this.#held.push(rest)
    this.#heldBytes += frame.length + (rest?.length ?? 0)
  }

  #coalesce(key: string, frame: Buffer): void {
    if (!this.#latest) {
      this.#latest = new CoalescingBuffer(this.#counts)
      void this.#whenReady()
    }
    this.#latest.set(key, frame)
  }

  async #whenReady(): Promise<void> {
    // Also where there is room for others, but none for a frame as large as this one.
    await (this.ready() ?? this.#drained())
    const latest = this.#latest
    this.#latest = undefined
    for (const [key, frame] of latest?.take() ?? []) this.write(frame, key)
  }

  /** Resolves when there is room for more; undefined where there is now. */
  ready(): Promise<void> | undefined {
    if (this.waiting() < this.#maxBufferedBytes / 4 || this.#socket.destroyed) return undefined
    return this.#drained()
  }

  /** Resolves when all that was written has left, or never will. */
  #drained(): Promise<void> {
    if (this.#compressed) return this.#compressed
    this.release()
    // Its callback comes after those of all before it.
    return new Promise((resolve) => this.#socket.write(NOTHING, () => resolve()))
  }

  /** Outbound bytes that wait, in this process. */
  waiting(): number {
    return this.#compressed ? this.#ws.bufferedAmount : this.#socket.writableLength + this.#heldBytes
  }

  /** Compressing is the library's work, one message after the other. */
  #compress(frame: Buffer): void {
    const payload = payloadOf(frame)
    // Its callback comes also where the socket is gone.
    this.#compressed = new Promise((resolve) => this.#ws.send(payload, { binary: false }, () => resolve()))
  }

  /** Closes the socket after what was written (RFC 6455, section 5.5.1). */
  close(code: number, reason: string): void {
    this.release()
    this.#ws.close(code, reason)
  }

  /** Lets go what it holds; called at the end of the turn, and before a close frame, which nothing may follow. */
  release(): void {
    const held = this.#held
    if (!held) return
    this.#held = undefined
    this.#heldBytes = 0
    if (this.#ws.readyState !== this.#ws.OPEN) return
    this.#socket.write(held.length === 1 ? (held[0] as Buffer) : join(held))
  }
}
