import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerOptions } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BoundedRequest, readBody } from '../../src/transport/http/body.ts'

const BODY = '1\r\n \r\n'.repeat(60_000)

/** A request with that body, which nobody reads until the server has read what it reads without that. */
async function receive(options: ServerOptions): Promise<{ request: IncomingMessage; bytesRead: number; close: () => void }> {
  const server = createServer(options).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const accepted = once(server, 'connection')
  const requested = once(server, 'request')
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${BODY}`)
  const [socket] = (await accepted) as [Socket]
  const [request] = (await requested) as [IncomingMessage]
  for (let before = -1; socket.bytesRead > before;) {
    before = socket.bytesRead
    for (let turns = 0; turns < 20; turns++) await nextTurn()
  }
  return { request, bytesRead: socket.bytesRead, close: () => void (client.destroy(), server.close()) }
}

test('a connection is not read on where a body comes in a great many small chunks', async () => {
  const usual = await receive({})
  usual.close()
  const bounded = await receive({ IncomingMessage: BoundedRequest })
  expect(bounded.bytesRead).toBeLessThan(usual.bytesRead)
  expect(bounded.request.readableLength).toBeLessThan(usual.request.readableLength / 10)
  await expect(readBody(bounded.request, 1_000_000)).rejects.toThrow('too many small chunks')
  bounded.close()
})
