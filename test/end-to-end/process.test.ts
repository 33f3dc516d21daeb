import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { doctor } from '../../src/cli/doctor.ts'
import { importFile } from '../../src/cli/import.ts'
import { token } from '../../src/cli/token.ts'
import { SECRET, startApp, tokenOf } from '../support/app.ts'
import { copyDatabase } from '../support/database.ts'
import { connectGraphqlWs, connectHttp, type GraphqlClient } from '../support/graphql-client.ts'
import { connectLegacy, type Frame, type LegacyClient } from '../support/legacy-client.ts'
import { clientFrame, OPCODE, openRawSocket } from '../support/raw-socket.ts'
import { freePort } from '../support/redis-server.ts'
import { runCommand, runScript } from '../support/script.ts'
import { endProcesses, run, start, type RunningServer } from '../support/server-process.ts'

const EVENTS = 'subscription { events { __typename } }'

const folders: string[] = []

/** A database of the test's own, with nothing in it. */
async function newDatabase(): Promise<string> {
  const folder = await copyDatabase()
  folders.push(folder)
  return folder
}

const ours = (folder: string, more: Record<string, string> = {}): Record<string, string> => ({
  DATA_DIR: folder,
  JWT_SECRET: SECRET,
  DEMO: '0',
  PRESENCE_GRACE_MS: '0',
  RATE_LIMIT_PER_SECOND: '0',
  ...more,
})

const ann = { id: 1, name: 'Ann' }
const bob = { id: 2, name: 'Bob' }
const tokenFor = ({ id, name }: typeof ann): string => tokenOf({ userId: id, name })
const over = ({ url }: RunningServer, user: typeof ann): GraphqlClient => connectHttp(`${url}/graphql`, tokenFor(user))
const legacy = async ({ port }: RunningServer, user: typeof ann, headers: Record<string, string> = {}): Promise<LegacyClient> => {
  const client = await connectLegacy(`ws://127.0.0.1:${port}/ws/connect`, {
    headers: { authorization: `Bearer ${tokenFor(user)}`, ...headers },
  })
  await client.inbox.next(({ type }) => type === 'connection_established')
  return client
}

/** All messages between the two, oldest first. */
async function history(server: RunningServer): Promise<string[]> {
  const query = `query ($after: String) { conversation(id: "direct_1_2") {
    messages(first: 100, after: $after) { edges { node { content } } pageInfo { hasNextPage endCursor } } } }`
  const contents: string[] = []
  for (let after: string | null = null; ;) {
    const { messages } = (await over(server, ann).data(query, { after })).conversation as {
      messages: { edges: { node: { content: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string } }
    }
    contents.push(...messages.edges.map(({ node }) => node.content))
    if (!messages.pageInfo.hasNextPage) return contents.reverse()
    after = messages.pageInfo.endCursor
  }
}

const isMessage = ({ type, data }: Frame): boolean => type === 'message_sent' && typeof data.content === 'string'

afterEach(endProcesses)
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

describe('starting', () => {
  test('prints the address and tokens that work; another one on the same folder or port says what is wrong and exits 1', async () => {
    const folder = await newDatabase()
    const server = await start({ DATA_DIR: folder })
    const out = server.out()
    expect(out).toContain(`demo                    ${server.url}/\n`)
    expect(out).toContain(`GraphQL and GraphiQL    ${server.url}/graphql\n`)
    const tokens = [...out.matchAll(/^ {2}(\d+) {2}(.+?)( \(admin\))?\n\s+(\S+)$/gm)]
    expect(tokens.length).toBe(5)
    for (const [, id, name, admin, printed] of tokens) {
      const client = connectHttp(`${server.url}/graphql`, printed as string)
      expect(await client.data('{ viewer { id name } }')).toEqual({ viewer: { id, name } })
      const { errors } = await client.run('mutation { disconnectUser(userId: "1") }')
      expect(errors === undefined).toBe(admin !== undefined)
    }
    const line = /^ {2}npx wscat -c (\S+) -H "Authorization: (Bearer \S+)"$/m.exec(out)
    const client = await connectLegacy(line?.[1] as string, { headers: { authorization: line?.[2] as string } })
    expect(await client.inbox.next()).toMatchObject({ type: 'connection_established', data: { user_id: 1 } })
    await client.close()
    // The page is authorised as the admin, for anyone who opens it. Not printed on failure: it is 9 MB.
    const page = await (await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html' } })).text()
    const onPage = /Bearer (ey[\w.-]+)/.exec(page)?.[1] ?? 'none'
    expect(await connectHttp(`${server.url}/graphql`, onPage).data('mutation { disconnectUser(userId: "1") }')).toEqual({
      disconnectUser: 0,
    })

    const [locked, taken] = [run({ DATA_DIR: folder }), run(ours(await newDatabase(), { PORT: String(server.port) }))]
    const elsewhere = run(ours(await newDatabase(), { HOST: 'host.invalid' }))
    expect(await Promise.all([locked.ended, taken.ended, elsewhere.ended])).toEqual([1, 1, 1])
    expect(locked.err()).toContain(`process ${server.child.pid}`)
    expect(taken.err()).toBe(`HOST, PORT: can't listen on 127.0.0.1:${server.port} (EADDRINUSE); set another PORT, 0 picks one\n`)
    expect(elsewhere.err()).toMatch(/^HOST, PORT: can't listen on host\.invalid \(E\w+\); set HOST to an address of this machine/)
    for (const { out: printed, err } of [locked, taken]) {
      expect(printed()).toBe('')
      expect(err()).not.toMatch(/\n\s+at /)
    }
    server.child.kill('SIGINT')
    expect(await server.ended).toBe(0)
    expect(server.err()).not.toMatch(/"level":[456]0/)
  })

  test.each([
    ['an exception', "throw Error('a bug')"],
    ['a rejection', "Promise.reject(Error('a bug'))"],
  ])('%s that nobody handles is logged, and the process exits 1', async (_, bug) => {
    // As soon as the server listens for both.
    const script = `process.on('newListener',(event)=>event==='unhandledRejection'&&setImmediate(()=>{${bug}}))`
    const server = run({ DATA_DIR: 'memory:', NODE_OPTIONS: `--import="data:text/javascript,${script}"` })
    expect(await server.ended).toBe(1)
    expect(server.err()).toMatch(/"level":60,.*"message":"a bug".*"msg":"unexpected failure, the process ends"/)
  })

  test('answers the probes while it makes a database, and is ready after that', async () => {
    const port = await freePort()
    const starting = start({ DATA_DIR: 'memory:', PORT: String(port) })
    let isOver = false
    const server = starting.finally(() => (isOver = true))
    const answers: unknown[] = []
    while (!isOver) {
      // As soon as one is answered the next one asks, so that some come at every step of the start.
      const paths = ['/ready', '/metrics', '/health'].map((path) => fetch(`http://127.0.0.1:${port}${path}`))
      const [ready, ...others] = await Promise.allSettled(paths)
      if (ready?.status === 'fulfilled') answers.push(await ready.value.json())
      for (const other of others) if (other.status === 'fulfilled') await other.value.text()
    }
    const { url } = await server
    expect(answers[0]).toEqual({ status: 'starting', database: 'down' })
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ status: 'ready', database: 'up' })
  })

  test('says that DATA_DIR can not be used where no folder can be created, and exits 1', async () => {
    const [keyed, keyless] = [run({ DATA_DIR: '/proc/nope', JWT_SECRET: SECRET }), run({ DATA_DIR: '/proc/nope' })]
    expect([await keyed.ended, await keyless.ended]).toEqual([1, 1])
    expect(keyed.err()).toMatch(/^DATA_DIR \/proc\/nope can't be used: it can not be created there\..*\n$/)
    expect(keyless.err()).toMatch(/^DATA_DIR \/proc\/nope can't be used: it can not be created there\..*\n$/)
  })

  test('every command reads --env-file, which the environment wins over, and says why a file can not be read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
    folders.push(folder)
    const file = join(folder, 'env')
    await writeFile(file, 'PORT=bad\nDRAIN_MS=bad\n')
    const option = ['--env-file', file]
    const env = { DRAIN_MS: '1', DATA_DIR: 'memory:' }
    const ended = await Promise.all([
      runScript('main', option, env),
      runCommand(token, ['--sub', '7', ...option], env),
      runCommand(doctor, option, env),
      runCommand(importFile, [file, ...option], env),
    ])
    for (const { status, out, err } of ended) {
      expect(status).toBe(1)
      expect(out + err).toContain('PORT: came "bad"')
      expect(out + err).not.toContain('DRAIN_MS')
    }
    // Node.js looks for the option too, and before the command does, where this is a process.
    const missing = await runCommand(token, [`--env-file=${file}.none`])
    expect(missing.status).toBe(1)
    expect(missing.err).toContain('env.none')
    expect(missing.err).not.toMatch(/\n\s+at /)
  })

  test('names every bad setting and exits 1, and makes no folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
    folders.push(folder)
    const bad = { PORT: 'x', JWT_SECRET: 'short', LOG_LEVEL: 'loud', DRAIN_MS: '0', ALLOWED_ORIGINS: 'here', TLS_CERT: '/none' }
    const [listed, keyless] = [run({ ...bad, DATA_DIR: folder }), run({ NODE_ENV: 'production', DATA_DIR: folder })]
    expect([await listed.ended, await keyless.ended]).toEqual([1, 1])
    const lines = listed.err().split('\n')
    for (const name of Object.keys(bad)) expect(lines.filter((each) => each.startsWith(`  ${name}`)).length).toBeGreaterThan(0)
    expect(listed.err()).not.toContain('short')
    expect(keyless.err()).toMatch(/JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL: came none/)
    for (const { out, err } of [listed, keyless]) {
      expect(out()).toBe('')
      expect(err()).not.toMatch(/\n\s+at /)
    }
    await rm(folder, { recursive: true })
  })
})

test('kill -9 in the middle of sends loses nothing that was acknowledged, and repeats nothing', async () => {
  const COUNT = 1000
  const folder = await newDatabase()
  const settings = ours(folder, { RESUME_LIMIT: '5000' })
  const first = await start(settings)
  const receiver = await legacy(first, bob)
  const sender = await legacy(first, ann)
  const send = (client: LegacyClient, n: number): void =>
    client.send({ type: 'message_sent', message_id: `key-${n}`, data: { receiver_id: bob.id, content: `m${n}` } })

  for (let n = 0; n < COUNT; n++) send(sender, n)
  const acknowledged = new Set<string>()
  const acknowledge = ({ type, code, data, message_id }: Frame): boolean => {
    if (type !== 'message_sent' || data.success !== true) return false
    expect(code).toBe(200)
    acknowledged.add(message_id as string)
    return true
  }
  while (acknowledged.size === 0) acknowledge(await sender.inbox.next())
  first.child.kill('SIGKILL')
  expect(await first.ended).toBe('SIGKILL')
  await Promise.all([sender.closed, receiver.closed])
  for (const frame of sender.inbox.drain()) acknowledge(frame)
  // It was in the middle of it.
  expect(acknowledged.size).toBeLessThan(COUNT)
  const seen = receiver.inbox.drain().filter(isMessage)

  const second = await start(settings)
  const stored = await history(second)
  expect(stored).toEqual(Array.from({ length: stored.length }, (_, n) => `m${n}`))
  expect(stored.length).toBeGreaterThanOrEqual(acknowledged.size)

  const again = await legacy(second, ann)
  for (let n = 0; n < COUNT; n++) if (!acknowledged.has(`key-${n}`)) send(again, n)
  while (acknowledged.size < COUNT) acknowledge(await again.inbox.next())
  const all = Array.from({ length: COUNT }, (_, n) => `m${n}`)
  expect(await history(second)).toEqual(all)

  const resumed = await legacy(second, bob, { 'Last-Event-ID': seen.at(-1)?.message_id ?? '0' })
  const answer = await resumed.inbox.next(({ type }) => type === 'resume')
  expect(answer.data).toEqual({ success: true, replayed: COUNT - seen.length, complete: true })
  const missed = resumed.inbox.drain().filter(isMessage)
  expect([...seen, ...missed].map(({ data }) => data.content)).toEqual(all)
  const ids = [...seen, ...missed].map(({ message_id }) => Number(message_id))
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
  second.child.kill('SIGKILL')
})

/** A request whose body is not there yet: the server can't be done with it. */
async function openRequest(
  { port }: RunningServer,
  query: string,
): Promise<{ socket: Socket; finish(more: string): Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  const body = JSON.stringify({ query })
  const head = [
    'POST /graphql HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${tokenFor(ann)}`,
    'Content-Type: application/json',
    // The response shows that the server has started.
    'Expect: 100-continue',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  let text = ''
  const continued = new Promise<void>((resolve) => {
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.startsWith('HTTP/1.1 100 Continue\r\n\r\n')) resolve()
    })
  })
  socket.on('error', () => undefined)
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)))
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  await continued
  return {
    socket,
    finish(more) {
      socket.write(body + more)
      return closed
    },
  }
}

describe('npm start', () => {
  test.each([
    ['SIGTERM', 'to npm alone', (npm: number) => process.kill(npm, 'SIGTERM')],
    ['SIGINT', 'to both, as Ctrl-C in a terminal', (npm: number) => process.kill(-npm, 'SIGINT')],
    ['SIGKILL', 'to npm alone', (npm: number) => process.kill(npm, 'SIGKILL')],
  ])('%s %s ends the server as it should, and leaves nothing behind', async (signal, _, kill) => {
    const folder = await newDatabase()
    const server = await start(ours(folder), { command: ['npm', 'start'] })
    const client = await legacy(server, ann)
    kill(server.child.pid as number)
    expect((await client.closed).code).toBe(1012)
    expect(await server.ended).toBe(signal === 'SIGKILL' ? 'SIGKILL' : 0)
    const late = connect(server.port, '127.0.0.1')
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
    expect(await readdir(folder)).not.toContain('parley.lock')
  })
})

describe('on a Node.js that is too old', () => {
  test.each(['main', 'parley', 'parley start', 'parley token', 'parley import', 'parley doctor'])(
    '%s tells the version that is needed in one line, before it loads anything',
    async (name) => {
      const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
      folders.push(folder)
      const older = join(folder, 'older.cjs')
      // Nothing after the check would get far with this version.
      await writeFile(older, "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } })")
      const { status, out, err } = await runScript(name, ['--help'], { NODE_OPTIONS: `--require=${older}` })
      expect({ status, out, err }).toEqual({
        status: 1,
        out: '',
        err: 'Parley needs Node.js 20.19 or newer of 20, or 22.12 or newer; this is 18.20.8.\n',
      })
    },
  )

  test('so do the commands of npm and the installation', async () => {
    const { scripts } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      scripts: Record<string, string>
    }
    // These are native programs, or run on older versions too; the last begins with a check for the version that it is given.
    const exempt = ['build', 'typecheck', 'lint', 'format', 'format:check', 'check:generated', 'check:committed', 'test:node']
    for (const [name, script] of Object.entries(scripts).filter(([each]) => !exempt.includes(each)))
      expect([name, script]).toEqual([
        name,
        expect.stringMatching(/^((exec )?node -r \.\/check-node\.cjs |node check-node\.cjs && )/),
      ])
    expect(scripts['test:node']).toContain('node -r ./check-node.cjs ')
  })
})

/** Connections on which a client began something and does not go on. */
async function leaveUndone({ port }: RunningServer): Promise<Socket[]> {
  const open = async (text: string): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined).resume()
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }
  const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
  const post = `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenFor(ann)}\r\nContent-Length: 9\r\n\r\n{`
  const begun = [
    '',
    'GET /graphql HTTP/1.1\r\n',
    `GET /nothing HTTP/1.1\r\n${upgrade}\r\n`,
    `GET /graphql HTTP/1.1\r\n${upgrade}\r\n`,
    post,
  ]
  const sockets = await Promise.all(begun.map(open))
  const unread = await openRawSocket(port, '/ws/connect', { Authorization: `Bearer ${tokenFor(ann)}` })
  unread.socket.pause()
  return [...sockets, unread.socket]
}

describe('SIGTERM', () => {
  test('lets what runs finish, closes sockets with 1012 and exits 0; all that was acknowledged is there at the next start, which ends in time whatever clients leave undone', async () => {
    const folder = await newDatabase()
    const server = await start(ours(folder))
    const sender = await legacy(server, ann)
    await (await legacy(server, bob)).close()
    const overWs = connectGraphqlWs(`ws://127.0.0.1:${server.port}/graphql`, tokenFor(ann))
    const closed = new Promise((resolve) => overWs.client.on('closed', resolve))
    await overWs.subscribe(EVENTS)
    const overSse = await over(server, ann).subscribe(EVENTS)
    const running = await openRequest(server, 'mutation { sendMessage(input: { receiverId: "2", content: "last" }) { content } }')

    for (let n = 0; n < 300; n++) sender.send({ type: 'message_sent', data: { receiver_id: bob.id, content: `m${n}` } })
    await sender.inbox.next(({ data }) => data.success === true)
    server.child.kill('SIGTERM')

    const goodbye = {
      code: 1012,
      reason: expect.stringMatching(/^the server restarts: come back with resume in \d+ ms$/) as string,
    }
    expect(await sender.closed).toEqual(goodbye)
    expect(await closed).toMatchObject({ code: 1012 })
    expect(await overSse.ended).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }])
    const late = connect(server.port, '127.0.0.1')
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
    // The connection of the request that still runs is the only one on which the server can be asked.
    const answers = await running.finish(`GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    expect(answers).toContain('{"data":{"sendMessage":{"content":"last"}}}')
    expect(answers).toMatch(/HTTP\/1\.1 503 Service Unavailable\r\n[^]*\{"status":"draining","database":"up"\}\r\n/)
    expect(await server.ended).toBe(0)
    expect(server.err()).not.toMatch(/"level":[56]0/)

    const acknowledged = 1 + sender.inbox.drain().filter(({ data }) => data.success === true).length
    const next = await start(ours(folder, { DRAIN_MS: '1500' }))
    const stored = await history(next)
    expect(stored).toEqual([...Array.from({ length: acknowledged }, (_, n) => `m${n}`), 'last'])

    // The same again, with all that clients may leave undone.
    const stuck = await openRequest(next, '{ __typename }')
    const undone = await leaveUndone(next)
    const waiting = await legacy(next, ann)
    next.child.kill('SIGTERM')
    expect((await waiting.closed).code).toBe(1012)
    expect(await next.ended).toBe(0)
    expect(next.err()).not.toMatch(/"level":[456]0/)
    for (const socket of [stuck.socket, ...undone]) socket.destroy()
  })

  test('twice exits at once, with 1; in production too, where no token was printed', async () => {
    const { DEMO: _, ...env } = ours(await newDatabase(), { DRAIN_MS: '600000', NODE_ENV: 'production' })
    const server = await start(env)
    expect(server.out()).not.toMatch(/eyJ|token/i)
    const stuck = await openRequest(server, '{ __typename }')
    const waiting = await legacy(server, ann)
    server.child.kill('SIGTERM')
    await waiting.closed
    server.child.kill('SIGTERM')
    expect(await server.ended).toBe(1)
    stuck.socket.destroy()
  })
})

test('a peer that misses two pings is terminated, on both endpoints; one that answers stays', async () => {
  const app = await startApp({ PING_INTERVAL_MS: '300' })
  const [user, other] = [await app.user(), await app.user()]
  const stays = [await app.ready(other), app.graphqlWs(other)] as const
  const pinged = new Promise<void>((resolve) => {
    let count = 0
    stays[0].socket.on('ping', () => ++count === 4 && resolve())
  })
  const silent = await Promise.all(
    ['/ws/connect', '/graphql'].map(async (path) => {
      const raw = await openRawSocket(app.port, path, {
        Authorization: `Bearer ${tokenOf({ userId: user.id, name: user.name })}`,
        ...(path === '/graphql' ? { 'Sec-WebSocket-Protocol': 'graphql-transport-ws' } : {}),
      })
      if (path === '/graphql') raw.socket.write(clientFrame(OPCODE.text, '{"type":"connection_init"}'))
      return raw
    }),
  )
  for (const { inbox, ended } of silent) {
    await ended
    const frames = inbox.drain()
    expect(frames.filter(({ opcode }) => opcode === OPCODE.ping)).toHaveLength(2)
    // Truncated, since nobody reads the reason.
    expect(frames.filter(({ opcode }) => opcode === OPCODE.close)).toEqual([])
  }
  await pinged
  expect(await stays[0].request('ping')).toMatchObject({ type: 'heartbeat' })
  expect(await stays[1].data('{ viewer { id online } }')).toEqual({ viewer: { id: String(other.id), online: true } })
  expect(await app.over(other).data(`{ user(id: "${user.id}") { online } }`)).toEqual({ user: { online: false } })
  await app.stop()
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

test.skipIf(!hasOpenssl)(
  'SIGHUP takes a renewed certificate, and keeps the one before where it can not be used (needs openssl)',
  async () => {
    const certificates = await mkdtemp(join(tmpdir(), 'parley-certificates-'))
    folders.push(certificates)
    const [TLS_CERT, TLS_KEY] = [join(certificates, 'cert.pem'), join(certificates, 'key.pem')]
    const renew = (name: string): void => {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', TLS_KEY, '-out', TLS_CERT]
      execFileSync('openssl', ['req', '-x509', ...key, '-days', '2', '-subj', `/CN=${name}`], { stdio: 'ignore' })
    }
    renew('first')
    const server = await start(ours(await newDatabase(), { TLS_CERT, TLS_KEY, DRAIN_MS: '2000' }))
    const open = async (): Promise<TLSSocket> => {
      const socket = connectTls({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      return socket
    }
    const kept = await open()
    const nameOf = (socket: TLSSocket): unknown => socket.getPeerCertificate().subject.CN
    expect(nameOf(kept)).toBe('first')
    const told = async (text: string): Promise<void> => await expect.poll(() => server.err()).toContain(text)
    renew('second')
    server.child.kill('SIGHUP')
    await told('read the certificate again')
    expect(nameOf(await open())).toBe('second')
    await writeFile(TLS_CERT, 'nonsense')
    server.child.kill('SIGHUP')
    await told('the one before stays')
    expect(nameOf(await open())).toBe('second')
    kept.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(String((await once(kept, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*x-content-type-options: nosniff/i)
    // One that never shakes hands does not keep it.
    const silent = connect(server.port, '127.0.0.1')
    await once(silent, 'connect')
    server.child.kill('SIGTERM')
    expect(await server.ended).toBe(0)
  },
)
