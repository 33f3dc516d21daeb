import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { joinParts } from '../../src/transport/socket/message-parts.ts'
import { PacedSocket } from '../../src/transport/socket/paced-socket.ts'
import { SocketWriter } from '../../src/transport/socket/writer.ts'
import { clientFrame, OPCODE, openRawSocket } from '../support/raw-socket.ts'

/** What the parts keep in memory. */
const heldBytes = (parts: readonly Buffer[]): number => {
  const memory = new Set(parts.map(({ buffer }) => buffer))
  return [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

test('parts of any size stay few, in order, and keep nothing of what was read with them', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 40 }), { maxLength: 40 }), (reads) => {
      const parts: Buffer[] = []
      const all: Buffer[] = []
      for (const sizes of reads) {
        for (const size of sizes) {
          const read = Buffer.alloc(8192, all.length)
          // Some by themselves, as where a read brought nothing else.
          parts.push(size % 2 ? read.subarray(100, 100 + size) : Buffer.from(read.buffer.slice(0, size)))
          all.push(read.subarray(0, size))
        }
        joinParts(parts)
        const bytes = Buffer.concat(all)
        expect(Buffer.concat(parts).equals(bytes)).toBe(true)
        expect(parts.length).toBeLessThanOrEqual(Math.log2(bytes.length + 1) + 1)
        expect(heldBytes(parts)).toBe(bytes.length)
      }
    }),
  )
})

test('what is joined already is copied only as often as its size has doubled', () => {
  const parts: Buffer[] = []
  let copied = 0
  for (let count = 0; count < 4096; count++) {
    parts.push(Buffer.alloc(2).subarray(1))
    const before = new Set(parts)
    joinParts(parts)
    const last = parts.at(-1) as Buffer
    if (!before.has(last)) copied += last.length
  }
  expect(copied).toBeLessThanOrEqual(4096 * 13)
})

let server: WebSocketServer
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 65_536, WebSocket: PacedSocket })
  await once(server, 'listening')
})
afterAll(() => {
  for (const ws of server.clients) ws.terminate()
  server.close()
})

/** A client's socket, and the server's side of it. */
async function connect() {
  const connected = new Promise<{ ws: PacedSocket; parsed: { _fragments: Buffer[]; _buffers: Buffer[] } }>((resolve) => {
    server.once('connection', (socket: WebSocket, { socket: inner }) => {
      const ws = socket as PacedSocket
      ws.pace(inner, new SocketWriter(ws, inner, 1_048_576))
      resolve({ ws, parsed: (ws as unknown as { _receiver: { _fragments: Buffer[]; _buffers: Buffer[] } })._receiver })
    })
  })
  const raw = await openRawSocket((server.address() as AddressInfo).port, '/')
  return { raw, ...(await connected) }
}

test('a message whose frames come among others keeps no more of them than its own bytes', async () => {
  const { raw, ws, parsed } = await connect()
  const pongs = Buffer.concat(Array.from({ length: 250 }, () => clientFrame(OPCODE.pong, 'x'.repeat(125))))
  raw.socket.write(clientFrame(OPCODE.text, 'a', { fin: false }))
  for (let count = 0; count < 100; count++) {
    raw.socket.write(clientFrame(OPCODE.continuation, 'b', { fin: false }))
    raw.socket.write(pongs)
  }
  const ponged = once(ws, 'ping')
  raw.socket.write(clientFrame(OPCODE.ping, ''))
  await ponged
  expect(heldBytes(parsed._fragments)).toBe(101)
  const message = once(ws, 'message') as Promise<[Buffer]>
  raw.socket.write(clientFrame(OPCODE.continuation, 'c'))
  expect((await message)[0].toString()).toBe(`a${'b'.repeat(100)}c`)
})

test('a frame that comes in a great many writes is kept in few parts', async () => {
  const { raw, ws, parsed } = await connect()
  raw.socket.setNoDelay(true)
  let most = 0
  ws.on('message', () => undefined)
  const frame = clientFrame(OPCODE.text, 'x'.repeat(3000))
  const write = async (byte: number): Promise<void> => {
    const read = once(ws, 'read')
    raw.socket.write(frame.subarray(byte, byte + 1))
    await read
    most = Math.max(most, parsed._buffers.length)
  }
  const { receive } = ws
  ws.receive = (chunk, done) => {
    receive.call(ws, chunk, done)
    ws.emit('read')
  }
  const message = once(ws, 'message') as Promise<[Buffer]>
  for (let byte = 0; byte < frame.length; byte++) await write(byte)
  expect((await message)[0].toString()).toBe('x'.repeat(3000))
  expect(most).toBeGreaterThan(32)
  expect(most).toBeLessThan(100)
})
