import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SECRET, startApp, tokenOf, type TestApp } from '../support/app.ts'
import { copyDatabase } from '../support/database.ts'
import { clientFrame, OPCODE, openRawSocket, type RawSocket } from '../support/raw-socket.ts'
import { endProcesses, start } from '../support/server-process.ts'

let app: TestApp
/** How long each of them took to be cut off, while the other tests ran. */
let slowHeads: Promise<number[]>
beforeAll(async () => {
  app = await startApp({ MAX_CONNECTIONS_PER_USER: '1000' })
  slowHeads = sendSlowHeads()
  slowHeads.catch(() => undefined)
})
afterAll(() => app.stop())

const authorization = `Bearer ${tokenOf({ userId: 7, name: 'Ann' })}`
const legacy = (port = app.port): Promise<RawSocket> => openRawSocket(port, '/ws/connect', { Authorization: authorization })
const graphql = (port = app.port): Promise<RawSocket> =>
  openRawSocket(port, '/graphql', { Authorization: authorization, 'Sec-WebSocket-Protocol': 'graphql-transport-ws' })
const ENDPOINTS = [
  ['legacy', legacy, { type: 'ping' }, 'heartbeat'],
  ['graphql-ws', graphql, { type: 'connection_init' }, 'connection_ack'],
] as const

const typeOf = ({ payload }: { payload: Buffer }): unknown => (JSON.parse(payload.toString()) as { type: unknown }).type

describe.each(ENDPOINTS)('%s', (_, open, request, answer) => {
  test('a message in any fragments, with control frames and writes in between wherever they may be, is one message', async () => {
    const text = Buffer.from(JSON.stringify(request))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 6 }),
        fc.array(fc.constantFrom(OPCODE.ping, OPCODE.pong), { maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        async (places, controls, step) => {
          const raw = await open()
          const cuts = [0, ...places.toSorted((a, b) => a - b), text.length]
          const frames: Buffer[] = []
          for (let n = 0; n + 1 < cuts.length; n++) {
            const isLast = n + 2 === cuts.length
            frames.push(
              clientFrame(n === 0 ? OPCODE.text : OPCODE.continuation, text.subarray(cuts[n], cuts[n + 1]), { fin: isLast }),
            )
            const control = controls[n]
            if (control !== undefined && !isLast) frames.push(clientFrame(control, 'x'))
          }
          const bytes = Buffer.concat(frames)
          for (let at = 0; at < bytes.length; at += step) raw.socket.write(bytes.subarray(at, at + step))
          const got = await raw.inbox.next((frame) => frame.opcode === OPCODE.text && typeOf(frame) === answer)
          expect(typeOf(got)).toBe(answer)
          raw.socket.destroy()
          await raw.ended
        },
      ),
      { numRuns: 40 },
    )
  })

  test.each([
    ['a frame without a mask', Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
    ['a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 1002],
    ['a reserved opcode', Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002],
    ['a control frame in fragments', Buffer.from([0x09, 0x80, 0, 0, 0, 0]), 1002],
    ['a control frame of 126 bytes', clientFrame(OPCODE.ping, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', clientFrame(OPCODE.continuation, 'x'), 1002],
    ['a second beginning', Buffer.concat([clientFrame(OPCODE.text, 'x', { fin: false }), clientFrame(OPCODE.text, 'y')]), 1002],
    ['text that is no UTF-8', clientFrame(OPCODE.text, Buffer.from([0xc3, 0x28])), 1007],
    [
      'a length beyond what can be counted',
      Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
      1009,
    ],
    ['more than MAX_FRAME_BYTES', clientFrame(OPCODE.text, 'x'.repeat(70_000)), 1009],
    ['a binary frame', clientFrame(OPCODE.binary, 'x'), 1003],
    ['a close frame of one byte', clientFrame(OPCODE.close, 'x'), 1002],
    ['a close code that is not for clients', clientFrame(OPCODE.close, Buffer.from([0x03, 0xed])), 1002],
  ])('%s closes the socket with its code, and nobody else notices', async (__, bytes, code) => {
    const other = await legacy()
    const raw = await open()
    raw.socket.write(bytes)
    expect(await raw.closeCode()).toBe(code)
    raw.socket.destroy()
    other.socket.write(clientFrame(OPCODE.text, '{"type":"ping"}'))
    await other.inbox.next((frame) => frame.opcode === OPCODE.text && typeOf(frame) === 'heartbeat')
    other.socket.destroy()
  })

  test('any bytes after the upgrade end in a close or are waited for, and the server lives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        const raw = await open()
        raw.socket.end(bytes)
        await raw.ended
      }),
      { numRuns: 60 },
    )
    expect((await fetch(`${app.http}/health`)).status).toBe(200)
  })
})

describe('the id of an operation', () => {
  const subscribe = (id: string): Buffer =>
    clientFrame(OPCODE.text, JSON.stringify({ id, type: 'subscribe', payload: { query: 'subscription { events { id } }' } }))
  async function acknowledged(): Promise<RawSocket> {
    const raw = await graphql()
    raw.socket.write(clientFrame(OPCODE.text, '{"type":"connection_init"}'))
    await raw.inbox.next((frame) => frame.opcode === OPCODE.text && typeOf(frame) === 'connection_ack')
    return raw
  }

  test('may have 200 characters, since each result repeats it', async () => {
    const raw = await acknowledged()
    raw.socket.write(subscribe('x'.repeat(201)))
    const { payload } = await raw.inbox.next(({ opcode }) => opcode === OPCODE.text)
    expect(JSON.parse(payload.toString())).toMatchObject({
      type: 'error',
      payload: [{ message: expect.stringContaining('201 characters') as string, extensions: { code: 'BAD_USER_INPUT' } }],
    })
    raw.socket.destroy()
  })

  test('that is used twice closes the socket with its code, however long it is', async () => {
    const raw = await acknowledged()
    raw.socket.write(Buffer.concat([subscribe('x'.repeat(200)), subscribe('x'.repeat(200))]))
    expect(await raw.closeCode()).toBe(4409)
    raw.socket.destroy()
    expect(app.logged.filter(({ level }) => Number(level) >= 50)).toEqual([])
  })
})

test('any bytes instead of a request, and requests that break off, end that connection alone', async () => {
  const heads = fc.constantFrom(
    'GET /ws/connect HTTP/1.1\r\n',
    'POST /graphql HTTP/1.1\r\nContent-Length: 5\r\n\r\n{',
    'GET /graphql HTTP/1.1\r\nUpgrade: websocket\r\n\r\n',
    '',
  )
  await fc.assert(
    fc.asyncProperty(heads, fc.uint8Array({ maxLength: 200 }), async (head, bytes) => {
      const socket = connect(app.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.resume()
      await once(socket, 'connect')
      socket.write(head)
      socket.end(Buffer.from(bytes))
      await once(socket, 'close')
    }),
    { numRuns: 100 },
  )
  expect((await fetch(`${app.http}/health`)).status).toBe(200)
  expect(app.logged.filter(({ level }) => Number(level) >= 50)).toEqual([])
})

function sendSlowHeads(): Promise<number[]> {
  const openedAt = Date.now()
  const ways = ['', 'GET /graphql HTTP/1.1\r\n', 'GET /ws/connect HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'].map(
    async (head) => {
      const socket = connect(app.port, '127.0.0.1')
      socket.on('error', () => undefined).resume()
      socket.write(head)
      const drip = setInterval(() => head && socket.write('X-More: x\r\n'), 500)
      await once(socket, 'close')
      clearInterval(drip)
      return Date.now() - openedAt
    },
  )
  return Promise.all(ways)
}

test('who does not come to the end of the headers is cut off after 10 s, however much comes of them', async () => {
  for (const ms of await slowHeads) expect(ms).toBeLessThan(15_000)
})

describe('thousands of connections that come and go', () => {
  afterEach(() => endProcesses())

  test('leave no file descriptor behind, and no heap that grows with them', async () => {
    const folder = await copyDatabase()
    const server = await start({
      DATA_DIR: folder,
      JWT_SECRET: SECRET,
      DEMO: '0',
      RATE_LIMIT_PER_SECOND: '0',
      PRESENCE_GRACE_MS: '0',
      MAX_CONNECTIONS_PER_USER: '1000',
    })
    const descriptors = (): number => readdirSync(`/proc/${server.child.pid}/fd`).length
    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(`${server.url}/metrics`)).text()
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
    }
    async function comeAndGo(count: number): Promise<void> {
      const atOnce = 50
      for (let n = 0; n < count; n += atOnce) {
        const ways = Array.from({ length: atOnce }, async (_, k) => {
          if (k % 5 === 4) {
            // Half open: a request that never ends.
            const socket = connect(server.port, '127.0.0.1')
            await once(socket, 'connect')
            socket.write('GET /ws/connect HTTP/1.1\r\nHost: x\r\n')
            socket.destroy()
            return
          }
          const raw = await (k % 2 === 0 ? legacy(server.port) : graphql(server.port))
          const init = clientFrame(OPCODE.text, '{"type":"connection_init"}')
          // Whole, begun, or none.
          if (k % 3 === 0) raw.socket.write(init)
          else if (k % 3 === 1) raw.socket.write(init.subarray(0, 5 + randomBytes(1).readUInt8() / 16))
          raw.socket.destroy()
          await raw.ended
        })
        await Promise.all(ways)
      }
    }
    // All are gone when the server has closed them, not when their clients have.
    async function settle(): Promise<void> {
      for (const protocol of ['legacy', 'graphql-ws'])
        await expect.poll(() => metric(`parley_connections\\{protocol="${protocol}"\\}`)).toBe(0)
      await expect.poll(descriptors).toBeLessThan(80)
    }
    // What is made once is made by then.
    await comeAndGo(500)
    await settle()
    const [before, heapBefore] = [descriptors(), await server.heapUsed()]
    await comeAndGo(1500)
    await settle()
    await expect.poll(descriptors).toBeLessThanOrEqual(before + 5)
    // 600 were legacy connections and as many sockets of GraphQL: it would be more if as little as 2.5 KiB were kept of each.
    expect((await server.heapUsed()) - heapBefore).toBeLessThan(3 * 2 ** 20)
    server.child.kill('SIGTERM')
    expect(await server.ended, server.err()).toBe(0)
  })
})
