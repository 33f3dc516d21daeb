/** The network between clients and nodes: connections that carry bytes, are slow, and are cut at any byte. */
import { Duplex } from 'node:stream'
import { currentWorld, type Owner } from './world.ts'

/** Who takes connections at an address. */
export interface Listener {
  readonly owner: Owner
  /** How many bytes are on their way, or wait for their reader, before a writer has to wait. */
  readonly windowBytes: number
  /** How often it notices late that a connection is broken. */
  readonly silence: number
  accept(socket: ServerSocket, path: string, headers: Record<string, string>): void
}

/** One direction of a connection. */
class Direction {
  readonly #receiver: Owner
  readonly #deliver: (bytes: Buffer) => void
  readonly #queue: { bytes: Buffer; accepted: () => void; isAccepted: boolean }[] = []
  #arrivesAt = 0
  #isRunning = false
  isPaused = false
  isClosed = false
  /** After how many more bytes the connection breaks. */
  budget = Infinity
  readonly #broken: () => void
  readonly #windowBytes: number
  /** Called when all is delivered that was sent before the end. */
  #ended: (() => void) | undefined

  constructor(receiver: Owner, windowBytes: number, deliver: (bytes: Buffer) => void, broken: () => void) {
    this.#receiver = receiver
    this.#windowBytes = windowBytes
    this.#deliver = deliver
    this.#broken = broken
  }

  send(bytes: Buffer, accepted: () => void): void {
    if (this.isClosed) return accepted()
    this.#queue.push({ bytes, accepted, isAccepted: false })
    this.#accept()
    this.#schedule()
  }

  end(ended: () => void): void {
    this.#ended = ended
    this.#schedule()
  }

  resume(): void {
    this.isPaused = false
    this.#schedule()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const { accepted, isAccepted } of this.#queue.splice(0)) if (!isAccepted) accepted()
  }

  /** What fits into the window has left its writer. */
  #accept(): void {
    let room = this.#windowBytes
    for (const entry of this.#queue) {
      room -= entry.bytes.length
      if (!entry.isAccepted) {
        entry.isAccepted = true
        entry.accepted()
      }
      if (room <= 0) return
    }
  }

  #schedule(): void {
    if (this.#isRunning || this.isPaused || this.isClosed || (this.#queue.length === 0 && !this.#ended)) return
    this.#isRunning = true
    const world = currentWorld()
    const latency = world.chance(0.02) ? world.random() * 200 : 0.05 + world.random() * 3
    this.#arrivesAt = Math.max(this.#arrivesAt, world.now + latency)
    world.after(this.#arrivesAt - world.now, this.#receiver, () => {
      this.#isRunning = false
      if (!this.isPaused && !this.isClosed) this.#arrive()
    })
  }

  /** Some of what was sent, cut anywhere. */
  #arrive(): void {
    const world = currentWorld()
    const first = this.#queue[0]
    if (!first) {
      const ended = this.#ended
      this.#ended = undefined
      return ended?.()
    }
    const whole = first.bytes.length
    let size = world.chance(0.1) ? 1 + world.below(whole) : whole
    const breaks = this.budget <= size
    if (breaks) size = this.budget
    this.budget -= size
    const bytes = first.bytes.subarray(0, size)
    if (size === whole) this.#queue.shift()
    else first.bytes = first.bytes.subarray(size)
    if (size > 0) this.#deliver(bytes)
    if (breaks) return this.#broken()
    this.#accept()
    this.#schedule()
  }
}

/** A node's end of a connection: a stream, as an upgrade has it. */
export class ServerSocket extends Duplex {
  readonly #wire: Wire
  readonly remoteAddress = '127.0.0.1'

  constructor(wire: Wire) {
    super({ allowHalfOpen: true })
    this.#wire = wire
    // A connection that breaks is no failure of the simulation.
    this.on('error', () => undefined)
  }

  override _read(): void {
    // Bytes are pushed as they come.
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: () => void): void {
    this.#wire.toClient.send(Buffer.from(bytes), done)
  }

  override _final(done: () => void): void {
    this.#wire.toClient.end(() => this.#wire.clientEnd())
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wire.toClient.end(() => this.#wire.clientEnd())
    this.#wire.toServer.close()
    done(error)
  }

  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
}

/** The handlers of a client's end. */
export interface ClientEnd {
  bytes(bytes: Buffer): void
  /** The connection is over. */
  end(): void
}

/** A connection of a client to a node. */
export class Wire {
  readonly toServer: Direction
  readonly toClient: Direction
  readonly socket: ServerSocket
  readonly #client: ClientEnd
  readonly #clientOwner: Owner
  readonly #nodeOwner: Owner
  readonly #silence: number
  #isOver = false

  constructor(client: Owner, { owner: node, windowBytes, silence }: Listener, end: ClientEnd) {
    this.#silence = silence
    this.#client = end
    this.#clientOwner = client
    this.#nodeOwner = node
    this.socket = new ServerSocket(this)
    const broken = (): void => this.cut()
    this.toServer = new Direction(node, windowBytes, (bytes) => void (this.socket.destroyed || this.socket.push(bytes)), broken)
    this.toClient = new Direction(client, windowBytes, (bytes) => end.bytes(bytes), broken)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The client has nothing more to say, and takes nothing more. */
  clientEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.toClient.close()
    this.#client.end()
    this.#closeServer(0.05 + currentWorld().random() * 3)
  }

  /** The network breaks: both sides notice, each in its time, and what was on its way is lost. */
  cut(): void {
    if (this.#isOver) return
    this.#isOver = true
    const world = currentWorld()
    this.toClient.close()
    this.toServer.close()
    world.after(world.random() * 5, this.#clientOwner, () => this.#client.end())
    this.#closeServer(world.random() * (world.chance(this.#silence) ? 3000 : 5))
  }

  #closeServer(ms: number): void {
    currentWorld().after(ms, this.#nodeOwner, () => {
      this.toServer.close()
      this.socket.destroy()
    })
  }
}
