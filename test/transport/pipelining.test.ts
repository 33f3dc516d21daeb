import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { oneAtATime } from '../../src/transport/http/pipelining.ts'

const REQUEST = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'
const COUNT = 20_000

const closers: (() => void)[] = []
afterEach(() => closers.splice(0).forEach((close) => close()))

test('a connection whose requests wait is not read on, and all of them are answered', async () => {
  const started: ServerResponse[] = []
  let isOpen = false
  const server = createServer(
    oneAtATime((_, response) => {
      if (isOpen) response.end()
      else started.push(response)
    }),
  ).listen(0, '127.0.0.1')
  closers.push(() => server.close())
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  closers.push(() => client.destroy())
  const [socket] = (await once(server, 'connection')) as [Socket]
  let answers = 0
  client.setEncoding('latin1').on('data', (text: string) => (answers += text.split('HTTP/1.1 200').length - 1))
  client.write(REQUEST.repeat(COUNT))
  await expect.poll(() => started.length).toBe(1)
  // What one read brings, and no more, though there is more to read.
  await expect.poll(() => socket.isPaused()).toBe(true)
  expect(socket.bytesRead).toBeLessThanOrEqual(2 * 65_536)
  isOpen = true
  started[0]?.end()
  await expect.poll(() => answers, { timeout: 15_000 }).toBe(COUNT)
})
