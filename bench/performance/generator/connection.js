import { connect } from 'node:net'
import { constants, inflateRawSync } from 'node:zlib'
import { CLOSE, PING, PONG, TEXT, clientFrame } from './frames.js'

/** All sockets are read into the same memory: what was read is looked at before anything else is. */
const READ_BUFFER = Buffer.allocUnsafe(65_536)
const END_OF_HEADERS = Buffer.from('\r\n\r\n')
const ENGINE_IO_PING = '2'.charCodeAt(0)
const PATIENCE_MS = 30_000
/** RSV1: the message is compressed (RFC 7692); its end lacks these bytes. */
const COMPRESSED = 0x40
const WINDOW_BYTES = 32_768
const DEFLATE_TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** Bytes that all connections have read so far. */
export const received = { bytes: 0 }

/**
 * A WebSocket client with as little around the socket as can be: it finds the frames in what comes and hands on where their
 * texts lie, so that it takes less time than the server that is measured.
 */
export class Connection {
  /** Called with each text frame: the memory it lies in, its start and its end. Nothing may be kept. @type {(bytes: Buffer, start: number, end: number) => void} */
  onText = () => undefined
  /** Called once when the connection is lost without `close`. @type {(reason: string) => void} */
  onLost = () => undefined
  #socket
  #isOpen = false
  #isClosed = false
  /** An incomplete frame. */
  #rest
  /** What is to be written when all that was read is handled; undefined while nothing is. */
  #outgoing
  /** What is waited for. */
  #waiting
  /** The end of the compressed messages so far, to which the next may refer. */
  #window

  /** @param {{ port: number, path: string, headers: Record<string, string> }} options */
  constructor({ port, path, headers }) {
    const options = {
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: { buffer: READ_BUFFER, callback: (length, buffer) => this.#read(buffer.subarray(0, length)) },
    }
    // The callback need not return anything.
    this.#socket = connect(/** @type {import('node:net').NetConnectOpts} */ (/** @type {unknown} */ (options)))
    const lines = [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Connection: Upgrade', 'Upgrade: websocket']
    lines.push('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
    lines.push(...Object.entries(headers).map(([name, value]) => `${name}: ${value}`))
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    this.#socket.on('error', (error) => this.#lost(error.message))
    this.#socket.on('close', () => this.#lost('closed'))
  }

  send(text) {
    this.#write(clientFrame(text))
  }

  /** Resolves when a text frame holds these bytes; the empty text: when the upgrade is done. */
  until(text) {
    return new Promise((/** @type {(nothing?: void) => void} */ resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${text || 'an upgrade'} did not come`)), PATIENCE_MS)
      this.#waiting = {
        bytes: Buffer.from(text),
        settle: (error) => {
          clearTimeout(timer)
          this.#waiting = undefined
          if (error) reject(error)
          else resolve()
        },
      }
    })
  }

  /** At once and without a word, so that no port is kept waiting. */
  close() {
    this.#isClosed = true
    this.#socket.resetAndDestroy()
  }

  #lost(reason) {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.destroy()
    this.#waiting?.settle(new Error(`the connection was lost: ${reason}`))
    this.onLost(reason)
  }

  #write(bytes) {
    if (this.#outgoing) this.#outgoing.push(bytes)
    else this.#socket.write(bytes)
  }

  #read(chunk) {
    received.bytes += chunk.length
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#outgoing = []
    const end = this.#isOpen ? this.#readFrames(bytes, 0) : this.#readUpgrade(bytes)
    const outgoing = this.#outgoing
    this.#outgoing = undefined
    this.#rest = end < bytes.length ? Buffer.from(bytes.subarray(end)) : undefined
    if (outgoing.length > 0 && !this.#isClosed) this.#socket.write(outgoing.length === 1 ? outgoing[0] : Buffer.concat(outgoing))
  }

  /** Returns where what is handled ends. */
  #readUpgrade(bytes) {
    const end = bytes.indexOf(END_OF_HEADERS)
    if (end < 0) return 0
    const status = bytes.toString('latin1', 0, bytes.indexOf('\r'))
    if (!status.startsWith('HTTP/1.1 101')) {
      this.#lost(status)
      return bytes.length
    }
    this.#isOpen = true
    if (this.#waiting?.bytes.length === 0) this.#waiting.settle()
    return this.#readFrames(bytes, end + END_OF_HEADERS.length)
  }

  #readFrames(bytes, position) {
    for (;;) {
      const available = bytes.length - position
      if (available < 2) return position
      let length = bytes[position + 1]
      let start = position + 2
      if (length === 126) {
        if (available < 4) return position
        length = bytes.readUInt16BE(start)
        start += 2
      } else if (length === 127) {
        if (available < 10) return position
        length = Number(bytes.readBigUInt64BE(start))
        start += 8
      }
      const end = start + length
      if (end > bytes.length) return position
      const opcode = bytes[position] & 0x0f
      if ((bytes[position] & COMPRESSED) === 0) this.#frame(bytes, opcode, start, end)
      else {
        const message = this.#inflated(bytes.subarray(start, end))
        this.#frame(message, opcode, 0, message.length)
      }
      position = end
    }
  }

  #inflated(payload) {
    const dictionary = this.#window && { dictionary: this.#window }
    const text = inflateRawSync(Buffer.concat([payload, DEFLATE_TAIL]), { finishFlush: constants.Z_SYNC_FLUSH, ...dictionary })
    this.#window = Buffer.concat([this.#window ?? text.subarray(0, 0), text]).subarray(-WINDOW_BYTES)
    return text
  }

  #frame(bytes, opcode, start, end) {
    if (opcode === TEXT) {
      const waiting = this.#waiting
      if (waiting !== undefined) {
        const found = bytes.indexOf(waiting.bytes, start)
        if (found >= 0 && found + waiting.bytes.length <= end) waiting.settle()
      }
      // Engine.IO has pings of its own.
      if (end - start === 1 && bytes[start] === ENGINE_IO_PING) this.send('3')
      else this.onText(bytes, start, end)
    } else if (opcode === PING) this.#write(clientFrame(bytes.subarray(start, end), PONG))
    else if (opcode === CLOSE) this.#lost(`closed with ${end - start >= 2 ? bytes.readUInt16BE(start) : 'no code'}`)
  }
}
