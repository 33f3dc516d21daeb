/** A client's WebSocket over the simulated network: as browsers have it, for the clients of the package and of graphql-ws. */
import { Wire, type ClientEnd, type Listener } from './sockets.ts'
import { currentWorld, type Owner } from './world.ts'

/** How a client reaches nodes, and what is recorded of its connections. */
export interface Network {
  readonly owner: Owner
  /** The node that a new connection goes to; undefined where none answers. */
  target(): Listener | undefined
  connecting(socket: SimSocket): void
  /** Each text that came. */
  received(socket: SimSocket, text: string): void
  /** Each text that is sent. */
  sent?(socket: SimSocket, text: string): void
  closed(socket: SimSocket, code: number): void
}

type Handler = (event: never) => void

const CLOSE = 8
const PING = 9
const PONG = 10

/** RFC 6455, section 5.2, with a mask that changes nothing. */
function encodeFrame(opcode: number, payload: Buffer): Buffer {
  const length = payload.length
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff])
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

/** A frame at the beginning of bytes, and how long it is; undefined where it is not whole. */
function decodeFrame(bytes: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (bytes.length < 2) return undefined
  let length = (bytes[1] as number) & 0x7f
  let start = 2
  if (length === 126) {
    if (bytes.length < 4) return undefined
    length = bytes.readUInt16BE(2)
    start = 4
  } else if (length === 127) {
    if (bytes.length < 10) return undefined
    length = Number(bytes.readBigUInt64BE(2))
    start = 10
  }
  if (bytes.length < start + length) return undefined
  return { opcode: (bytes[0] as number) & 0x0f, payload: bytes.subarray(start, start + length), size: start + length }
}

let lastSerial = 0

export class SimSocket implements ClientEnd {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readonly network: Network
  /** Tells the sockets of a client apart. */
  readonly serial: number
  readonly #handlers = new Map<string, Handler[]>()
  readonly #wire: Wire | undefined
  /** Which node it goes to. */
  readonly node: string
  #bytes: Buffer = Buffer.alloc(0)
  #isUpgraded = false
  #code = 1006
  #reason = ''
  readyState: 0 | 1 | 2 | 3 = 0
  protocol = ''
  onopen: Handler | null = null
  onmessage: Handler | null = null
  onclose: Handler | null = null
  onerror: Handler | null = null

  constructor(network: Network, url: string, protocols: string | readonly string[], headers: Record<string, string> = {}) {
    this.network = network
    this.serial = ++lastSerial
    const listener = network.target()
    this.node = listener?.owner.name ?? 'nobody'
    const world = currentWorld()
    if (!listener) {
      world.after(1 + world.random() * 20, network.owner, () => this.#over())
      return
    }
    this.#wire = new Wire(network.owner, listener, this)
    network.connecting(this)
    const offered = typeof protocols === 'string' ? [protocols] : protocols
    const request = {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      ...(offered.length > 0 ? { 'sec-websocket-protocol': offered.join(', ') } : {}),
      ...headers,
    }
    const { socket } = this.#wire
    world.after(0.1 + world.random() * 5, listener.owner, () => listener.accept(socket, new URL(url).pathname, request))
  }

  /** As a test or a fault sees it. */
  get wire(): Wire | undefined {
    return this.#wire
  }

  addEventListener(type: string, handler: Handler): void {
    this.#handlers.set(type, [...(this.#handlers.get(type) ?? []), handler])
  }

  send(text: string): void {
    if (this.readyState !== 1) return
    this.network.sent?.(this, text)
    this.#wire?.toServer.send(encodeFrame(1, Buffer.from(text)), () => undefined)
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState >= 2) return
    if (this.readyState === 0) return this.terminate()
    this.readyState = 2
    const payload = Buffer.alloc(code === 1005 ? 0 : 2 + Buffer.byteLength(reason))
    if (code !== 1005) {
      payload.writeUInt16BE(code)
      payload.write(reason, 2)
    }
    this.#wire?.toServer.send(encodeFrame(CLOSE, payload), () => undefined)
  }

  terminate(): void {
    this.#wire?.cut()
    this.#over()
  }

  bytes(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    if (!this.#isUpgraded && !this.#upgrade()) return
    for (let frame = decodeFrame(this.#bytes); frame && this.readyState !== 3; frame = decodeFrame(this.#bytes)) {
      this.#bytes = this.#bytes.subarray(frame.size)
      this.#take(frame.opcode, frame.payload)
    }
  }

  #upgrade(): boolean {
    const end = this.#bytes.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#bytes.toString('latin1', 0, end)
    this.#bytes = this.#bytes.subarray(end + 4)
    const status = head.slice(9, 12)
    if (status !== '101') {
      this.#emit('error', { message: `Unexpected server response: ${status}` })
      this.terminate()
      return false
    }
    this.#isUpgraded = true
    this.protocol = /^sec-websocket-protocol: (.*)$/im.exec(head)?.[1] ?? ''
    this.readyState = 1
    this.#emit('open', {})
    return true
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === 1) {
      // One that is closing itself takes nothing more.
      if (this.readyState !== 1) return
      const text = payload.toString()
      this.network.received(this, text)
      this.#emit('message', { data: text })
    } else if (opcode === PING) this.#wire?.toServer.send(encodeFrame(PONG, payload), () => undefined)
    else if (opcode === CLOSE) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
      this.#reason = payload.toString('utf8', 2)
      if (this.readyState === 1) {
        this.readyState = 2
        this.#wire?.toServer.send(encodeFrame(CLOSE, payload), () => undefined)
      }
    }
  }

  end(): void {
    this.#over()
  }

  #over(): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.network.closed(this, this.#code)
    if (!this.#isUpgraded) this.#emit('error', { message: '' })
    this.#emit('close', { code: this.#code, reason: this.#reason, wasClean: this.#code !== 1006 })
  }

  #emit(type: 'open' | 'message' | 'close' | 'error', event: object): void {
    const own = this[`on${type}`]
    own?.call(this, event as never)
    for (const handler of this.#handlers.get(type) ?? []) handler(event as never)
  }
}
