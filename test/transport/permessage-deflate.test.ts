import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { constants, createInflateRaw, deflateRawSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { agreementWith, announceAgreements } from '../../src/transport/socket/compression.ts'
import { agreeOnDeflate } from '../../src/transport/socket/deflate-offer.ts'
import { encodeTextFrame, encodeTextFrameStart } from '../../src/transport/socket/frame.ts'
import { PacedSocket } from '../../src/transport/socket/paced-socket.ts'
import { SharedMessage } from '../../src/transport/socket/shared-deflate.ts'
import { SocketWriter } from '../../src/transport/socket/writer.ts'
import { clientFrame, OPCODE, openRawSocket, type RawSocket } from '../support/raw-socket.ts'
import { StrictInflate } from '../support/strict-inflate.ts'

const NAME = 'permessage-deflate'
const ALWAYS = `${NAME}; client_no_context_takeover`
const SIZES = [8, 9, 10, 11, 12, 13, 14, 15]

describe('what is agreed (RFC 7692, section 7.1)', () => {
  const cases: [offers: string | undefined, answer: string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['x-webkit-deflate-frame', undefined],
    [NAME, ALWAYS],
    [`${NAME}; client_max_window_bits`, ALWAYS],
    [`${NAME}; client_no_context_takeover`, ALWAYS],
    [`${NAME}; server_no_context_takeover`, `${ALWAYS}; server_no_context_takeover`],
    [`${NAME};server_no_context_takeover;client_no_context_takeover`, `${ALWAYS}; server_no_context_takeover`],
    ...SIZES.map((bits): [string, string] => [
      `${NAME}; server_max_window_bits=${bits}`,
      `${ALWAYS}; server_max_window_bits=${bits}`,
    ]),
    ...SIZES.map((bits): [string, string] => [
      `${NAME}; client_max_window_bits=${bits}`,
      `${ALWAYS}; client_max_window_bits=${bits}`,
    ]),
    [`${NAME}; server_max_window_bits="10"`, `${ALWAYS}; server_max_window_bits=10`],
    [
      `${NAME}; client_max_window_bits=9; server_max_window_bits=12; server_no_context_takeover`,
      `${ALWAYS}; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=9`,
    ],
    // What is no valid offer is declined, and the next one may be taken.
    [`${NAME}; server_max_window_bits`, undefined],
    [`${NAME}; server_max_window_bits=7`, undefined],
    [`${NAME}; server_max_window_bits=16`, undefined],
    [`${NAME}; server_max_window_bits=08`, undefined],
    [`${NAME}; server_max_window_bits=10.5`, undefined],
    [`${NAME}; client_max_window_bits=0`, undefined],
    [`${NAME}; client_max_window_bits=`, undefined],
    [`${NAME}; server_no_context_takeover=1`, undefined],
    [`${NAME}; client_no_context_takeover=true`, undefined],
    [`${NAME}; server_max_window_bits=10; server_max_window_bits=10`, undefined],
    [`${NAME}; level=9`, undefined],
    [`${NAME}; constructor`, undefined],
    [`${NAME};`, undefined],
    [`${NAME}; level=9, ${NAME}; server_max_window_bits=9, ${NAME}`, `${ALWAYS}; server_max_window_bits=9`],
    [`other; a=b , ${NAME}`, ALWAYS],
  ]
  test.each(cases)('%s: %s', (offers, answer) => expect(agreeOnDeflate(offers)?.header).toBe(answer))
})

/** A server that agrees, and what one of its sockets is on both sides. */
let server: WebSocketServer
const MAX_BYTES = 20_000
const open: RawSocket[] = []

beforeAll(async () => {
  server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    maxPayload: MAX_BYTES,
    WebSocket: PacedSocket,
    perMessageDeflate: false,
  })
  announceAgreements(server, 'shared')
  await once(server, 'listening')
})
afterAll(() => {
  for (const { socket } of open) socket.destroy()
  server.close()
})

/** A continuous context of zlib's. */
function continuousInflate(): (payload: Buffer) => Promise<string> {
  const inflate = createInflateRaw()
  return (payload) =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      const onData = (chunk: Buffer): void => void chunks.push(chunk)
      inflate.on('data', onData)
      inflate.write(Buffer.concat([payload, Buffer.from([0x00, 0x00, 0xff, 0xff])]))
      inflate.flush(constants.Z_SYNC_FLUSH, () => {
        inflate.off('data', onData)
        resolve(Buffer.concat(chunks).toString())
      })
    })
}

async function connect(offers?: string, maxBufferedBytes = 100_000_000) {
  const connected = once(server, 'connection') as Promise<[PacedSocket, IncomingMessage]>
  const { port } = server.address() as AddressInfo
  const client = await openRawSocket(port, '/', offers === undefined ? {} : { 'Sec-WebSocket-Extensions': offers })
  open.push(client)
  const [ws, request] = await connected
  const agreement = agreementWith(request, 'shared')
  const writer = new SocketWriter(ws, request.socket, maxBufferedBytes, undefined, agreement)
  ws.pace(request.socket, writer)
  if (agreement) ws.inflateUpTo(MAX_BYTES)
  ws.on('error', () => undefined)
  const received: string[] = []
  ws.on('message', (data) => received.push((data as Buffer).toString()))
  return { client, ws, writer, received }
}

describe('what the server sends', () => {
  const WORDS = 'the quick brown fox jumps over a lazy dog while nobody else was looking 消息 at {"id":"7","text":null}'.split(
    ' ',
  )
  /** The same on every run. */
  function* numbers(): Generator<number, never> {
    for (let seed = 7; ;) yield (seed = (seed * 48_271) % 2_147_483_647)
  }

  const cases = SIZES.flatMap((bits) => [false, true].map((forgets): [number, boolean] => [bits, forgets]))
  test.each(cases)(
    'a window of 2 to the %i, no_context_takeover %s: every text arrives, and nothing refers further back',
    async (bits, forgets) => {
      const offer = `${NAME}; server_max_window_bits=${bits}${forgets ? '; server_no_context_takeover' : ''}`
      const { client, writer } = await connect(offer)
      const inflate = new StrictInflate(bits)
      const random = numbers()
      const next = (limit: number): number => random.next().value % limit
      const words = (count: number): string => Array.from({ length: count }, () => WORDS[next(WORDS.length)]).join(' ')
      const owners = ['a', 'an id as long as that of a client', 'x'.repeat(300)]
      const expected: string[] = []
      let compressed = 0
      for (let sent = 0; sent < 80; sent++) {
        // Nothing between some of them, texts longer than any window too.
        const length = [0, 3, 20, 20, 20, 40, 150][next(7)] as number
        const text = sent === 39 ? words(7000) : words(length)
        const kind = next(8)
        const owner = owners[next(3)] as string
        const beginning = Buffer.from(`{"id":"${owner}","payload":`)
        const message = new SharedMessage(text, `conversation ${next(10) === 0 ? 1 : 0}`)
        const payload = Buffer.from(text)
        if (kind === 0) writer.write(encodeTextFrame(text))
        else if (kind < 3) writer.writeShared(message, encodeTextFrame(text))
        else writer.writeShared(message, encodeTextFrameStart(beginning, payload.length), payload, owner)
        expected.push(kind < 3 ? text : `${beginning.toString()}${text}`)
        if (next(5) === 0) await new Promise(setImmediate)
      }
      for (const text of expected) {
        const frame = await client.inbox.next()
        expect(frame.opcode).toBe(OPCODE.text)
        if (frame.isCompressed) compressed++
        expect(frame.isCompressed ? inflate.message(frame.payload) : frame.payload.toString()).toBe(text)
        if (forgets) inflate.forget()
      }
      expect(compressed).toBeGreaterThan(25)
    },
  )

  test('a client that reads nothing is closed with 4508, and what it got until then is whole and in order', async () => {
    const { client, ws, writer } = await connect(NAME, 1_000_000)
    client.socket.pause()
    const texts: string[] = []
    while (ws.readyState === ws.OPEN) {
      // Half of it is new each time, half of it was in the last one too.
      const text = JSON.stringify({
        content: `${texts.length} ${randomBytes(15_000).toString('base64')}`,
        sender: 'x'.repeat(15_000),
      })
      writer.writeShared(new SharedMessage(text, 'c'), encodeTextFrame(text))
      if (ws.readyState === ws.OPEN) texts.push(text)
      await new Promise(setImmediate)
    }
    client.socket.resume()
    const inflate = continuousInflate()
    for (const [n, text] of texts.entries()) {
      const frame = await client.inbox.next()
      expect(frame.isCompressed).toBe(true)
      // Without a difference of 30,000 characters where it fails.
      expect((await inflate(frame.payload)) === text, `the text of frame ${n}`).toBe(true)
    }
    expect(await client.closeCode()).toBe(4508)
  })

  test('what is ephemeral waits while a client is slow, is uncompressed, and changes nothing for what is compressed', async () => {
    const { client, writer } = await connect(NAME, 1_000_000)
    client.socket.pause()
    const expected: string[] = []
    const send = (): void => {
      const text = JSON.stringify({ content: `${expected.length} ${randomBytes(15_000).toString('base64')}` })
      expected.push(text)
      writer.writeShared(new SharedMessage(text, 'c'), encodeTextFrame(text))
    }
    while (writer.waiting() < 500_000) {
      send()
      await new Promise(setImmediate)
    }
    for (let n = 0; n < 10; n++) writer.write(encodeTextFrame(`typing ${n}`), 'typing')
    send()
    client.socket.resume()
    const inflate = continuousInflate()
    const plain: string[] = []
    for (let seen = 0; seen < expected.length;) {
      const { isCompressed, payload } = await client.inbox.next()
      if (isCompressed) expect((await inflate(payload)) === expected[seen++], `the text of frame ${seen}`).toBe(true)
      else plain.push(payload.toString())
    }
    if (plain.length === 0) plain.push((await client.inbox.next()).payload.toString())
    expect(plain).toEqual(['typing 9'])
  })

  test('pings, a close frame and frames of one socket alone between them are not compressed', async () => {
    const { client, ws, writer } = await connect(NAME)
    const inflate = new StrictInflate(15)
    const text = (n: number): string => `{"content":"the words of the ${n}th message, which are much the same each time"}`
    for (let n = 0; n < 3; n++) {
      writer.writeShared(new SharedMessage(text(n), 'c'), encodeTextFrame(text(n)))
      await new Promise(setImmediate)
      ws.ping('are you there')
      writer.write(encodeTextFrame(`own ${n} ${'x'.repeat(200)}`))
      await new Promise(setImmediate)
    }
    writer.close(1000, 'done')
    for (let n = 0; n < 3; n++) {
      const frame = await client.inbox.next()
      expect([frame.opcode, frame.isCompressed, inflate.message(frame.payload)]).toEqual([OPCODE.text, true, text(n)])
      if (n > 0) expect(frame.payload.length).toBeLessThan(25)
      expect(await client.inbox.next()).toMatchObject({ opcode: OPCODE.ping, isCompressed: false })
      const own = await client.inbox.next()
      expect([own.isCompressed, own.payload.toString()]).toEqual([false, `own ${n} ${'x'.repeat(200)}`])
    }
    expect(await client.inbox.next()).toMatchObject({ opcode: OPCODE.close, isCompressed: false })
  })

  test('the text of one conversation is no history for another one', async () => {
    const { client, writer } = await connect(NAME)
    const secret = `{"content":"the password of the safe is 8302-4471-9925","sender":{"id":"7","name":"Ann"},"conversation":{"id":"7"}}`
    const sizes: number[] = []
    for (const scope of ['a', 'a', 'b', 'a']) {
      writer.writeShared(new SharedMessage(secret, scope), encodeTextFrame(secret))
      sizes.push((await client.inbox.next()).payload.length)
    }
    const [first, again] = sizes as [number, number]
    expect(again).toBeLessThan(first / 4)
    // Neither after the one of another conversation, nor back in its own.
    expect(sizes).toEqual([first, again, first, first])
  })

  test('sockets in the same state get the same bytes, whatever their windows', async () => {
    const sockets: Awaited<ReturnType<typeof connect>>[] = []
    for (const bits of [15, 12, 11]) sockets.push(await connect(`${NAME}; server_max_window_bits=${bits}`))
    const frames: string[][] = sockets.map(() => [])
    for (let n = 0; n < 3; n++) {
      const text = `{"content":"message ${n} of several that are alike, for all to see"}`
      const message = new SharedMessage(text, 'c')
      const payload = Buffer.from(text)
      for (const [index, { writer }] of sockets.entries())
        writer.writeShared(
          message,
          encodeTextFrameStart(Buffer.from(`{"id":"socket ${index}","payload":`), payload.length),
          payload,
          `${index}`,
        )
      for (const [index, { client }] of sockets.entries())
        frames[index]?.push((await client.inbox.next()).payload.toString('hex'))
    }
    // The first frame has each socket's own beginning, later ones refer to it.
    expect(new Set(frames.map(([first]) => first)).size).toBe(3)
    expect(new Set(frames.map(([, ...later]) => later.join())).size).toBe(1)
  })

  test('what a turn of the event loop compresses is bounded, whatever the sockets are different in', async () => {
    const sockets: Awaited<ReturnType<typeof connect>>[] = []
    for (let each = 0; each < 12; each++) sockets.push(await connect(NAME))
    const compressedOf = async (message: SharedMessage): Promise<number> => {
      const payload = Buffer.from(message.text as string)
      const frames = sockets.map(({ writer, client }, index) => {
        // Of a length of its own, so that no socket shares what is compressed for another one.
        const beginning = Buffer.from(`{"id":"${'x'.repeat(index)}","payload":`)
        writer.writeShared(message, encodeTextFrameStart(beginning, payload.length), payload, `${index}`)
        return client.inbox.next()
      })
      return (await Promise.all(frames)).filter(({ isCompressed }) => isCompressed).length
    }
    const messageOf = (length: number) => new SharedMessage('it is all the same '.repeat(length / 19), 'c')
    expect(await compressedOf(messageOf(1900))).toBe(12)
    const some = await compressedOf(messageOf(19_000))
    expect(some).toBeGreaterThan(3)
    expect(some).toBeLessThan(8)
    await new Promise(setImmediate)
    // What it may refer to counts too.
    expect(await compressedOf(messageOf(19_000))).toBeGreaterThan(1)
    expect(await compressedOf(messageOf(190_000))).toBe(0)
  })

  test.each([undefined, `${NAME}; unknown`])('nothing is compressed for a client that offers %s', async (offers) => {
    const { client, writer } = await connect(offers)
    expect(client.head.toLowerCase()).not.toContain('sec-websocket-extensions')
    const text = 'x'.repeat(1000)
    writer.writeShared(new SharedMessage(text, 'c'), encodeTextFrame(text))
    expect(await client.inbox.next()).toMatchObject({ isCompressed: false, payload: Buffer.from(text) })
  })
})

describe('what clients send (RFC 7692, section 7.2.3)', () => {
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
  const compressed = (payload: Buffer, rest: { fin?: boolean } = {}): Buffer =>
    clientFrame(OPCODE.text, payload, { rsv1: true, ...rest })
  const deflated = (text: string): Buffer => deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4)
  const more = (payload: Buffer | string, fin: boolean): Buffer => clientFrame(OPCODE.continuation, payload, { fin })

  const taken: [what: string, frames: Buffer[], texts: string[]][] = [
    ['one block', [compressed(hex('f2 48 cd c9 c9 07 00'))], ['Hello']],
    ['fragments', [compressed(hex('f2 48 cd'), { fin: false }), more(hex('c9 c9 07 00'), true)], ['Hello']],
    [
      'a fragment of nothing',
      [compressed(hex(''), { fin: false }), more(hex('f2 48 cd c9 c9 07 00'), false), more('', true)],
      ['Hello'],
    ],
    [
      'fragments with a ping between them',
      [compressed(hex('f2 48 cd'), { fin: false }), clientFrame(OPCODE.ping, 'x'), more(hex('c9 c9 07 00'), true)],
      ['Hello'],
    ],
    ['a stored block', [compressed(hex('00 05 00 fa ff 48 65 6c 6c 6f 00'))], ['Hello']],
    ['a block that says it is the last', [compressed(hex('f3 48 cd c9 c9 07 00 00'))], ['Hello']],
    [
      'such a block, and another after it',
      [compressed(Buffer.concat([hex('f3 48 cd c9 c9 07 00'), hex('f2 48 cd c9 c9 07 00')]))],
      ['HelloHello'],
    ],
    ['two blocks', [compressed(hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00'))], ['Hello']],
    ['an empty message', [compressed(hex('00'))], ['']],
    ['an empty message as a fixed block', [compressed(hex('02 00'))], ['']],
    ['an empty message in fragments', [compressed(hex(''), { fin: false }), more(hex('00'), true)], ['']],
    [
      'an uncompressed one between',
      [compressed(deflated('one')), clientFrame(OPCODE.text, 'two'), compressed(deflated('three'))],
      ['one', 'two', 'three'],
    ],
    [
      'several, long and short',
      Array.from({ length: 40 }, (_, n) => compressed(deflated(`${n} ${'y'.repeat((n % 4) * 3000)}`))),
      Array.from({ length: 40 }, (_, n) => `${n} ${'y'.repeat((n % 4) * 3000)}`),
    ],
  ]
  test.each(taken)('%s', async (_, frames, texts) => {
    const { client, received } = await connect(NAME)
    client.socket.write(Buffer.concat([...frames, clientFrame(OPCODE.text, 'end')]))
    await expect.poll(() => received.at(-1)).toBe('end')
    expect(received.slice(0, -1)).toEqual(texts)
  })

  test('one byte at a time', async () => {
    const { client, received } = await connect(NAME)
    for (const byte of Buffer.concat([compressed(deflated('first')), compressed(deflated('second'))])) {
      client.socket.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    await expect.poll(() => received).toEqual(['first', 'second'])
  })

  const long = 'z'.repeat(MAX_BYTES)
  const refused: [what: string, code: number, frames: Buffer[]][] = [
    ['more than the limit', 1009, [compressed(deflated(`${long}.`))]],
    ['much more than the limit', 1009, [compressed(deflated('0'.repeat(10_000_000)))]],
    [
      'more than the limit in two final blocks',
      1009,
      [compressed(Buffer.concat([deflateRawSync(long), deflateRawSync('more')]))],
    ],
    ['what is no DEFLATE', 1007, [compressed(hex('ff ff ff ff'))]],
    // Each of them takes a decompressor of its own.
    ['a message of 1000 final blocks', 1007, [compressed(Buffer.concat(Array(1000).fill(hex('03 00'))))]],
    ['what is no UTF-8', 1007, [compressed(deflateRawSync(hex('c3 28'), { finishFlush: 2 }).subarray(0, -4))]],
    [
      'a reference to an earlier message',
      1007,
      [
        compressed(deflated('a text that repeats itself')),
        compressed(
          deflateRawSync('a text that repeats itself', {
            finishFlush: 2,
            dictionary: Buffer.from('a text that repeats itself'),
          }).subarray(0, -4),
        ),
      ],
    ],
    [
      'RSV1 in a later fragment',
      1002,
      [compressed(hex('f2 48 cd'), { fin: false }), clientFrame(OPCODE.continuation, hex('c9 c9 07 00'), { rsv1: true })],
    ],
    ['RSV1 in a ping', 1002, [clientFrame(OPCODE.ping, 'x', { rsv1: true })]],
  ]
  test.each(refused)('%s is refused with %i', async (_, code, frames) => {
    const { client } = await connect(NAME)
    client.socket.write(Buffer.concat(frames))
    expect(await client.closeCode()).toBe(code)
  })

  test('as many bytes as the limit pass', async () => {
    const { client, received } = await connect(NAME)
    client.socket.write(compressed(deflated(long)))
    await expect.poll(() => received).toEqual([long])
  })

  test('a compressed message where nothing was agreed is refused with 1002', async () => {
    const { client } = await connect()
    client.socket.write(compressed(deflated('x')))
    expect(await client.closeCode()).toBe(1002)
  })
})
