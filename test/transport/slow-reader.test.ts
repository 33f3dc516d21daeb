import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createCounts } from '../../src/telemetry/counters.ts'
import type { Operations } from '../../src/graphql/operations.ts'
import type { PreparedRequest } from '../../src/graphql/requests.ts'
import { openResultStream, type ResultStream } from '../../src/graphql/result-stream.ts'
import { deliveryOf, type SourceEvent } from '../../src/graphql/delivery.ts'
import type { SubscriptionSink } from '../../src/graphql/subscription.ts'
import { encodeTextFrame } from '../../src/transport/socket/frame.ts'
import { SocketWriter } from '../../src/transport/socket/writer.ts'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import type { LegacyClient } from '../support/legacy-client.ts'

// One answer is more than a user may leave unread.
const SETTINGS = { MAX_BUFFERED_BYTES: '65536', MAX_FRAME_BYTES: '65536', MAX_RESPONSE_BYTES: '100000000' }

let app: TestApp
/** Another server, where a client is silent for half a minute while the other tests run. */
let quiet: TestApp
let cutOff: Promise<unknown>
beforeAll(async () => {
  ;[app, quiet] = await Promise.all([startApp(SETTINGS), startApp(SETTINGS)])
  cutOff = isCutOff(quiet)
  cutOff.catch(() => undefined)
})
afterAll(() => Promise.all([app.stop(), quiet.stop()]))

/** 15,000 bytes: what waits is over the limit after a few. */
const LONG = '消'.repeat(5000)

/** Sends long messages, which are numbered from `from` on, together; resolves with their contents when all are stored. */
async function sendLong(sender: LegacyClient, to: object, from: number, count = 20): Promise<string[]> {
  const contents = Array.from({ length: count }, (_, n) => `${from + n} ${LONG.slice(10)}`)
  const answers = await Promise.all(contents.map((content) => sender.request('message_sent', { ...to, content })))
  for (const { code } of answers) expect(code).toBe(200)
  return contents
}

test('a replay much larger than the limit of waiting bytes reaches a client that reads, whole and in order', async () => {
  const [ann, bob] = [await app.user(), await app.user()]
  const sender = await app.ready(ann)
  const count = 100
  for (let sent = 0; sent < count; sent += 20) await sendLong(sender, { receiver_id: bob.id }, sent)
  const reader = await app.ready(bob, { headers: { 'last-event-id': '0' } })
  const answer = await reader.inbox.next(({ type }) => type === 'resume')
  expect(answer.data).toEqual({ success: true, replayed: count, complete: true })
  const numbers = reader.inbox.drain().map(({ data }) => Number.parseInt(String(data.content), 10))
  expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index))
})

test('who reads is not taken for slow where one turn brings more than the limit', async () => {
  const [ann, bob] = [await app.user(), await app.user()]
  const sender = await app.ready(ann)
  const reader = await app.ready(bob)
  const count = 20
  // One after the other without waiting: the database takes all but the first together, and so they come back.
  for (let sent = 0; sent < count; sent++) {
    sender.send({ type: 'message_sent', data: { receiver_id: bob.id, content: `${sent} ${LONG.slice(10)}` } })
  }
  for (const client of [sender, reader]) {
    for (let seen = 0; seen < count; seen++) {
      const push = await client.inbox.next(({ type, data }) => type === 'message_sent' && 'content' in data)
      expect(Number.parseInt(String(push.data.content), 10)).toBe(seen)
    }
  }
})

test('a client that reads nothing is closed with 4508 and finds everything by resume; nobody else notices', async () => {
  const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
  const created = await app
    .over(ann)
    .data('mutation ($ids: [ID!]) { createGroup(input: { name: "G", memberIds: $ids }) { id } }', {
      ids: [String(bob.id), String(eve.id)],
    })
  const conversation = `group_${(created as { createGroup: { id: string } }).createGroup.id}`
  const sender = await app.ready(ann)
  const stalled = await app.ready(bob)
  const watcher = await app.ready(eve)
  stalled.socket.pause()
  const contents: string[] = []
  // What the kernel buffers for a socket without a reader comes before the limit.
  const before = await metric(SOCKETS_DROPPED)
  while ((await metric(SOCKETS_DROPPED)) === before)
    contents.push(...(await sendLong(sender, { conversation_id: conversation, is_group: true }, contents.length)))
  const seen = (await watcher.settle()).filter(({ type }) => type === 'message_sent').map(({ data }) => data.content as string)
  expect(seen).toEqual(contents)
  stalled.socket.resume()
  expect((await stalled.closed).code).toBe(4508)
  const got = stalled.inbox.drain().filter(({ type }) => type === 'message_sent')
  expect(got.length).toBeLessThan(contents.length)
  const back = await app.ready(bob, { headers: { 'last-event-id': got.at(-1)?.message_id ?? '0' } })
  expect((await back.inbox.next(({ type }) => type === 'resume')).data.complete).toBe(true)
  const rest = back.inbox.drain().filter(({ type }) => type === 'message_sent')
  expect([...got, ...rest].map(({ data }) => data.content as string)).toEqual(contents)
  back.socket.close()
  await once(back.socket, 'close')
})

/** A writer to a client on a real socket, and what that gets. */
async function openWriter(limit: number) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [ws, request] = (await once(server, 'connection')) as [WebSocket, IncomingMessage]
  await once(client, 'open')
  const texts: string[] = []
  client.on('message', (data) => texts.push((data as Buffer).toString()))
  return {
    client,
    texts,
    writer: new SocketWriter(ws, request.socket, limit),
    close() {
      client.terminate()
      server.close()
    },
  }
}

test('typing and presence wait while a client is slow, and only the latest state of each is delivered; nothing durable is lost', async () => {
  const limit = 8_000_000
  const { client, texts, writer, close } = await openWriter(limit)
  try {
    const frame = (text: string): Buffer => encodeTextFrame(text)
    client.pause()
    let durable = 0
    while (writer.waiting() < limit / 2) {
      writer.write(frame(`durable ${durable++} ${'x'.repeat(60_000)}`))
      await new Promise(setImmediate)
    }
    for (let n = 0; n < 100; n++) writer.write(frame(`ann ${n}`), 'ann')
    writer.write(frame('bob'), 'bob')
    writer.write(frame(`durable ${durable++}`))
    client.resume()
    await expect.poll(() => texts.filter((text) => !text.startsWith('durable'))).toEqual(['ann 99', 'bob'])
    expect(texts.filter((text) => text.startsWith('durable')).map((text) => Number(text.split(' ')[1]))).toEqual([
      ...Array(durable).keys(),
    ])
    // With room again they are notified at once, in order.
    writer.write(frame('ann 100'), 'ann')
    writer.write(frame('ann 101'), 'ann')
    await expect.poll(() => texts.slice(-2)).toEqual(['ann 100', 'ann 101'])
  } finally {
    close()
  }
})

test('a frame that is not kept and larger than the room for such waits for what is before it, and nobody else does', async () => {
  const { texts, writer, close } = await openWriter(1000)
  try {
    writer.write(encodeTextFrame('durable'))
    writer.write(encodeTextFrame('x'.repeat(600)), 'large')
    await expect.poll(() => texts.map(({ length }) => length)).toEqual([7, 600])
  } finally {
    close()
  }
})

test('clients that offer compression get it where it is switched on, with the same limit and the same frames', async () => {
  const compressing = await startApp({ WS_COMPRESSION: '1', MAX_BUFFERED_BYTES: '65536' })
  try {
    const [ann, bob] = [await compressing.user(), await compressing.user()]
    const sender = await compressing.ready(ann)
    const reader = await compressing.ready(bob)
    expect(reader.socket.extensions).toContain('permessage-deflate')
    const before = (reader.socket as unknown as { _socket: Socket })._socket.bytesRead
    const count = 60
    for (let sent = 0; sent < count; sent++) {
      const data = { receiver_id: bob.id, content: sent % 2 === 0 ? `${sent} ${LONG.slice(10)}` : String(sent) }
      expect((await sender.request('message_sent', data)).code).toBe(200)
    }
    const pushes = (await reader.settle()).filter(({ type }) => type === 'message_sent')
    expect(pushes.map(({ data }) => Number.parseInt(String(data.content), 10))).toEqual(
      Array.from({ length: count }, (_, n) => n),
    )
    expect((reader.socket as unknown as { _socket: Socket })._socket.bytesRead - before).toBeLessThan(count * 1000)
    // More at once than may wait: the replay goes at the reader's pace.
    const back = await compressing.ready(bob, { headers: { 'last-event-id': '0' } })
    expect((await back.inbox.next(({ type }) => type === 'resume')).data).toMatchObject({ replayed: count, complete: true })
    const graphql = compressing.graphqlWs(bob)
    expect(await graphql.data('{ viewer { id } }')).toEqual({ viewer: { id: String(bob.id) } })
  } finally {
    await compressing.stop()
  }
  const plain = await app.ready(await app.user())
  expect(plain.socket.extensions).toBe('')
})

test('who leaves large answers over HTTP unread gets no more of them, until they are read', async () => {
  const [ann, bob] = [await app.user(), await app.user()]
  const sender = await app.ready(ann)
  for (let sent = 0; sent < 100; sent += 20) await sendLong(sender, { receiver_id: bob.id }, sent)
  const pages = Array.from({ length: 30 }, (_, n) => `a${n}: messages(first: 100) { edges { node { content } } }`)
  const query = `{ conversation(id: "direct_${ann.id}_${bob.id}") { ${pages.join(' ')} } }`
  const body = JSON.stringify({ query })
  const token = tokenOf({ userId: bob.id, name: bob.name })
  const head = ['POST /graphql HTTP/1.1', 'Host: x', `Authorization: Bearer ${token}`, 'Content-Type: application/json']
  const socket = connect(app.port, '127.0.0.1')
  socket.on('error', () => undefined).pause()
  socket.write(`${[...head, 'Connection: close', `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`)
  const small = async (): Promise<unknown> => (await app.over(bob).run('{ viewer { id } }')).errors?.[0]?.extensions.code ?? 'ok'
  await expect.poll(small).toBe('RATE_LIMITED')
  expect(await app.over(ann).data('{ viewer { id } }')).toEqual({ viewer: { id: String(ann.id) } })
  let read = 0
  socket.on('data', (chunk) => (read += chunk.length)).resume()
  await once(socket, 'end')
  expect(read).toBeGreaterThan(100 * 30 * 14_900)
  expect(await small()).toBe('ok')
})

test('open streams are no answers that wait to be read', async () => {
  const busy = await startApp({ MAX_CONNECTIONS_PER_USER: '101', RATE_LIMIT_PER_SECOND: '0' })
  const leave = new AbortController()
  try {
    const ann = await busy.user()
    const headers = {
      Authorization: `Bearer ${tokenOf({ userId: ann.id, name: ann.name })}`,
      Accept: 'text/event-stream',
      'Content-Type': 'application/json',
    }
    const body = JSON.stringify({ query: 'subscription { events { id } }' })
    const streams = Array.from({ length: 101 }, () =>
      fetch(`http://127.0.0.1:${busy.port}/graphql`, { method: 'POST', headers, body, signal: leave.signal }),
    )
    expect(new Set((await Promise.all(streams)).map(({ status }) => status))).toEqual(new Set([200]))
    expect(await busy.over(ann).data('{ viewer { id } }')).toEqual({ viewer: { id: String(ann.id) } })
  } finally {
    leave.abort()
    await busy.stop()
  }
})

const EVENTS = 'subscription ($after: ID) { events(after: $after) { id ... on MessageSent { message { content } } } }'
/** So many long messages are less than the limit: one turn brings no stream over it that the kernel still takes from. */
const TOGETHER = 3
const SOCKETS_DROPPED = 'parley_drops_total{class="socket"}'
const STREAMS = 'parley_connections{protocol="sse"}'

async function metric(sample: string, { http } = app): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${sample} `))
  return Number(line?.split(' ')[1])
}

/** Waits until so many streams are open. */
const streamsAre = (count: number, on: TestApp): Promise<void> =>
  vi.waitFor(
    async () => {
      if ((await metric(STREAMS, on)) !== count) throw new Error(`there are not ${count} streams`)
    },
    { timeout: 60_000, interval: 100 },
  )

/** A stream that nobody reads. */
async function sse(user: TestUser, on = app): Promise<Socket> {
  const body = JSON.stringify({ query: EVENTS })
  const socket = connect(on.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.pause()
  const head = ['POST /graphql HTTP/1.1', 'Host: x', `Authorization: Bearer ${tokenOf({ userId: user.id, name: user.name })}`]
  head.push('Accept: text/event-stream', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`)
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  await streamsAre(1, on)
  return socket
}

async function isCutOff(on: TestApp): Promise<void> {
  const [ann, bob] = [await on.user(), await on.user()]
  const sender = await on.ready(ann)
  const silent = await sse(bob, on)
  const dropped = await metric(SOCKETS_DROPPED, on)
  while ((await metric(SOCKETS_DROPPED, on)) === dropped) await sendLong(sender, { receiver_id: bob.id }, 0, TOGETHER)
  // The close code that asks it to resume comes first.
  await streamsAre(1, on)
  await streamsAre(0, on)
  silent.destroy()
}

describe('server-sent events', () => {
  test('a client that reads nothing holds no more than the limit, and gets the close code to resume when it reads on', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const sender = await app.ready(ann)
    const before = await metric(SOCKETS_DROPPED)
    const stalled = await sse(bob)
    const contents: string[] = []
    let most = 0
    while ((await metric(SOCKETS_DROPPED)) === before) {
      contents.push(...(await sendLong(sender, { receiver_id: bob.id }, contents.length, TOGETHER)))
      most = Math.max(most, await metric('parley_queued_bytes{of="most"}'))
    }
    // What waits here, and what Node and the library hold on its way to the kernel.
    expect(most).toBeGreaterThan(30_000)
    expect(most).toBeLessThan(65_536 + 10 * LONG.length)
    let text = ''
    stalled.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    stalled.resume()
    await expect.poll(() => text).toContain('event: complete')
    expect(text).toContain('"code":"UNAVAILABLE"')
    const got = [...text.matchAll(/"id":"(\d+)","message":\{"content":"(\d+) /g)].map(([, id, n]) => ({ id, n: Number(n) }))
    expect(got.map(({ n }) => n)).toEqual(got.map((_, n) => n))
    expect(got.length).toBeLessThan(contents.length)
    const back = await app.over(bob).subscribe(EVENTS, { after: got.at(-1)?.id ?? '0' })
    for (let n = got.length; n < contents.length; n++)
      expect((await back.inbox.next()).data.events.message.content).toBe(contents[n])
    back.close()
    stalled.destroy()
  })

  test('a client that goes on reading nothing is cut off', () => cutOff)

  test('typing and presence wait while a client is slow, and only the latest state of each is delivered', async () => {
    let sink: SubscriptionSink | undefined
    const counts = createCounts()
    const operations = {
      subscribe(_request: unknown, given: SubscriptionSink) {
        sink = given
        return Promise.resolve({ start: () => Promise.resolve(), resume: () => Promise.resolve(), close: () => undefined })
      },
    } as unknown as Operations
    const options = { maxBufferedBytes: 1000, counts, onEnd: () => undefined }
    const stream = (await openResultStream(
      operations,
      { operation: { takesAfter: false } } as PreparedRequest,
      options,
    )) as ResultStream
    const tell = (data: Record<string, unknown>, event: unknown): void =>
      void sink?.event({ data }, deliveryOf(event as SourceEvent))
    const durable = (n: number): void => tell({ n, text: 'x'.repeat(200) }, { id: n, at: 0, kind: 'notification', payload: {} })
    const typing = (id: number, n: number): void =>
      tell({ id, n }, { id: null, at: 0, kind: 'typing', payload: { conversationId: 'direct_1_2', user: { id } } })
    for (let n = 1; n <= 3; n++) durable(n)
    for (let n = 1; n <= 10; n++) typing(7, n)
    typing(8, 1)
    durable(4)
    expect(sink?.ready?.()).toBeInstanceOf(Promise)
    const got: unknown[] = []
    for (let n = 0; n < 6; n++) got.push((await stream.next()).value?.data)
    expect(got).toMatchObject([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { id: 7, n: 10 }, { id: 8, n: 1 }])
    expect([counts.ephemeralDropped, stream.queuedBytes(), sink?.ready?.()]).toEqual([9, 0, undefined])
  })
})
