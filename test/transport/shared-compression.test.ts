import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { launchBrowser, skipBrowser } from '../support/browser.ts'
import { clientFrame, OPCODE, openRawSocket, type RawSocket } from '../support/raw-socket.ts'
import { StrictInflate } from '../support/strict-inflate.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp({ WS_COMPRESSION: 'shared' })
})
afterAll(() => app.stop())

/** A group of these users. */
async function groupOf(owner: TestUser, ...others: TestUser[]): Promise<string> {
  const query = 'mutation ($ids: [ID!]) { createGroup(input: { name: "G", memberIds: $ids }) { id } }'
  const { createGroup } = await app.over(owner).data(query, { ids: others.map(({ id }) => String(id)) })
  return `group_${createGroup.id}`
}

const CONTENTS = Array.from(
  { length: 30 },
  (_, n) => `Message ${n}: shall we meet at half past ${n % 12}? ${'早上好 '.repeat(n % 4)}`,
)

async function sendAll(user: TestUser, conversation: string, contents = CONTENTS): Promise<void> {
  const sender = await app.ready(user)
  for (const content of contents) {
    const { code } = await sender.request('message_sent', { conversation_id: conversation, content, is_group: true })
    expect(code).toBe(200)
  }
  await sender.close()
}

const SUBSCRIPTION = `subscription { events { __typename id timestamp ... on MessageSent { message { id content sender { id name } conversation { id } } } } }`

test('clients of ws get every event of both protocols, in a fraction of the bytes, and the server reads what they compress', async () => {
  const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
  const conversation = await groupOf(ann, bob, eve)
  const legacy = await app.ready(bob)
  expect(legacy.socket.extensions).toContain('permessage-deflate')
  const bytesOf = (): number => (legacy.socket as unknown as { _socket: Socket })._socket.bytesRead
  const graphql = app.graphqlWs(eve)
  const subscription = await graphql.subscribe(SUBSCRIPTION)
  const before = { bytes: bytesOf(), texts: legacy.texts.length }
  await sendAll(ann, conversation)
  const pushes = (await legacy.settle()).filter(({ type }) => type === 'message_sent')
  expect(pushes.map(({ data }) => data.content as string)).toEqual(CONTENTS)
  const plain = legacy.texts.slice(before.texts).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  expect((bytesOf() - before.bytes) / plain).toBeLessThan(0.3)
  for (const content of CONTENTS) {
    const { data } = await subscription.inbox.next(({ data: { events } }) => events.__typename === 'MessageSent')
    expect(data.events.message.content).toBe(content)
  }
  // ws compresses what is longer than 1024 bytes.
  const long = 'a long text '.repeat(200)
  const answer = await legacy.request('message_sent', { conversation_id: conversation, content: long, is_group: true })
  expect(answer.code).toBe(200)
  expect(await graphql.data(`# ${'much to read '.repeat(100)}\n{ viewer { id } }`)).toEqual({ viewer: { id: String(eve.id) } })
  subscription.close()
})

/** A raw socket of the legacy protocol, and what its frames say. */
async function rawLegacy(user: TestUser, extensions = 'permessage-deflate'): Promise<RawSocket> {
  const authorization = `Bearer ${tokenOf({ userId: user.id, name: user.name })}`
  const socket = await openRawSocket(app.port, '/ws/connect', { authorization, 'sec-websocket-extensions': extensions })
  expect((await socket.inbox.next()).payload.toString()).toContain('connection_established')
  return socket
}

test('what is for one socket alone, or ephemeral, is not compressed; what goes to all members is, and alike for all', async () => {
  const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
  const conversation = await groupOf(ann, bob, eve)
  const sockets = [await rawLegacy(bob), await rawLegacy(eve)]
  const sender = await app.ready(ann)
  const inflate = new StrictInflate(15)
  for (const content of ['one two three', 'four five six', 'seven eight nine']) {
    await sender.request('typing', { session_id: conversation, typing: true })
    await sender.request('message_sent', { conversation_id: conversation, content, is_group: true })
    const frames = await Promise.all(sockets.map(({ inbox }) => inbox.next(({ isCompressed }) => isCompressed)))
    expect(frames[0]?.payload).toEqual(frames[1]?.payload)
    expect(JSON.parse(inflate.message(frames[0]?.payload as Buffer))).toMatchObject({ type: 'message_sent', data: { content } })
    await sender.request('typing', { session_id: conversation, typing: false })
  }
  const plain = sockets
    .flatMap(({ inbox }) => inbox.drain())
    .map(({ payload }) => JSON.parse(payload.toString()) as { type: string })
  expect(plain.map(({ type }) => type)).not.toContain('message_sent')
  expect(plain.map(({ type }) => type)).toContain('typing')
  for (const { socket } of sockets) socket.destroy()
})

test('the result of a subscription that shows what only its viewer sees is not compressed', async () => {
  const [ann, bob] = [await app.user(), await app.user()]
  const conversation = await groupOf(ann, bob)
  const socket = await openRawSocket(app.port, '/graphql', {
    authorization: `Bearer ${tokenOf({ userId: bob.id, name: bob.name })}`,
    'sec-websocket-protocol': 'graphql-transport-ws',
    'sec-websocket-extensions': 'permessage-deflate',
  })
  const send = (message: object): void => void socket.socket.write(clientFrame(OPCODE.text, JSON.stringify(message)))
  send({ type: 'connection_init' })
  await socket.inbox.next()
  const query = (fields: string): string =>
    `subscription { events { ... on MessageSent { message { content conversation { ${fields} } } } } }`
  send({ id: 'common', type: 'subscribe', payload: { query: query('id') } })
  send({ id: 'own', type: 'subscribe', payload: { query: query('id unreadCount') } })
  send({ id: 'query', type: 'subscribe', payload: { query: '{ viewer { id } }' } })
  await socket.inbox.next(({ payload }) => payload.toString().includes('"complete"'))
  await sendAll(ann, conversation, ['first', 'second', 'third'])
  const inflate = new StrictInflate(15)
  const seen: [string, boolean, string][] = []
  while (seen.length < 6) {
    const { isCompressed, payload } = await socket.inbox.next()
    const { id, payload: result } = JSON.parse(isCompressed ? inflate.message(payload) : payload.toString()) as {
      id: string
      payload?: { data?: { events?: { message?: { content: string } } } }
    }
    const content = result?.data?.events?.message?.content
    if (content !== undefined) seen.push([id, isCompressed, content])
  }
  expect(seen.filter(([id]) => id === 'own').map(([, isCompressed]) => isCompressed)).toEqual([false, false, false])
  expect(seen.filter(([id]) => id === 'common').map(([, isCompressed, content]) => [isCompressed, content])).toEqual([
    [true, 'first'],
    [true, 'second'],
    [true, 'third'],
  ])
  socket.socket.destroy()
})

describe.skipIf(skipBrowser)('Chromium', () => {
  test('reads and sends compressed messages', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const conversation = await groupOf(ann, bob)
    const browser = await launchBrowser()
    try {
      const page = await browser.newPage()
      await page.goto(`${app.http}/health`)
      const token = tokenOf({ userId: bob.id, name: bob.name })
      await page.evaluate(
        ([url, jwt]) =>
          new Promise<void>((resolve, reject) => {
            const socket = new WebSocket(url as string, ['bearer', jwt as string])
            const seen: string[] = []
            Object.assign(globalThis, { socket, seen })
            socket.onmessage = ({ data }) => {
              const frame = JSON.parse(data as string) as { type: string; data: { content: string } }
              if (frame.type === 'connection_established') resolve()
              if (frame.type === 'message_sent' && 'content' in frame.data) seen.push(frame.data.content)
            }
            socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`))
          }),
        [app.legacyUrl, token],
      )
      await sendAll(ann, conversation)
      // What the page itself sends is compressed by the browser, and comes back to it.
      const own = JSON.stringify({
        type: 'message_sent',
        message_id: 'm1',
        data: { conversation_id: conversation, is_group: true, content: 'mine' },
      })
      await page.evaluate((text) => (globalThis as unknown as { socket: WebSocket }).socket.send(text), own)
      await expect
        .poll(() => page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen))
        .toEqual([...CONTENTS, 'mine'])
      expect(await page.evaluate(() => (globalThis as unknown as { socket: WebSocket }).socket.extensions)).toContain(
        'permessage-deflate',
      )
    } finally {
      await browser.close()
    }
  })
})

/** Debian's Python too, which may be another one than the first on the PATH. */
const python = ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import websockets']).status === 0)

describe.skipIf(python === undefined)("Python's websockets", () => {
  const offers = [
    {},
    { server_max_window_bits: 9 },
    { server_no_context_takeover: true, client_no_context_takeover: true },
    { server_max_window_bits: 12, client_max_window_bits: 12 },
  ]
  test.each(offers)('reads and sends compressed messages: %j', async (offer) => {
    const [ann, bob] = [await app.user(), await app.user()]
    const conversation = await groupOf(ann, bob)
    const script = fileURLToPath(new URL('shared-compression.py', import.meta.url))
    const args = [app.legacyUrl, tokenOf({ userId: bob.id, name: bob.name }), String(CONTENTS.length), JSON.stringify(offer)]
    const child = spawn(python as string, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      expect((await lines.next()).value).toBe('ready')
      await sendAll(ann, conversation)
      expect(JSON.parse((await lines.next()).value as string)).toEqual(CONTENTS)
      expect((await exited)[0]).toBe(0)
    } finally {
      child.kill()
    }
  })
})
