import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { perMessageDeflate } from '../../src/transport/socket/compression.ts'
import { encodeTextFrame } from '../../src/transport/socket/frame.ts'
import { SocketWriter } from '../../src/transport/socket/writer.ts'
import { openRawSocket } from '../support/raw-socket.ts'

let server: WebSocketServer
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: perMessageDeflate(true) })
  await once(server, 'listening')
})
afterAll(() => {
  for (const ws of server.clients) ws.terminate()
  server.close()
})

/** A client that takes compressed messages, and the server's writer to it. */
async function connect(offer = 'permessage-deflate') {
  const connected = new Promise<SocketWriter>((resolve) => {
    server.once('connection', (ws: WebSocket, { socket }) => resolve(new SocketWriter(ws, socket, 64 * 1_048_576)))
  })
  const raw = await openRawSocket((server.address() as AddressInfo).port, '/', { 'Sec-WebSocket-Extensions': offer })
  return { raw, writer: await connected }
}

const SHORT = encodeTextFrame('short '.repeat(20))
const long = (bytes: number) => encodeTextFrame(randomBytes((bytes * 3) / 4).toString('base64'))
const compressions = ({ raw: { inbox } }: Awaited<ReturnType<typeof connect>>, count: number): Promise<boolean[]> =>
  Promise.all(Array.from({ length: count }, async () => (await inbox.next(() => true)).isCompressed))

test('while very much is compressed, what others get goes uncompressed and in order; then it is compressed again', async () => {
  const [one, other] = [await connect(), await connect()]
  one.writer.write(long(700_000))
  one.writer.write(long(1000))
  other.writer.write(SHORT)
  other.writer.write(SHORT)
  expect(await compressions(other, 2)).toEqual([false, false])
  const [first, second] = [await one.raw.inbox.next(() => true), await one.raw.inbox.next(() => true)]
  expect([first.isCompressed, second.isCompressed]).toEqual([true, false])
  expect(second.payload).toHaveLength(1000)
  other.writer.write(SHORT)
  expect(await compressions(other, 1)).toEqual([true])
})

test('little of many sockets is all compressed', async () => {
  const all: Awaited<ReturnType<typeof connect>>[] = []
  for (let count = 0; count < 50; count++) all.push(await connect())
  for (const { writer } of all) writer.write(SHORT)
  for (const each of all) expect(await compressions(each, 1)).toEqual([true])
})

test.each([
  ['does not read', (one: Awaited<ReturnType<typeof connect>>) => void one.raw.socket.pause()],
  ['is gone', (one: Awaited<ReturnType<typeof connect>>) => void one.raw.socket.destroy()],
])('who %s keeps nothing of others from being compressed', async (_, stop) => {
  const [one, other] = [await connect(), await connect()]
  stop(one)
  one.writer.write(long(12_000_000))
  for (let count = 0; count < 20; count++) one.writer.write(SHORT)
  await expect
    .poll(async () => {
      other.writer.write(SHORT)
      return await compressions(other, 1)
    })
    .toEqual([true])
})

test('what `ws` leaves uncompressed by itself, for it is short and has no window, counts no longer than it waits', async () => {
  const [one, other] = [await connect('permessage-deflate; server_no_context_takeover'), await connect()]
  for (let count = 0; count < 1000; count++) one.writer.write(SHORT)
  await compressions(one, 1000)
  other.writer.write(long(300_000))
  other.writer.write(SHORT)
  expect(await compressions(other, 2)).toEqual([true, true])
})
