import { rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { fetchEventSource } from '@microsoft/fetch-event-source'
import { createClient as createSseClient, type Client as SseClient } from 'graphql-sse'
import { createClient, type Client } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { outbox, resumable, type Payload, type ResumeOptions } from '../../src/clients/resume/resume.ts'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { copyDatabase } from '../support/database.ts'
import type { Data, Result } from '../support/graphql-client.ts'
import { Inbox } from '../support/inbox.ts'
import { createGroup, people, say } from '../support/people.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const RESUME_LIMIT = 10

let app: TestApp
beforeAll(async () => {
  app = await startApp({ RESUME_LIMIT: String(RESUME_LIMIT), MAX_BUFFERED_BYTES: '65536' })
})
afterAll(() => app.stop())

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const openProxy = async (port: number): Promise<{ proxy: TcpProxy; port: number }> => {
  const proxy = new TcpProxy(port)
  cleanups.push(() => proxy.close())
  return { proxy, port: await proxy.listen() }
}

/** A plain client of graphql-ws; its own retries are quick. */
function connect(port: number, token: string | (() => string), retryAttempts = 3): Client {
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: () => ({ authorization: `Bearer ${typeof token === 'string' ? token : token()}` }),
    retryAttempts,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
  })
  // It rejects where it waits to come back.
  cleanups.push(() => Promise.resolve(client.dispose()).catch(() => undefined))
  return client
}

const tokenFor = ({ id }: TestUser): string => tokenOf({ userId: id })

const EVENTS = 'subscription ($after: ID) { events(after: $after) { __typename id ... on MessageSent { message { content } } } }'

interface Followed {
  inbox: Inbox<Result>
  /** Resolves with what it ended with; undefined where it was complete. */
  ended: Promise<unknown>
  stop(): void
}

function follow(client: Pick<Client | SseClient, 'subscribe'>, payload: Payload): Followed {
  const inbox = new Inbox<Result>()
  let stop = (): void => undefined
  const ended = new Promise<unknown>((resolve) => {
    const over = (error?: unknown): void => {
      inbox.end(`it ended: ${String(error)}`)
      resolve(error)
    }
    stop = client.subscribe(payload as never, { next: (result) => inbox.push(result as Result), error: over, complete: over })
  })
  return { inbox, ended, stop }
}

const contentOf = ({ data }: Result): string => (Object.values(data as Data)[0] as Data).message?.content
const contents = async (inbox: Inbox<Result>, count: number): Promise<string[]> => (await inbox.take(count)).map(contentOf)

/** With the client's own retries, and without them: then the wrapper does it all. */
describe.each([3, 0])('a subscription that resumes, over graphql-ws with %i retries of its own,', (retryAttempts) => {
  const client = (port: number, user: TestUser, options?: ResumeOptions): Client =>
    resumable(connect(port, tokenFor(user), retryAttempts), options)

  test('goes on where its line was cut, once and in order', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { proxy, port } = await openProxy(app.port)
    const { inbox } = follow(client(port, ann), { query: EVENTS, variables: { after: '0' } })
    const expected: string[] = []
    for (let round = 0; round < 3; round++) {
      for (let number = 0; number < 3; number++) {
        expected.push(`${round} ${number}`)
        await say(app, bob, ann, `${round} ${number}`)
        if (number === 0) {
          expect(await contents(inbox, 1)).toEqual([`${round} 0`])
          proxy.cut()
        }
      }
      proxy.repair()
      expect(await contents(inbox, 2)).toEqual(expected.slice(-2))
    }
    expect(inbox.waiting).toEqual([])
  })

  test('goes on after 4508, when it was too slow', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { proxy, port } = await openProxy(app.port)
    const inner = connect(port, tokenFor(ann), retryAttempts)
    const closed = new Promise<number>((resolve) => inner.on('closed', (event) => resolve((event as CloseEvent).code)))
    const { inbox } = follow(resumable(inner), { query: EVENTS, variables: { after: '0' } })
    await say(app, bob, ann, 'first')
    expect(await contents(inbox, 1)).toEqual(['first'])
    proxy.stall(true)
    // What the system takes besides is some megabytes: messages of 15 KB, until the server has had enough.
    const sends = Array.from(
      { length: 25 },
      (_, n) => `m${n}: sendMessage(input: { receiverId: ${ann.id}, content: $content }) { id }`,
    )
    const content = '字'.repeat(5000)
    const dropped = async (): Promise<string | undefined> =>
      /^parley_drops_total\{class="socket"\} .*$/m.exec(await (await fetch(`${app.http}/metrics`)).text())?.[0]
    const before = await dropped()
    while ((await dropped()) === before)
      await app.over(bob).data(`mutation ($content: String!) { ${sends.join(' ')} }`, { content })
    proxy.stall(false)
    expect(await closed).toBe(4508)
    expect(inbox.waiting.length).toBeGreaterThan(0)
  })

  test('ends with 4403, and is not tried again', async () => {
    const { ann } = await people(app, 'ann')
    const inner = connect(app.port, tokenFor(ann), retryAttempts)
    let connections = 0
    inner.on('connected', () => connections++)
    const { ended } = follow(resumable(inner), { query: EVENTS })
    await new Promise<void>((resolve) => inner.on('connected', () => resolve()))
    await app.admin.data('mutation ($id: ID!) { disconnectUser(userId: $id) }', { id: ann.id })
    expect(await ended).toMatchObject({ code: 4403 })
    expect(connections).toBe(1)
  })

  test('asks for a new token when the old one has expired', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    let asked = 0
    const token = (): string => tokenOf({ userId: ann.id, ttlSeconds: ++asked === 1 ? 2 : 3600 })
    const inner = connect(app.port, token, retryAttempts)
    const closed = new Promise<number>((resolve) => inner.on('closed', (event) => resolve((event as CloseEvent).code)))
    const { inbox } = follow(resumable(inner), { query: EVENTS, variables: { after: '0' } })
    await say(app, bob, ann, 'before')
    expect(await contents(inbox, 1)).toEqual(['before'])
    expect(await closed).toBe(4401)
    await say(app, bob, ann, 'after')
    expect(await contents(inbox, 1)).toEqual(['after'])
    expect(asked).toBe(2)
  })

  test('runs the recipe after an incomplete resume, and shows everything once', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { proxy, port } = await openProxy(app.port)
    const shown = new Set<string>()
    const inner = connect(port, tokenFor(ann), retryAttempts)
    const wrapped = resumable(inner, {
      async onIncomplete() {
        const { data } = (
          await wrapped
            .iterate({
              query: '{ cursor conversations { edges { node { messages(first: 100) { edges { node { content } } } } } } }',
            })
            .next()
        ).value as Result
        for (const { node } of (data as Data).conversations.edges)
          for (const edge of node.messages.edges) shown.add(edge.node.content)
        // Shown by the stream, not by the query.
        await say(app, bob, ann, 'while it is loaded')
        return (data as Data).cursor
      },
    })
    const { inbox } = follow(wrapped, { query: EVENTS, variables: { after: '0' } })
    await say(app, bob, ann, 'before')
    expect(await contents(inbox, 1)).toEqual(['before'])
    proxy.cut()
    const missed = Array.from({ length: RESUME_LIMIT + 5 }, (_, number) => `missed ${number}`)
    for (const text of missed) await say(app, bob, ann, text)
    proxy.repair()
    expect(await contents(inbox, 1)).toEqual(['while it is loaded'])
    expect([...shown].toReversed()).toEqual(['before', ...missed])
    await say(app, bob, ann, 'live')
    expect(await contents(inbox, 1)).toEqual(['live'])
    expect(inbox.waiting).toEqual([])
  })

  test('passes ResumeIncomplete on where nothing is done about it', async () => {
    const { ann } = await people(app, 'ann')
    const { inbox } = follow(client(app.port, ann), { query: EVENTS, variables: { after: '900000000' } })
    expect(await inbox.next()).toEqual({ data: { events: { __typename: 'ResumeIncomplete', id: null } } })
  })

  test('has a cursor of its own beside others on the same socket', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const [one, two] = [await createGroup(app, bob, [ann]), await createGroup(app, bob, [ann])]
    const { proxy, port } = await openProxy(app.port)
    const wrapped = client(port, ann)
    const query =
      'subscription ($id: ID!, $after: ID) { conversationEvents(conversationId: $id, after: $after) { id ... on MessageSent { message { content } } } }'
    const { cursor } = await app.over(ann).data('{ cursor }')
    const inboxes = [one, two].map(
      ({ conversation }) => follow(wrapped, { query, variables: { id: conversation, after: cursor } }).inbox,
    )
    await say(app, bob, one.conversation, 'a1')
    expect(await contents(inboxes[0] as Inbox<Result>, 1)).toEqual(['a1'])
    proxy.cut()
    await say(app, bob, two.conversation, 'b1')
    await say(app, bob, one.conversation, 'a2')
    proxy.repair()
    expect(await contents(inboxes[0] as Inbox<Result>, 1)).toEqual(['a2'])
    expect(await contents(inboxes[1] as Inbox<Result>, 1)).toEqual(['b1'])
  })

  test('goes on after a reload where its cursor is stored', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const kept = new Map<string, string>()
    const store = { load: (key: string) => kept.get(key), save: (key: string, cursor: string) => kept.set(key, cursor) }
    const payload = { query: EVENTS, variables: { after: '0' } }
    await say(app, bob, ann, 'one')
    const first = client(app.port, ann, { store })
    expect(await contents(follow(first, payload).inbox, 1)).toEqual(['one'])
    await first.dispose()
    await say(app, bob, ann, 'two')
    const second = client(app.port, ann, { store: { ...store, load: (key) => Promise.resolve(kept.get(key)) } })
    expect(await contents(follow(second, payload).inbox, 1)).toEqual(['two'])
    expect([...kept.keys()]).toEqual([expect.stringMatching(/^resume-[0-9a-z]+$/)])
  })
})

test('goes on when the server restarts at the same address, not before the time that it was told', async () => {
  const folder = await copyDatabase()
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const env = { DATA_DIR: folder, JWT_LEEWAY_SECONDS: '0' }
  const first = await startApp(env)
  const { ann, bob } = await people(first, 'ann', 'bob')
  const retries: { code: number; pause: number; reason: string }[] = []
  const inner = connect(first.port, tokenFor(ann), 0)
  const wrapped = resumable(inner, {
    onRetry: (reason, pause) =>
      retries.push({
        ...(reason as { code: number; reason: string }),
        code: (reason as CloseEvent).code,
        reason: (reason as CloseEvent).reason,
        pause,
      }),
  })
  const { inbox } = follow(wrapped, { query: EVENTS, variables: { after: '0' } })
  await say(first, bob, ann, 'before')
  expect(await contents(inbox, 1)).toEqual(['before'])
  await first.stop()
  const second = await startApp({ ...env, PORT: String(first.port) })
  cleanups.push(() => second.stop())
  await say(second, bob, ann, 'after')
  expect(await contents(inbox, 1)).toEqual(['after'])
  expect(retries[0]?.code).toBe(1012)
  expect(retries[0]?.reason).toContain(` in ${retries[0]?.pause} ms`)
})

test('a document that can not be resumed is refused in a sentence; one without $after is passed on', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const wrapped = resumable(connect(app.port, tokenFor(ann)))
  const refused = [
    'subscription ($after: ID) { events(after: $after) { __typename } }',
    'subscription ($after: ID) { events(after: $after) { __typename ... on MessageSent { message { id } } } }',
    'subscription S($after: ID) { events(after: $after) { ...E } } fragment E on Event { __typename eventId: id }',
  ]
  const sink = { next: () => undefined, error: () => undefined, complete: () => undefined }
  for (const query of refused) expect(() => wrapped.subscribe({ query }, sink)).toThrow(/selects no `id` of its event/)
  const taken = [
    'subscription ($after: ID) { events(after: $after) { id } }',
    'subscription S($after: ID) { events(after: $after) { ...E } } fragment E on Event { ... on Event @include(if: true) { id } }',
    'subscription ($after: ID = "}") { e: events(after: $after) { # id is below\n ... { id } } }',
    'query Q { viewer { id } } subscription S($after: ID) { ... { events(after: $after) { __typename id } } }',
  ]
  for (const query of taken) {
    const { inbox, stop } = follow(wrapped, {
      query,
      variables: { after: '0' },
      operationName: query.includes('S(') ? 'S' : undefined,
    })
    await say(app, bob, ann, 'one')
    expect((await inbox.next()).data).toBeTruthy()
    stop()
  }
  const { inbox } = follow(wrapped, { query: 'subscription { events { __typename } }' })
  await wrapped.iterate({ query: '{ viewer { id } }' }).next()
  await say(app, bob, ann, 'two')
  expect(await inbox.next()).toEqual({ data: { events: { __typename: 'MessageSent' } } })
})

const openSse = (url: string, token: () => string): SseClient => {
  const client = createSseClient({
    url,
    headers: () => ({ authorization: `Bearer ${token()}` }),
    // The wrapper alone decides when it comes back.
    retryAttempts: 0,
  })
  cleanups.push(() => client.dispose())
  return client
}

test('over graphql-sse too: a cut line, an expired token, and a refused one', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const { proxy, port } = await openProxy(app.port)
  let asked = 0
  const reasons: unknown[] = []
  const token = (): string => tokenOf({ userId: ann.id, ttlSeconds: ++asked === 1 ? 4 : 3600 })
  const wrapped = resumable(openSse(`http://127.0.0.1:${port}/graphql`, token), { onRetry: (reason) => reasons.push(reason) })
  cleanups.push(() => wrapped.dispose())
  const { inbox, stop, ended } = follow(wrapped, { query: EVENTS, variables: { after: '0' } })
  await say(app, bob, ann, 'one')
  expect(await contents(inbox, 1)).toEqual(['one'])
  while (asked < 2) await new Promise((resolve) => setTimeout(resolve, 50))
  await say(app, bob, ann, 'two')
  expect(await contents(inbox, 1)).toEqual(['two'])
  expect(reasons[0]).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }])
  proxy.cut()
  await say(app, bob, ann, 'three')
  proxy.repair()
  expect(await contents(inbox, 1)).toEqual(['three'])
  stop()
  expect(await ended).toBeUndefined()
  const other = resumable(openSse(app.graphqlUrl, () => 'no token at all'))
  expect(await follow(other, { query: EVENTS }).ended).toMatchObject({ response: { status: 401 } })
})

interface Message {
  id: string
  type: string
  payload: Payload
}

/**
 * A server that refuses the first subscription of events for now, by a result and its end in one piece, as they come where the database is away,
 * and gives the next one an event.
 */
async function refusingOnce(): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'graphql-transport-ws' })
  cleanups.push(() => {
    for (const ws of server.clients) ws.terminate()
    server.close()
  })
  const errors = [{ message: 'try again', extensions: { code: 'UNAVAILABLE' } }]
  const events = { __typename: 'MessageSent', id: '7', message: { content: 'after all' } }
  let isRefused = false
  server.on('connection', (ws, { socket }) => {
    const send = (message: object): void => ws.send(JSON.stringify(message))
    ws.on('message', (data) => {
      const { id, type, payload } = JSON.parse((data as Buffer).toString()) as Message
      if (type === 'connection_init') return send({ type: 'connection_ack' })
      if (type !== 'subscribe' || payload.query !== EVENTS) return
      if (isRefused) return send({ id, type: 'next', payload: { data: { events } } })
      isRefused = true
      socket.cork()
      send({ id, type: 'next', payload: { errors } })
      send({ id, type: 'complete' })
      socket.uncork()
    })
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return (server.address() as AddressInfo).port
}

test('leaves the connection to others when a subscription is refused for now', async () => {
  const plain = connect(await refusingOnce(), 'token')
  const closed = new Promise((resolve) => plain.on('closed', resolve))
  plain.subscribe(
    { query: 'subscription { typing { typing } }' },
    { next: () => undefined, error: () => undefined, complete: () => undefined },
  )
  const { inbox } = follow(resumable(plain), { query: EVENTS, variables: { after: '0' } })
  expect(await Promise.race([inbox.next(), closed])).toMatchObject({ data: { events: { id: '7' } } })
})

test('pauses between attempts are 15 s at most, and begin anew after a connection that lasted, though no event came', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  cleanups.push(() => vi.useRealTimers())
  const pauses: number[] = []
  let attempts = 0
  let breakLine = (): void => undefined
  const client = resumable(
    {
      subscribe(_payload, sink) {
        attempts++
        breakLine = () => sink.error(new Error('terminated'))
        return () => undefined
      },
    },
    { onRetry: (_reason, pauseMs) => pauses.push(pauseMs) },
  )
  cleanups.push(follow(client as never, { query: EVENTS, variables: { after: '0' } }).stop)
  const fail = (): void => {
    breakLine()
    vi.advanceTimersByTime(pauses.at(-1) ?? 0)
  }
  for (let count = 0; count < 30; count++) fail()
  expect(Math.max(...pauses)).toBeLessThanOrEqual(15_000)
  expect(Math.min(...pauses.slice(4))).toBeGreaterThanOrEqual(5000)
  expect(attempts).toBe(31)

  vi.advanceTimersByTime(10_001)
  fail()
  expect(pauses.at(-1)).toBeLessThanOrEqual(1500)
})

test('@microsoft/fetch-event-source resumes by itself: it sends Last-Event-ID', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const { proxy, port } = await openProxy(app.port)
  // The library is made for browsers.
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('document', new EventTarget())
  cleanups.push(() => vi.unstubAllGlobals())
  const controller = new AbortController()
  const inbox = new Inbox<Result>()
  const sent: (string | null)[] = []
  const ended = fetchEventSource(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenFor(ann)}`, 'content-type': 'application/json' },
    // The header wins over this one: else everything would come again.
    body: JSON.stringify({ query: EVENTS, variables: { after: '0' } }),
    signal: controller.signal,
    openWhenHidden: true,
    fetch(input, init) {
      sent.push(new Headers(init?.headers).get('last-event-id'))
      return fetch(input, init)
    },
    onmessage: ({ event, data }) => void (event === 'next' && inbox.push(JSON.parse(data) as Result)),
    onerror: () => 20,
  })
  cleanups.push(() => controller.abort())
  for (const round of [1, 2, 3]) {
    await say(app, bob, ann, `${round} live`)
    expect(await contents(inbox, 1)).toEqual([`${round} live`])
    proxy.cut()
    await say(app, bob, ann, `${round} missed`)
    await say(app, bob, ann, `${round} missed too`)
    proxy.repair()
    expect(await contents(inbox, 2)).toEqual([`${round} missed`, `${round} missed too`])
  }
  expect(inbox.waiting).toEqual([])
  expect(sent[0]).toBeNull()
  expect(new Set(sent).size).toBe(4)
  controller.abort()
  await ended
})

describe('an outbox', () => {
  const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id content } }'
  const to = (user: TestUser, content: string, more: object = {}): Payload => ({
    query: SEND,
    variables: { input: { receiverId: String(user.id), content, ...more } },
  })
  const textsOf = async (user: TestUser): Promise<string[]> => {
    const { conversations } = await app
      .over(user)
      .data('{ conversations { edges { node { messages(first: 100) { edges { node { content } } } } } } }')
    return conversations.edges[0].node.messages.edges.map(({ node }: Data) => node.content).toReversed()
  }

  test('sends in the order of the calls, each once, through cuts', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { proxy, port } = await openProxy(app.port)
    const box = outbox(connect(port, tokenFor(ann)))
    cleanups.push(() => box.dispose())
    const texts = Array.from({ length: 20 }, (_, number) => `text ${number}`)
    const sends = texts.map((text) => box.mutate(to(bob, text)))
    await sends[5]
    proxy.cut()
    setTimeout(() => proxy.repair(), 100)
    const results = await Promise.all(sends)
    expect(results.map(({ data }) => (data as Data).sendMessage.content)).toEqual(texts)
    expect(await textsOf(bob)).toEqual(texts)
    expect(box.pending).toEqual([])
  })

  test('keeps what is not answered over a reload, and sends it first', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const kept = new Map<string, string>()
    const storage = {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => void kept.set(name, value),
    }
    const { proxy, port } = await openProxy(app.port)
    proxy.cut()
    const offline = outbox(connect(port, tokenFor(ann)), { storage })
    void offline.mutate(to(bob, 'one'))
    void offline.mutate(to(bob, 'two'))
    await new Promise((resolve) => setImmediate(resolve))
    offline.dispose()
    const left = JSON.parse(kept.get('outbox') as string) as Payload[]
    expect(left.map(({ variables }) => (variables as Data).input.content)).toEqual(['one', 'two'])
    const outcomes: unknown[] = []
    const online = outbox(connect(app.port, tokenFor(ann)), {
      storage,
      onResult: ({ variables }) => outcomes.push((variables as Data).input.content),
    })
    cleanups.push(() => online.dispose())
    await online.mutate(to(bob, 'three'))
    expect(outcomes).toEqual(['one', 'two', 'three'])
    expect(await textsOf(bob)).toEqual(['one', 'two', 'three'])
    expect(kept.get('outbox')).toBe('[]')
  })

  test('tries at once what is added while it pauses, and does not wait longer for that', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    cleanups.push(() => vi.useRealTimers())
    const tried: unknown[] = []
    const box = outbox({
      subscribe({ variables }, sink) {
        tried.push((variables as Data).input.content)
        queueMicrotask(() => {
          sink.next({ data: null, errors: [{ message: 'away', extensions: { code: 'UNAVAILABLE' } }] } as never)
          sink.complete()
        })
        return () => undefined
      },
    })
    cleanups.push(() => box.dispose())
    for (const text of ['one', 'two', 'three', 'four', 'five']) {
      void box.mutate(to({ id: 1 } as TestUser, text))
      await vi.advanceTimersByTimeAsync(1)
    }
    const before = tried.length
    // The first pause is 1.5 s at the longest.
    await vi.advanceTimersByTimeAsync(1500)
    expect(tried).toEqual(Array.from({ length: before + 1 }, () => 'one'))
  })

  test('sends other mutations as they are, whatever their input', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const box = outbox(connect(app.port, tokenFor(ann)))
    cleanups.push(() => box.dispose())
    const { data } = await box.mutate(to(bob, 'one'))
    const messageId = (data?.['sendMessage'] as { id: string } | undefined)?.id
    const query = 'mutation ($input: EditMessageInput!) { editMessage(input: $input) { content } }'
    const edited = await box.mutate({ query, variables: { input: { messageId, content: 'two' } } })
    expect(edited.data).toEqual({ editMessage: { content: 'two' } })
    expect(await textsOf(bob)).toEqual(['two'])
  })

  test('gives a conflict and a refusal to the caller, and goes on with the next', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const box = outbox(connect(app.port, tokenFor(ann)))
    cleanups.push(() => box.dispose())
    const key = { clientMessageId: 'mine' }
    const [first, again, other, bad, last] = await Promise.allSettled([
      box.mutate(to(bob, 'one', key)),
      box.mutate(to(bob, 'one', key)),
      box.mutate(to(bob, 'two', key)),
      box.mutate(to(bob, '')),
      box.mutate(to(bob, 'three')),
    ])
    expect(first.status).toBe('fulfilled')
    expect((again as PromiseFulfilledResult<unknown>).value).toEqual((first as PromiseFulfilledResult<unknown>).value)
    expect((other as PromiseRejectedResult).reason).toMatchObject({
      name: 'OutboxError',
      errors: [{ extensions: { code: 'CONFLICT' } }],
    })
    expect((bad as PromiseRejectedResult).reason).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
    expect(last.status).toBe('fulfilled')
    expect(await textsOf(bob)).toEqual(['one', 'three'])
  })
})
