import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { loadSettings } from '../../src/settings.ts'
import { clientAddress, createAddressLimit } from '../../src/transport/http/client-address.ts'
import { startApp } from '../support/app.ts'
import { openSocket, type RefusedError } from '../support/legacy-client.ts'

const from = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage
const trusting = (proxies: string) => loadSettings({ TRUSTED_PROXIES: proxies }).trustedProxies

describe("a client's address", () => {
  test.each([
    ['the peer, whatever it says, where nobody is trusted', '', '192.0.2.1', '1.1.1.1', '192.0.2.1'],
    ['the peer, where it is no trusted proxy', '10.0.0.0/8', '192.0.2.1', '1.1.1.1', '192.0.2.1'],
    ['what a trusted proxy says', '10.0.0.0/8', '10.1.2.3', '1.1.1.1', '1.1.1.1'],
    ['the last that no trusted proxy wrote of itself', '10.0.0.0/8', '10.1.2.3', '6.6.6.6, 1.1.1.1, 10.9.9.9', '1.1.1.1'],
    ['the proxy, where it says nothing', '10.0.0.0/8', '10.1.2.3', undefined, '10.1.2.3'],
    ['never what is no address', '10.0.0.0/8', '10.1.2.3', 'unknown, <script>', '10.1.2.3'],
    ['never what is before something that is no address', '10.0.0.0/8', '10.1.2.3', '6.6.6.6, unknown', '10.1.2.3'],
    ['without the port that some proxies add', '10.0.0.0/8', '10.1.2.3', '6.6.6.6, 1.1.1.1:5678', '1.1.1.1'],
    ['without the port, IPv6', '10.0.0.0/8', '10.1.2.3', '6.6.6.6, [2001:db9::1]:5678', '2001:db9::1'],
    ['IPv4 also on a socket for both', '127.0.0.1', '::ffff:127.0.0.1', '::ffff:1.1.1.1', '1.1.1.1'],
    ['IPv4 also in another spelling of that', '10.0.0.0/8', '::ffff:a01:203', '::ffff:101:101', '1.1.1.1'],
    ['IPv6 in its shortest spelling', '::1', '0:0:0:0:0:0:0:1', '2001:0DB9:0::1', '2001:db9::1'],
    ['IPv6', '::1,2001:db8::/32', '2001:db8::7', '2001:db9::1', '2001:db9::1'],
  ])('is %s', (_, proxies, peer, forwarded, expected) => {
    expect(clientAddress(from(peer, forwarded), trusting(proxies))).toBe(expected)
  })
})

test('a place is given back once', () => {
  const limit = createAddressLimit(1)
  const release = limit.acquire('a')
  expect(limit.acquire('a')).toBeUndefined()
  expect(limit.acquire('b')).toBeDefined()
  release?.()
  release?.()
  expect(limit.acquire('a')).toBeDefined()
  expect(limit.acquire('a')).toBeUndefined()
})

test('an IPv6 address counts with its network, which is one client’s, and with no other', () => {
  const limit = createAddressLimit(1)
  expect(limit.acquire('2001:db8:0:1::1')).toBeDefined()
  for (const same of ['2001:db8:0:1:ffff::2', '2001:0db8::1:0:0:0:1', '2001:db8:0:1:1:2:3:4'])
    expect(limit.acquire(same)).toBeUndefined()
  for (const other of ['2001:db8:0:2::1', '2001:db8::1', '::1', 'fe80::1']) expect(limit.acquire(other)).toBeDefined()
})

test('connections that end before it is their turn to be upgraded give their place back', async () => {
  const app = await startApp({ MAX_CONNECTIONS_PER_ADDRESS: '2' })
  try {
    const ann = await app.user()
    const head = `GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${'a'.repeat(22)}==\r\nSec-WebSocket-Version: 13\r\n\r\n`
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect(app.port, '127.0.0.1')
        await once(socket, 'connect')
        socket.write(head)
        socket.resetAndDestroy()
        await once(socket, 'close')
      }),
    )
    await expect
      .poll(() =>
        app.ready(ann).then(
          async (client) => await client.close().then(() => 'open'),
          () => 'refused',
        ),
      )
      .toBe('open')
  } finally {
    await app.stop()
  }
})

test('one connection of an address more than allowed is refused on both endpoints and on SSE, others are not', async () => {
  const app = await startApp({ MAX_CONNECTIONS_PER_ADDRESS: '2', TRUSTED_PROXIES: '127.0.0.1' })
  try {
    const ann = await app.user()
    const of = (address: string) => ({ headers: { 'x-forwarded-for': address } })
    const first = await app.ready(ann, of('192.0.2.1'))
    // Counts before it identifies itself.
    const silent = await openSocket(app.graphqlUrl.replace('http', 'ws'), {
      ...of('192.0.2.1'),
      protocols: ['graphql-transport-ws'],
    })
    const refused = (await app.legacy(ann, of('192.0.2.1')).catch((error: unknown) => error)) as RefusedError
    expect([refused.status, JSON.parse(refused.body).data.code]).toEqual([429, 429])
    await expect(openSocket(app.graphqlUrl.replace('http', 'ws'), of('192.0.2.1'))).rejects.toMatchObject({ status: 429 })
    await app.ready(ann, of('192.0.2.2'))
    await app.ready(ann, of('192.0.2.2'))
    await app.ready(ann)
    await app.ready(ann)
    const { ended } = await app.over(ann).subscribe('subscription { events { id } }')
    expect(await ended).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }])
    await first.close()
    await expect
      .poll(() =>
        app.ready(ann, of('192.0.2.1')).then(
          () => 'open',
          () => 'refused',
        ),
      )
      .toBe('open')
    silent.close()
  } finally {
    await app.stop()
  }
})
