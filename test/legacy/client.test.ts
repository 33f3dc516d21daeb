import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  ClientClosedError,
  ConnectionLostError,
  createLegacyClient,
  RequestRefusedError,
  RequestTimeoutError,
  type ClientState,
  type Incoming,
  type LegacyClient,
  type LegacyClientOptions,
} from '../../src/clients/legacy/client.ts'
import { Pushes } from '../../src/clients/legacy/pushes.ts'
import type { PushFrame } from '../../src/legacy-protocol/frames.ts'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { copyDatabase } from '../support/database.ts'
import { Inbox } from '../support/inbox.ts'
import { createGroup, direct, people, say } from '../support/people.ts'

let app: TestApp
let limited: TestApp
beforeAll(async () => {
  ;[app, limited] = await Promise.all([startApp(), startApp({ RESUME_LIMIT: '3' })])
})
afterAll(() => Promise.all([app.stop(), limited.stop()]))

interface Connected {
  client: LegacyClient
  states: Inbox<{ state: ClientState; why: string }>
  /** The sockets that it opened, the last one last. */
  sockets: WebSocket[]
  /** The newest one. */
  socket(): WebSocket
  /** Loses whatever comes over the newest socket from now on. */
  deafen(): void
  /** Reads so many pushes, all but presence. */
  read(count: number): Promise<Incoming[]>
  reaches(state: ClientState): Promise<{ state: ClientState; why: string }>
}

const open: LegacyClient[] = []
afterEach(async () => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  for (const client of open.splice(0)) await client.close()
})

/** A client over real sockets that the test can get hold of; it comes back quickly. */
function create(token: LegacyClientOptions['token'], options: Partial<LegacyClientOptions> = {}): Connected {
  const sockets: WebSocket[] = []
  const deaf = new Set<WebSocket>()
  class Tapped extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols)
      sockets.push(this)
    }
    override emit(event: string, ...rest: unknown[]): boolean {
      return (event !== 'message' || !deaf.has(this)) && super.emit(event, ...rest)
    }
  }
  const states = new Inbox<{ state: ClientState; why: string }>()
  const client = createLegacyClient({
    url: app.legacyUrl,
    token,
    webSocket: Tapped,
    onState: (state, why) => states.push({ state, why }),
    ...options,
    timing: { minBackoff: 20, maxBackoff: 1000, ...options.timing },
  })
  open.push(client)
  const pushes = client.pushes()
  return {
    client,
    states,
    sockets,
    socket: () => sockets.at(-1) as WebSocket,
    deafen: () => void deaf.add(sockets.at(-1) as WebSocket),
    reaches: (state) => states.next((each) => each.state === state),
    async read(count) {
      const read: Incoming[] = []
      while (read.length < count) {
        const { value, done } = await pushes.next()
        if (done) throw new Error('the pushes ended')
        if (value.type !== 'online_status') read.push(value)
      }
      return read
    },
  }
}

const tokenFor = ({ id, name }: TestUser): string => tokenOf({ userId: id, name })

async function connect(user: TestUser, options: Partial<LegacyClientOptions> = {}): Promise<Connected> {
  const connected = create(tokenFor(user), options)
  await connected.client.ready()
  await connected.reaches('open')
  return connected
}

const contents = (pushes: Incoming[]): unknown[] =>
  pushes.map((push) => (push.type === 'message_sent' ? push.data.content : push.type))

describe('requests and pushes', () => {
  test('two chat', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const [a, b] = await Promise.all([connect(ann), connect(bob)])
    expect(await a.client.ready()).toMatchObject({ user_id: ann.id })
    expect(a.socket().protocol).toBe('bearer')

    const sent = await a.client.request('message_sent', { receiver_id: bob.id, content: 'hi' })
    expect(sent).toEqual({ success: true, message: '消息发送成功' })
    const [push] = await b.read(1)
    if (push?.type !== 'message_sent') throw new Error('expected the message')
    expect(push.data).toMatchObject({ content: 'hi', sender_id: ann.id, is_group: false })
    expect(await a.read(1)).toEqual([push])
    expect(b.client.lastMessageId).toBe(push.message_id)

    await b.client.request('message_read', { message_id: push.data.id })
    await b.client.request('reaction_added', { message_id: push.data.id, reaction: '👍' })
    await b.client.request('typing', { session_id: direct(ann, bob), typing: true })
    await b.client.request('reaction_removed', { message_id: push.data.id, reaction: '👍' })
    expect((await a.read(4)).map(({ type }) => type).toSorted()).toEqual([
      'message_read',
      'reaction_added',
      'reaction_removed',
      'typing',
    ])
    expect(await a.client.request('ping')).toEqual({})
    const renewed = await a.client.request('auth', { token: tokenFor(ann) })
    expect(Date.parse(renewed.expires_at)).toBeGreaterThan(Date.now())
  })

  test('a client iterates over its pushes, and another loop goes on where one stopped', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { client } = await connect(ann, { lastMessageId: '0' })
    for (const text of ['one', 'two', 'three']) await say(app, bob, ann, text)
    const read: unknown[] = []
    const readUntil = async (last: string): Promise<void> => {
      for await (const push of client) {
        if (push.type === 'message_sent') read.push(push.data.content)
        if (read.at(-1) === last) break
      }
    }
    // The reader of `create` waits for nothing, so all comes here.
    await readUntil('two')
    await readUntil('three')
    expect(read).toEqual(['one', 'two', 'three'])
  })

  test('a client begins after the state of a query, and goes on by the ids of what comes', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'shown')
    const { cursor } = await app.over(ann).data('{ cursor }')
    await say(app, bob, ann, 'after')
    const { client } = await connect(ann, { lastMessageId: cursor as string })
    for await (const push of client) {
      expect(push).toMatchObject({ type: 'message_sent', data: { content: 'after' } })
      expect(client.lastMessageId).toBe(push.message_id)
      break
    }
    expect(() => create('t', { lastMessageId: 'no cursor' })).toThrow(
      'lastMessageId must be decimal digits, or the cursor of a query',
    )
  })

  test('capabilities are there from the handshake on, on every connection', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const capabilities = ['edits', 'replies', 'reads'] as const
    const [a, b] = await Promise.all([connect(ann, { capabilities }), connect(bob, { capabilities })])
    expect(a.socket().protocol).toBe('bearer')
    await a.client.request('message_sent', { receiver_id: bob.id, content: 'one', mention_ids: [bob.id] })
    const [first] = await b.read(1)
    expect(first).toMatchObject({ type: 'message_sent', data: { content: 'one', reply_to_id: null, mention_ids: [bob.id] } })
    const { id, session_id } = (first as Extract<Incoming, { type: 'message_sent' }>).data
    await b.client.request('conversation_read', { session_id, message_id: id })
    expect(await b.read(1)).toMatchObject([{ type: 'conversation_read', data: { session_id, read_up_to: id, unread_count: 0 } }])
    await a.client.request('message_edited', { message_id: id, content: 'two' })
    expect(await b.read(1)).toMatchObject([{ type: 'message_edited', data: { id, content: 'two', mention_ids: [bob.id] } }])
    b.socket().terminate()
    await a.client.request('message_sent', { receiver_id: bob.id, content: 'three', reply_to_id: id })
    await a.client.request('message_deleted', { message_id: id })
    expect(await b.read(2)).toMatchObject([
      { type: 'message_sent', data: { content: 'three', reply_to_id: id } },
      { type: 'message_deleted', data: { message_id: id, deleted_by: ann.id } },
    ])
  })

  test('an edit whose answer was lost is repeated, and changes nothing the second time', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const capabilities = ['edits'] as const
    const id = await say(app, ann, bob, 'one')
    const [a, b] = await Promise.all([connect(ann, { capabilities }), connect(bob, { capabilities })])
    a.deafen()
    const answer = a.client.request('message_edited', { message_id: id, content: 'two' })
    await b.read(1)
    a.socket().terminate()
    expect(await answer).toEqual({ success: true, message: '消息已编辑' })
    await a.client.request('message_sent', { receiver_id: bob.id, content: 'after' })
    expect(contents(await b.read(1))).toEqual(['after'])
  })

  test('a refused request rejects with code, text and reason, and the connection goes on', async () => {
    const { ann } = await people(app, 'ann')
    const { client } = await connect(ann)
    const refused = await client.request('message_read', { message_id: 987654 }, { messageId: 'mine' }).catch((error) => error)
    expect(refused).toBeInstanceOf(RequestRefusedError)
    expect(refused).toMatchObject({ code: 404, msg: '标记消息已读失败', messageId: 'mine' })
    expect(refused.details.error).toEqual(expect.any(String))
    await expect(client.request('message_sent', { receiver_id: ann.id, content: 'me' })).rejects.toMatchObject({ code: 400 })
    expect(await client.request('ping')).toEqual({})
  })

  test('a request id that would not come back, or is in use, is refused at once', async () => {
    const { ann } = await people(app, 'ann')
    const { client } = await connect(ann)
    for (const messageId of ['', 'x'.repeat(65), '\ud83d', 'a\0']) {
      await expect(client.request('ping', undefined, { messageId })).rejects.toThrow(TypeError)
    }
    const first = client.request('ping', undefined, { messageId: 'same' })
    await expect(client.request('ping', undefined, { messageId: 'same' })).rejects.toThrow(TypeError)
    expect(await first).toEqual({})
  })

  test('a request without an answer times out, and says whether it was sent', async () => {
    const { ann } = await people(app, 'ann')
    const { client, deafen } = await connect(ann)
    deafen()
    const sent = await client.request('ping', undefined, { timeoutMs: 50 }).catch((error) => error)
    expect(sent).toBeInstanceOf(RequestTimeoutError)
    expect(sent).toMatchObject({ wasSent: true })
    const offline = create(tokenFor(ann), { url: 'ws://127.0.0.1:9/ws/connect' })
    const unsent = await offline.client.request('ping', undefined, { timeoutMs: 50 }).catch((error) => error)
    expect(unsent).toMatchObject({ name: 'RequestTimeoutError', wasSent: false })
  })

  test('a request is given up by its signal', async () => {
    const { ann } = await people(app, 'ann')
    const { client, deafen } = await connect(ann)
    deafen()
    const giveUp = new AbortController()
    const request = client.request('ping', undefined, { signal: giveUp.signal })
    giveUp.abort(new Error('enough'))
    await expect(request).rejects.toThrow('enough')
    await expect(client.request('ping', undefined, { signal: giveUp.signal })).rejects.toThrow('enough')
  })
})

describe('a connection that breaks', () => {
  test('is resumed again and again without loss, doubles and disorder', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { conversation } = await createGroup(app, bob, [ann, cat])
    const a = await connect(ann, { lastMessageId: '0' })
    const b = await connect(bob)
    const COUNT = 60
    const sending = (async () => {
      for (let n = 0; n < COUNT; n++) {
        const target = n % 2 === 0 ? { receiver_id: ann.id } : { is_group: true as const, conversation_id: conversation }
        await b.client.request('message_sent', { ...target, content: `${n}` } as { receiver_id: number; content: string })
        // Both sides: what the one can't receive, and what the other does not know the fate of.
        if (n % 10 === 5) a.socket().terminate()
        if (n % 15 === 7) b.socket().terminate()
      }
    })()
    const read: Incoming[] = []
    while (read.filter(({ type }) => type === 'message_sent').length < COUNT) read.push(...(await a.read(1)))
    await sending
    const messages = read.filter((push): push is PushFrame<'message_sent'> => push.type === 'message_sent')
    for (const isGroup of [true, false]) {
      const inOrder = messages.filter(({ data }) => data.is_group === isGroup).map(({ data }) => Number(data.content))
      expect(inOrder).toEqual(Array.from({ length: COUNT / 2 }, (_, n) => 2 * n + Number(isGroup)))
    }
    expect(a.sockets.length).toBeGreaterThan(3)
  })

  test('repeats a send whose answer was lost, which is stored once', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const [a, b] = await Promise.all([connect(ann), connect(bob)])
    a.deafen()
    const sending = a.client.request('message_sent', { receiver_id: bob.id, content: 'once' })
    const reading = a.client.request('ping').catch((error) => error)
    const [push] = await b.read(1)
    a.socket().terminate()
    expect(await sending).toMatchObject({ success: true })
    expect(await reading).toBeInstanceOf(ConnectionLostError)
    await a.client.request('message_sent', { receiver_id: bob.id, content: 'after' })
    expect(contents([push as Incoming, ...(await b.read(1))])).toEqual(['once', 'after'])
  })

  test('rejects what may not be repeated', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const a = await connect(ann)
    a.deafen()
    const typing = a.client.request('typing', { session_id: direct(ann, bob), typing: true }, { messageId: 't' })
    a.socket().terminate()
    await expect(typing).rejects.toMatchObject({ name: 'ConnectionLostError', code: 1006, messageId: 't' })
  })

  test('rejects the one frame that was too big, and repeats the others', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const a = await connect(ann)
    const media_url = `http://a/${'b'.repeat(70_000)}`
    const small = a.client.request('message_sent', { receiver_id: bob.id, content: 'small' })
    const big = a.client.request('message_sent', { receiver_id: bob.id, content: 'big', media_url })
    await expect(big).rejects.toMatchObject({ name: 'ConnectionLostError', code: 1009 })
    expect(await small).toMatchObject({ success: true })
  })

  test('is noticed by its silence', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const a = await connect(ann, { lastMessageId: '0', timing: { heartbeat: 50, silence: 300 } })
    a.deafen()
    await say(app, bob, ann, 'meanwhile')
    expect((await a.reaches('waiting')).why).toContain('silent')
    expect(contents(await a.read(1))).toEqual(['meanwhile'])
    expect(a.sockets).toHaveLength(2)
  })

  test('stays up by heartbeats where nothing else happens', async () => {
    const { ann } = await people(app, 'ann')
    const a = await connect(ann, { timing: { heartbeat: 20, silence: 5000 } })
    const beats = new Inbox<string>()
    a.socket().on('message', (data) => beats.push((data as Buffer).toString()))
    for (const beat of await beats.take(3)) expect(beat).toContain('"heartbeat"')
    expect(a.client.state).toBe('open')
  })

  test('before the first event says that it does not know what was missed', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const a = await connect(ann)
    a.socket().terminate()
    await a.reaches('open')
    await say(app, bob, ann, 'live')
    const [gap, live] = await a.read(2)
    expect(gap).toMatchObject({ type: 'resume', data: { complete: false } })
    expect(contents([live as Incoming])).toEqual(['live'])
  })

  test('tells of more missed events than the server gives', async () => {
    const { ann, bob } = await people(limited, 'ann', 'bob')
    const a = await connect(ann, { url: limited.legacyUrl })
    await say(limited, bob, ann, 'first')
    expect(contents(await a.read(1))).toEqual(['first'])
    const before = a.client.lastMessageId as string
    await a.client.close()
    for (let n = 0; n < 5; n++) await say(limited, bob, ann, `${n}`)
    const later = await connect(ann, { url: limited.legacyUrl, lastMessageId: before })
    expect((await later.read(1))[0]).toMatchObject({ type: 'resume', data: { complete: false } })
  })

  test('comes back to a restarted server when that said, with what was missed', async () => {
    const DATA_DIR = await copyDatabase()
    const first = await startApp({ DATA_DIR })
    const { ann, bob } = await people(first, 'ann', 'bob')
    const a = await connect(ann, { url: first.legacyUrl, lastMessageId: '0' })
    await say(first, bob, ann, 'before')
    expect(contents(await a.read(1))).toEqual(['before'])
    await first.stop()
    expect((await a.reaches('waiting')).why).toMatch(/^1012 .*in \d+ ms$/)
    const request = a.client.request('message_sent', { receiver_id: bob.id, content: 'during' })
    const second = await startApp({ DATA_DIR, PORT: String(first.port) })
    try {
      expect(await request).toMatchObject({ success: true })
      expect(contents(await a.read(1))).toEqual(['during'])
    } finally {
      await a.client.close()
      await second.stop()
      await rm(DATA_DIR, { recursive: true, force: true })
    }
  })
})

describe('a server that does not do as it should', () => {
  const ESTABLISHED = {
    type: 'connection_established',
    code: 200,
    msg: '连接成功',
    data: { user_id: 1, connection_id: 'c', server_time: '' },
  }

  /** What is done with each new connection is the test's; frames are objects or, as they are, texts and bytes. */
  async function serve(onConnection: (send: (frame: object | string) => void, socket: WebSocket) => void): Promise<string> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'bearer' })
    server.on('connection', (socket) =>
      onConnection((frame) => {
        socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
      }, socket),
    )
    await once(server, 'listening')
    servers.push(server)
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const servers: WebSocketServer[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) {
      for (const socket of server.clients) socket.terminate()
      server.close()
    }
  })

  test.each([
    ['no JSON', 'oops'],
    ['no object', 'null'],
    ['no type', '{"data":{}}'],
    ['no data', '{"type":"message_sent","code":200,"msg":"success","message_id":"1"}'],
    ['an id that is no string', { type: 'notification', data: {}, message_id: 1 }],
    ['an error without a reason', { type: 'error', code: 500, data: {}, message_id: 'r' }],
    ['bytes', Buffer.from('{"type":"heartbeat","code":200,"msg":"success","data":{}}')],
  ])('and sends what is no frame (%s) is left, and tried again', async (_, garbage) => {
    let count = 0
    const url = await serve((send) => {
      send(ESTABLISHED)
      if (count++ === 0) send(garbage)
    })
    const { reaches, client } = create('t', { url })
    await reaches('open')
    expect((await reaches('waiting')).why).toBe('1006 what the server sent is no frame')
    await reaches('open')
    expect(client.state).toBe('open')
  })

  test('and says nothing is left, and tried again', async () => {
    let count = 0
    const url = await serve((send) => void (count++ > 0 && send(ESTABLISHED)))
    const { reaches } = create('t', { url, timing: { connect: 100 } })
    expect((await reaches('waiting')).why).toContain('did not answer in time')
    await reaches('open')
  })

  test('and does not answer a resume is left, and asked again', async () => {
    let count = 0
    const url = await serve((send, socket) => {
      send(ESTABLISHED)
      const isFirst = count++ === 0
      socket.on('message', (text) => {
        const { type, message_id } = JSON.parse((text as Buffer).toString()) as Record<string, unknown>
        if (type === 'ping') send({ type: 'heartbeat', code: 200, msg: 'success', data: {} })
        else if (!isFirst)
          send({ type, code: 200, msg: 'success', data: { success: true, replayed: 0, complete: true }, message_id })
      })
    })
    const { reaches } = create('t', { url, lastMessageId: '5', timing: { connect: 100 } })
    expect((await reaches('waiting')).why).toContain('the resume was not answered')
    await reaches('open')
  })

  test('and ends each connection as soon as it is open is tried less and less often', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const times: number[] = []
    const url = await serve((send, socket) => {
      times.push(performance.now())
      send(ESTABLISHED)
      socket.close(4401)
    })
    const { reaches } = create(() => 't', { url, timing: { minBackoff: 100 } })
    for (let n = 0; n < 3; n++) await reaches('waiting')
    await expect.poll(() => times).toHaveLength(4)
    const [first = 0, second = 0, third = 0, fourth = 0] = times
    expect(second - first).toBeGreaterThan(90)
    expect(third - second).toBeGreaterThan(190)
    expect(fourth - third).toBeGreaterThan(390)
  })
})

describe('who does not read', () => {
  test('is disconnected when too much waits, and resumes as it reads', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const a = await connect(ann, { lastMessageId: '0', maxPushes: 4 })
    const texts = Array.from({ length: 12 }, (_, n) => `${n}`)
    for (const text of texts) await say(app, bob, ann, text)
    expect((await a.reaches('waiting')).why).toContain('wait to be read')
    expect(contents(await a.read(12))).toEqual(texts)
    expect(a.sockets.length).toBeGreaterThan(1)
  })

  test('and wants no pushes gets none, and stays', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const a = await connect(ann, { maxPushes: 0 })
    await say(app, bob, ann, 'one')
    await a.client.request('message_sent', { receiver_id: bob.id, content: 'two' })
    expect(a.client.state).toBe('open')
    const pushes = a.client.pushes()
    await a.client.close()
    expect(await pushes.next()).toEqual({ done: true, value: undefined })
  })
})

describe('tokens', () => {
  test('an expired one is renewed, and nothing is missed', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const reasons: string[] = []
    const a = create(
      async (reason) => {
        reasons.push(reason)
        return await Promise.resolve(tokenOf({ userId: ann.id, name: ann.name, ttlSeconds: reasons.length === 1 ? 2 : 3600 }))
      },
      { lastMessageId: '0' },
    )
    await a.client.ready()
    await a.reaches('open')
    await say(app, bob, ann, 'before')
    await a.reaches('open')
    await say(app, bob, ann, 'after')
    expect(contents(await a.read(2))).toEqual(['before', 'after'])
    expect(reasons).toEqual(['connect', 'refused'])
  })

  test('one that was not accepted is asked for again, after a pause', async () => {
    const { ann } = await people(app, 'ann')
    const reasons: string[] = []
    const a = create((reason) => (reasons.push(reason) === 1 ? 'not.a.token' : tokenFor(ann)))
    expect(await a.client.ready()).toMatchObject({ user_id: ann.id })
    expect(reasons).toEqual(['connect', 'refused'])
  })

  test('a provider that fails is asked again, one that has none closes the client', async () => {
    let asked = 0
    const a = create(() => (++asked === 1 ? Promise.reject(new Error('login is down')) : null))
    expect((await a.reaches('waiting')).why).toContain('login is down')
    expect(await a.client.closed).toMatchObject({ code: 4401 })
    await expect(a.client.ready()).rejects.toBeInstanceOf(ClientClosedError)
  })

  test('a fixed one that is no good closes the client', async () => {
    const a = create('not.a.token')
    await expect(a.client.ready()).rejects.toMatchObject({ code: 4401 })
    const b = create('not a token')
    await expect(b.client.ready()).rejects.toMatchObject({ code: 4401, cause: expect.any(SyntaxError) })
  })
})

describe('closing', () => {
  test('ends the pushes, rejects what waits, and closes the socket with 1000', async () => {
    const { ann } = await people(app, 'ann')
    const a = await connect(ann)
    a.deafen()
    const request = a.client.request('ping').catch((error) => error)
    const pushes = a.client.pushes()
    const closed = a.client.close()
    expect(await request).toMatchObject({ name: 'ClientClosedError', code: 1000 })
    await closed
    expect(a.socket().readyState).toBe(WebSocket.CLOSED)
    expect((await a.client.closed).code).toBe(1000)
    for await (const { type } of pushes) expect(type).toBe('online_status')
    await expect(a.client.request('ping')).rejects.toBeInstanceOf(ClientClosedError)
    expect(a.client.state).toBe('closed')
  })

  test('happens by a signal, also before anything began', async () => {
    const { ann } = await people(app, 'ann')
    const stop = new AbortController()
    const a = await connect(ann, { signal: stop.signal })
    stop.abort('enough')
    expect(await a.client.closed).toMatchObject({ code: 1000, cause: 'enough' })
    const b = create(tokenFor(ann), { signal: stop.signal })
    await expect(b.client.ready()).rejects.toMatchObject({ code: 1000 })
    expect(b.sockets).toHaveLength(0)
  })

  test('does not wait for a server that is gone', async () => {
    const { ann } = await people(app, 'ann')
    const a = await connect(ann, { timing: { silence: 50 } })
    a.socket().pause()
    await a.client.close()
    expect(a.client.state).toBe('closed')
  })

  test('is possible at any moment of a connection attempt', async () => {
    const { ann } = await people(app, 'ann')
    let give = (_token: string): void => undefined
    const waitsForToken = create(() => new Promise((resolve) => (give = resolve)))
    const waitsForServer = create(tokenFor(ann))
    await expect.poll(() => waitsForServer.sockets).toHaveLength(1)
    await Promise.all([waitsForToken.client.close(), waitsForServer.client.close()])
    give(tokenFor(ann))
    await expect(waitsForToken.client.ready()).rejects.toBeInstanceOf(ClientClosedError)
    expect(waitsForToken.sockets).toHaveLength(0)
    expect(waitsForServer.socket().readyState).toBe(WebSocket.CLOSED)
  })

  test('leaves what came to be read, and reading it opens nothing again', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const token = vi.fn<() => string>(() => tokenFor(ann))
    const a = create(token, { lastMessageId: '0', maxPushes: 4 })
    await a.reaches('open')
    for (let n = 0; n < 4; n++) await say(app, bob, ann, `${n}`)
    await a.reaches('waiting')
    await a.client.close()
    const read: Incoming[] = []
    for await (const push of a.client) if (push.type === 'message_sent') read.push(push)
    expect(contents(read)).toEqual(['0', '1', '2', '3'])
    expect(a.client.state).toBe('closed')
    expect(token).toHaveBeenCalledTimes(1)
  })

  test('by an administrator is for good', async () => {
    const { ann } = await people(app, 'ann')
    const a = await connect(ann)
    const pushes = a.client.pushes()
    const read = (async () => {
      for await (const { type } of pushes) expect(type).toBe('online_status')
    })().catch((error) => error)
    await app.admin.data('mutation ($id: ID!) { disconnectUser(userId: $id) }', { id: ann.id })
    expect(await a.client.closed).toMatchObject({ code: 4403 })
    expect(await read).toBeInstanceOf(ClientClosedError)
    expect(a.sockets).toHaveLength(1)
  })
})

describe('without a network', () => {
  test('the pauses double up to the longest, and half of each is left to chance', async () => {
    vi.useFakeTimers()
    let opened = 0
    class Dead {
      readyState = 3
      constructor() {
        opened++
      }
      send(): void {}
      close(): void {}
      addEventListener(type: string, listener: (event: never) => void): void {
        if (type === 'close') queueMicrotask(() => listener({ code: 1006, reason: '' } as never))
      }
    }
    const random = vi.spyOn(Math, 'random').mockReturnValue(0)
    const { client } = create('t', { webSocket: Dead, timing: { minBackoff: 100, maxBackoff: 350 } })
    await vi.advanceTimersByTimeAsync(0)
    // Each value of chance decides on the pause after the attempt that it sees fail.
    const pauses = [
      { pause: 50, chance: 0.5 },
      { pause: 150, chance: 0 },
      { pause: 175, chance: 1 },
      { pause: 350, chance: 0 },
    ]
    for (const [index, { pause, chance }] of pauses.entries()) {
      random.mockReturnValue(chance)
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(opened).toBe(index + 1)
      await vi.advanceTimersByTimeAsync(1)
      expect(opened).toBe(index + 2)
    }
    expect(client.state).not.toBe('closed')
  })

  test('the global WebSocket is taken where none is given', async () => {
    const { ann } = await people(app, 'ann')
    vi.stubGlobal('WebSocket', undefined)
    expect(() => createLegacyClient({ url: app.legacyUrl, token: 't' })).toThrow('there is no global WebSocket')
    expect(() => create('t', { lastMessageId: 'x' })).toThrow(TypeError)
    vi.stubGlobal('WebSocket', WebSocket)
    const client = createLegacyClient({ url: app.legacyUrl, token: tokenFor(ann) })
    expect(await client.ready()).toMatchObject({ user_id: ann.id })
    await client.close()
  })
})

describe('the order of pushes', () => {
  const push = (id: string): PushFrame =>
    ({ type: 'notification', code: 200, msg: 'success', data: { notification_type: 'n', data: {} }, message_id: id }) as const
  const answer = (complete: boolean) =>
    ({ type: 'resume', code: 200, msg: 'success', data: { success: true, replayed: 0, complete } }) as const

  test('live events that come during a replay wait for those that were missed', async () => {
    const pushes = new Pushes(100, '8', () => undefined)
    pushes.startReplay()
    for (const id of ['12', '9', '10', '12']) pushes.take(push(id))
    expect(pushes.cursor).toBe('8')
    pushes.release(answer(true))
    expect(pushes.cursor).toBe('12')
    pushes.close()
    const ids: unknown[] = []
    for await (const { message_id } of pushes.read()) ids.push(message_id)
    expect(ids).toEqual(['9', '10', '12'])
    expect(pushes.lastRead).toBe('12')
  })

  test('a replay that broke off counts for nothing', () => {
    const pushes = new Pushes(100, '8', () => undefined)
    pushes.startReplay()
    pushes.take(push('12'))
    pushes.lost()
    expect(pushes.cursor).toBe('8')
  })

  test('after a gap the next event is where to resume, even if its id is lower', async () => {
    const pushes = new Pushes(100, '99', () => undefined)
    pushes.startReplay()
    pushes.release(answer(false))
    pushes.take(push('5'))
    expect(pushes.cursor).toBe('5')
    const reader = pushes.read()
    expect((await reader.next()).value).toMatchObject({ type: 'resume' })
    expect(pushes.lastRead).toBe('99')
    await reader.next()
    expect(pushes.lastRead).toBe('5')
  })
})
