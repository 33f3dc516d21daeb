import { once } from 'node:events'
import { createServer, type RequestListener, type ServerOptions, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { BoundedRequest } from '../../src/transport/http/body.ts'
import { paceRequests, takeOver } from '../../src/transport/http/paced-requests.ts'

const REQUEST = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'
const COUNT = 20_000

const closers: (() => void)[] = []
afterEach(() => closers.splice(0).forEach((close) => close()))

async function serve(listener: RequestListener, options: ServerOptions = {}) {
  const server = createServer(options)
  paceRequests(server, listener)
  server.listen(0, '127.0.0.1')
  closers.push(() => server.close())
  await once(server, 'listening')
  const open = async (): Promise<{ client: Socket; socket: Socket }> => {
    const accepted = once(server, 'connection')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    closers.push(() => client.destroy())
    const [socket] = (await accepted) as [Socket]
    return { client, socket }
  }
  return { server, open }
}

test('a connection whose requests wait is not read on, and all of them are answered', async () => {
  const started: ServerResponse[] = []
  let isOpen = false
  const { open } = await serve((_, response) => {
    if (isOpen) response.end()
    else started.push(response)
  })
  const { client, socket } = await open()
  let answers = 0
  client.setEncoding('latin1').on('data', (text: string) => (answers += text.split('HTTP/1.1 200').length - 1))
  client.write(REQUEST.repeat(COUNT))
  await expect.poll(() => started.length).toBe(1)
  // What one read brings, and no more, though there is more to read.
  await expect.poll(() => socket.isPaused()).toBe(true)
  expect(socket.bytesRead).toBeLessThanOrEqual(2 * 65_536)
  isOpen = true
  started[0]?.end()
  await expect.poll(() => answers).toBe(COUNT)
})

test('one turn of the event loop parses no more requests of a connection than a slice of what was read has', async () => {
  const { server, open } = await serve((_, response) => void response.end())
  let total = 0
  let inTurn = 0
  let most = 0
  server.on('request', () => {
    total++
    if (inTurn++ === 0)
      setImmediate(() => {
        most = Math.max(most, inTurn)
        inTurn = 0
      })
  })
  const { client } = await open()
  client.resume().write(REQUEST.repeat(COUNT))
  await expect.poll(() => total).toBe(COUNT)
  expect(most).toBeLessThan(100)
})

test('of very many connections that stand still the first ones are cut', async () => {
  const { open } = await serve(() => undefined)
  const opened: Awaited<ReturnType<typeof open>>[] = []
  for (let index = 0; index < 400; index++) {
    const pair = await open()
    opened.push(pair)
    pair.client.on('error', () => undefined).write(REQUEST.repeat(COUNT / 4))
  }
  await expect.poll(() => opened[0]?.socket.destroyed).toBe(true)
  const left = opened.filter(({ socket }) => !socket.destroyed)
  expect(left.length).toBeGreaterThan(200)
  expect(left).toContain(opened.at(-1))
})

test('a body that was cut is not parsed on', async () => {
  let chunks = 0
  class Counted extends BoundedRequest {
    override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
      chunks++
      return super.push(chunk, encoding)
    }
  }
  const { open } = await serve((request) => void request.resume(), { IncomingMessage: Counted })
  const { client, socket } = await open()
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(60_000)}`)
  await expect.poll(() => chunks).toBeGreaterThan(256)
  // The server reads on only where it parses on.
  const before = socket.bytesRead
  for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
  expect(socket.bytesRead).toBe(before)
  expect(chunks).toBeLessThan(1000)
})

test('who takes over a connection gets what was read and not parsed', async () => {
  const { server, open } = await serve(() => undefined)
  const { client } = await open()
  const upgraded = new Promise<Buffer | undefined>((resolve) => {
    server.on('upgrade', (_request, socket, head) => resolve(takeOver(socket as Socket, head)))
  })
  const rest = 'r'.repeat(20_000)
  client.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${rest}`)
  expect((await upgraded)?.toString()).toBe(rest)
})
