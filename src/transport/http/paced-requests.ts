import type { RequestListener, Server } from 'node:http'
import { Socket } from 'node:net'
import { TurnQueue } from '../../lib/turn-queue.ts'

/** How many bytes are parsed at once: few enough that their requests or chunks, however small, take less than a millisecond. */
const SLICE_BYTES = 1024

/** How long one turn of the event loop parses and starts requests, of all connections together. */
const TURN_MS = 4

/** What a turn reads of so few connections goes before all that waits. */
const FEW = 16

/** How many requests of one connection may be queued before no more are parsed. */
const WAITING_LIMIT = 16

/** How many bytes of all connections that can't go on are held: beyond it the one that has stood still the longest is cut. */
const HELD_BYTES = 16 * 1_048_576

/** Methods of a socket that are replaced as long as it is paced. */
const INHERITED = ['pause', 'resume'] as const

type Arguments = Parameters<RequestListener>

/** Connections that have something to parse or to start. */
const turns = new TurnQueue<PacedRequests>({ turnMs: TURN_MS, few: FEW, serve: (connection) => connection.serve() })

const connections = new WeakMap<Socket, PacedRequests>()

/** Connections with bytes that must wait for an answer, or for the reader of a body, and how many; the first to stand still comes first. */
const standing = new Map<PacedRequests, number>()
let heldBytes = 0

function hold(connection: PacedRequests, bytes: number): void {
  heldBytes += bytes - (standing.get(connection) ?? 0)
  if (bytes > 0) standing.set(connection, bytes)
  else standing.delete(connection)
  if (heldBytes <= HELD_BYTES) return
  const [first] = standing.keys()
  first?.cut()
}

/**
 * Has the server's connections share the event loop, and handles the requests of each one after the other (RFC 9112, section 9.3.2).
 * Node would parse all that it has read of all connections in one turn, and start all those requests at once.
 */
export function paceRequests(server: Server, listener: RequestListener, { isTls = false } = {}): void {
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, new PacedRequests(socket, listener))
  })
  server.on('request', (request, response) => connections.get(request.socket)?.add([request, response]))
}

/**
 * Ends the pacing of a connection that is no longer HTTP; returns what was read and not parsed, with `head`, which came before that. Undefined
 * where a request before is not answered yet: its answer would come among the frames.
 */
export function takeOver(socket: Socket, head: Buffer): Buffer | undefined {
  const connection = connections.get(socket)
  if (connection?.isAnswering) return undefined
  return Buffer.concat([head, ...(connection?.release() ?? [])])
}

/** The requests of one connection. */
class PacedRequests {
  readonly #socket: Socket
  readonly #listener: RequestListener
  /** Node's own parser. */
  readonly #parse: (chunk: Buffer) => void
  /** What was read and not parsed; the socket is paused as long as there is something. */
  #unparsed: Buffer[] = []
  /** Parsed requests that wait for the one in progress. */
  readonly #waiting: Arguments[] = []
  #isBusy = false
  /** Whether Node has paused the socket, since nobody reads a request's body. */
  #isHeld = false
  #isQueued = false

  /** Call it after Node has attached its parser. */
  constructor(socket: Socket, listener: RequestListener) {
    this.#socket = socket
    this.#listener = listener
    const [parse] = socket.listeners('data') as ((chunk: Buffer) => void)[]
    this.#parse = parse as (chunk: Buffer) => void
    socket.off('data', this.#parse)
    socket.pause = () => {
      this.#isHeld = true
      return Socket.prototype.pause.call(socket)
    }
    socket.resume = () => {
      this.#isHeld = false
      if (this.#unparsed.length === 0) return Socket.prototype.resume.call(socket)
      this.#queue()
      return socket
    }
    socket.on('close', this.#onClose)
    // With such a listener Node no longer parses what it reads by itself.
    socket.on('data', this.#onData)
  }

  /** Whether a request is in progress, or waits for one. */
  get isAnswering(): boolean {
    return this.#isBusy || this.#waiting.length > 0
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#unparsed.push(chunk)
    Socket.prototype.pause.call(this.#socket)
    this.#queue()
  }

  readonly #onClose = (): void => hold(this, 0)

  add(request: Arguments): void {
    if (this.#socket.destroyed) return
    if (this.#isBusy || this.#waiting.length > 0) this.#waiting.push(request)
    else this.#start(request)
  }

  /** Starts a request or parses a slice, and queues for the next one. */
  serve(): void {
    this.#isQueued = false
    if (this.#socket.destroyed) return
    const next = this.#isBusy ? undefined : this.#waiting.shift()
    if (next) this.#start(next)
    else if (this.#mayParse()) this.#parseSlice()
    this.#queue()
  }

  #start([request, response]: Arguments): void {
    this.#isBusy = true
    response.once('close', () => {
      this.#isBusy = false
      this.#queue()
    })
    this.#listener(request, response)
  }

  #mayParse(): boolean {
    return this.#unparsed.length > 0 && !this.#isHeld && this.#waiting.length < WAITING_LIMIT
  }

  #parseSlice(): void {
    const [chunk] = this.#unparsed as [Buffer]
    if (chunk.length > SLICE_BYTES) this.#unparsed[0] = chunk.subarray(SLICE_BYTES)
    else this.#unparsed.shift()
    this.#parse(chunk.subarray(0, SLICE_BYTES))
    if (this.#unparsed.length === 0 && !this.#isHeld) Socket.prototype.resume.call(this.#socket)
  }

  #queue(): void {
    if (this.#isQueued || this.#socket.destroyed) return
    this.#isQueued = this.#mayParse() || (!this.#isBusy && this.#waiting.length > 0)
    if (this.#isQueued) turns.add(this)
    hold(this, this.#isQueued ? 0 : this.#unparsed.reduce((sum, { length }) => sum + length, 0))
  }

  cut(): void {
    hold(this, 0)
    this.#socket.destroy()
  }

  release(): Buffer[] {
    // The prototype's own. Deleting ours would make each socket a slow object.
    Object.assign(this.#socket, Object.fromEntries(INHERITED.map((name) => [name, Socket.prototype[name]])))
    this.#socket.off('data', this.#onData)
    // What it would keep for as long as the connection lasts is larger than an idle WebSocket should be.
    this.#socket.off('close', this.#onClose)
    connections.delete(this.#socket)
    // It may be called while the last slice is parsed: who takes over decides when to read on.
    this.#isHeld = true
    hold(this, 0)
    return this.#unparsed.splice(0)
  }
}
