import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { Inbox } from './inbox.ts'

/** Opcodes of RFC 6455, section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface RawFrame {
  opcode: number
  /** RSV1, which is set where the payload is compressed. */
  isCompressed: boolean
  payload: Buffer
}

/** A WebSocket by hand: it sends any bytes, and answers nothing by itself. */
export interface RawSocket {
  socket: Socket
  /** Frames of the server, in order; over when the connection is. */
  inbox: Inbox<RawFrame>
  /** Resolves when the connection is over. */
  ended: Promise<void>
  /** The head of the answer to the upgrade. */
  head: string
  /** Waits for the close frame and returns its code. */
  closeCode(): Promise<number>
}

/** A masked client frame, complete by default or a fragment that is not the last of its message, and with RSV1 where told. */
export function clientFrame(opcode: number, payload: string | Buffer, { fin = true, rsv1 = false } = {}): Buffer {
  const data = Buffer.from(payload)
  const header = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode]
  if (data.length < 126) header.push(0x80 | data.length)
  else if (data.length < 65_536) header.push(0x80 | 126, data.length >> 8, data.length & 0xff)
  else
    header.push(
      0x80 | 127,
      0,
      0,
      0,
      0,
      data.length >>> 24,
      (data.length >> 16) & 0xff,
      (data.length >> 8) & 0xff,
      data.length & 0xff,
    )
  const mask = randomBytes(4)
  return Buffer.concat([Buffer.from(header), mask, data.map((byte, index) => byte ^ (mask[index % 4] as number))])
}

/** Sends a request and resolves with the head of the response and what arrived after it. */
async function sendHead(socket: Socket, lines: readonly string[]): Promise<{ head: string; rest: Buffer }> {
  let received = Buffer.alloc(0)
  const head = new Promise<{ head: string; rest: Buffer }>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      socket.off('data', onData)
      resolve({ head: received.subarray(0, end).toString(), rest: received.subarray(end + 4) })
    }
    socket.on('data', onData)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(received.toString())}`)))
  })
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return await head
}

/** Upgrades a connection of its own to a WebSocket; rejects where that is refused. */
export async function openRawSocket(port: number, path: string, headers: Record<string, string> = {}): Promise<RawSocket> {
  const socket = connect(port, '127.0.0.1')
  const { head, rest } = await sendHead(socket, [
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ])
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head)
  const inbox = new Inbox<RawFrame>()
  let received = rest
  const read = (): void => {
    for (;;) {
      const short = (received[1] ?? 0) & 0x7f
      const start = short < 126 ? 2 : short === 126 ? 4 : 10
      if (received.length < start) return
      const length = start === 2 ? short : start === 4 ? received.readUInt16BE(2) : Number(received.readBigUInt64BE(2))
      if (received.length < start + length) return
      const [first] = received as unknown as [number]
      inbox.push({ opcode: first & 0x0f, isCompressed: (first & 0x40) !== 0, payload: received.subarray(start, start + length) })
      received = received.subarray(start + length)
    }
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    read()
  })
  // A reset is one of the ways in which it may end.
  socket.on('error', () => undefined)
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      inbox.end('the connection is over')
      resolve()
    })
  })
  read()
  return {
    socket,
    inbox,
    ended,
    head,
    closeCode: async () => (await inbox.next(({ opcode }) => opcode === OPCODE.close)).payload.readUInt16BE(0),
  }
}
