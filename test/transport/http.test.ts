import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { serverAudits } from 'graphql-http'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { fairTurns } from '../../src/lib/fair-turns.ts'
import { Operations } from '../../src/graphql/operations.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { startApp, tokenOf, type TestApp } from '../support/app.ts'
import type { GraphqlClient, Result } from '../support/graphql-client.ts'
import { RefusedError, type Frame, type LegacyClient } from '../support/legacy-client.ts'

const VIEWER = '{ viewer { id name } }'
const GRAPHQL_JSON = 'application/graphql-response+json'
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

let app: TestApp
/** Of a user who is stored, and of an admin. */
const token = tokenOf({ userId: 7, name: 'Ann' })
const adminToken = tokenOf({ userId: 999, name: 'Admin', isAdmin: true })

beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())
afterEach(() => vi.restoreAllMocks())

const failures = (of: TestApp): unknown[] => of.logged.filter(({ level }) => Number(level) >= 40)

function post(body: unknown, headers: Record<string, string> = {}, of = app): Promise<Response> {
  const text = typeof body === 'string' || body instanceof ReadableStream ? body : JSON.stringify(body)
  return fetch(of.graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...bearer(token), ...headers },
    body: text,
    ...(text instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit)
}

/** The answer to a request that was refused as a whole: no data, and one code. */
async function refusal(response: Response): Promise<{ status: number; code: string; message: string }> {
  const { data, errors } = (await response.json()) as Result
  expect(data).toBeUndefined()
  const codes = [...new Set(errors?.map(({ extensions }) => extensions.code))]
  expect(codes).toHaveLength(1)
  return { status: response.status, code: codes[0] as string, message: errors?.[0]?.message ?? '' }
}

describe('GraphQL over HTTP', () => {
  const audits = serverAudits({
    url: () => app.graphqlUrl,
    fetchFn: (url: string, init: RequestInit = {}) =>
      fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), ...bearer(token) } }),
  })
  // All of them: MUST, SHOULD and MAY.
  test.each(audits.map(({ name, fn }) => [name, fn] as const))('%s', async (_, fn) => {
    expect(await fn()).toMatchObject({ status: 'ok' })
  })

  const malformed: [name: string, body: string][] = [
    ['nothing', ''],
    ['no JSON', '{'],
    ['null', 'null'],
    ['a number', '7'],
    ['a string', '"{ viewer { id } }"'],
    ['an array', '[]'],
    ['a batch', '[{"query":"{__typename}"},{"query":"{__typename}"}]'],
    ['no query', '{}'],
    ['query null', '{"query":null}'],
    ['query empty', '{"query":""}'],
    ['query a number', '{"query":1}'],
    ['query an object', '{"query":{}}'],
    ['variables a string', '{"query":"{__typename}","variables":"{}"}'],
    ['variables an array', '{"query":"{__typename}","variables":[]}'],
    ['extensions a number', '{"query":"{__typename}","extensions":1}'],
    ['operationName of nothing', '{"query":"{__typename}","operationName":"x"}'],
    ['several operations and no operationName', '{"query":"query a {__typename} query b {__typename}"}'],
    ['more members', '{"query":"{__typename}","more":1}'],
  ]
  test.each(malformed)('a body that is %s is answered with 400', async (_, body) => {
    for (const accept of ['application/json', GRAPHQL_JSON, '*/*']) {
      const { status, code, message } = await refusal(await post(body, { accept }))
      expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' })
      expect(message).not.toMatch(/Unexpected token|SyntaxError|position \d/)
    }
    expect(await (await post(body)).text()).not.toMatch(/SyntaxError|originalError|stack/)
  })

  test.each(['?variables=x&query={__typename}', '?extensions={&query={__typename}', '?', '?query='])(
    'GET %s is answered with 400',
    async (query) => {
      expect(await refusal(await fetch(app.graphqlUrl + query, { headers: bearer(token) }))).toMatchObject({
        status: 400,
        code: 'BAD_USER_INPUT',
      })
    },
  )

  test('a document in a URL waits for its user’s turn as one in a body does', async () => {
    const nextRequest = vi.spyOn(fairTurns, 'nextRequest')
    const document = `{ viewer { ${'id '.repeat(500)}} }`
    await fetch(`${app.graphqlUrl}?query=${encodeURIComponent(document)}`, { headers: bearer(token) })
    await post({ query: document })
    expect(nextRequest.mock.calls).toEqual(Array.from({ length: 2 }, () => [7, expect.any(Number)]))
    for (const [, bytes] of nextRequest.mock.calls) expect(bytes).toBeGreaterThan(document.length)
  })

  test('a mutation by GET is refused and not executed', async () => {
    const user = await app.user()
    const query = encodeURIComponent('mutation { createGroup(input: { name: "x" }) { id } }')
    const headers = bearer(tokenOf({ userId: user.id, name: user.name }))
    expect(await refusal(await fetch(`${app.graphqlUrl}?query=${query}`, { headers }))).toMatchObject({
      status: 405,
      code: 'BAD_USER_INPUT',
    })
    expect(await app.over(user).data('{ conversations { edges { cursor } } }')).toEqual({ conversations: { edges: [] } })
  })

  test.each(['PUT', 'DELETE', 'PATCH'])('the method %s is refused with 405', async (method) => {
    expect((await fetch(app.graphqlUrl, { method, headers: bearer(token) })).status).toBe(405)
  })

  test.each([
    ['text/plain', '{"query":"{__typename}"}'],
    ['application/xml', '{"query":"{__typename}"}'],
    ['multipart/form-data; boundary=x', '{"query":"{__typename}"}'],
    // What a page of another origin can send with a form, and what nothing but JSON is needed for.
    ['application/x-www-form-urlencoded', 'query={__typename}'],
    ['application/graphql', '{__typename}'],
    ['application/jsonp', '{"query":"{__typename}"}'],
  ])('the content type %s is refused with 415', async (type, body) => {
    expect(await refusal(await post(body, { 'content-type': type }))).toMatchObject({ status: 415, code: 'BAD_USER_INPUT' })
  })

  const large = { query: '{ __typename }', variables: { x: 'x'.repeat(70_000) } }
  const chunks = (count: number): ReadableStream =>
    new ReadableStream({
      start(controller) {
        const pieces = ['{"query":"{ __typename }","variables":{"x":"', ...Array<string>(count).fill('x'.repeat(10_000)), '"}}']
        for (const piece of pieces) controller.enqueue(Buffer.from(piece))
        controller.close()
      },
    })
  test.each([
    ['with its length', () => large],
    ['with its length, of 5 MB', () => ({ ...large, variables: { x: 'x'.repeat(5_000_000) } })],
    ['in chunks', () => chunks(8)],
    ['in chunks, of 5 MB', () => chunks(500)],
  ])('a body over MAX_FRAME_BYTES is refused with 413, %s', async (_, body) => {
    expect(await refusal(await post(body()))).toEqual({
      status: 413,
      code: 'BAD_USER_INPUT',
      message: 'the body is larger than 65536 bytes',
    })
  })

  test('a body of exactly MAX_FRAME_BYTES is read', async () => {
    const body = JSON.stringify({ query: '{ __typename }', variables: { x: '' } })
    const full = body.replace('"x":""', `"x":"${'x'.repeat(65_536 - body.length)}"`)
    expect(await (await post(full)).json()).toEqual({ data: { __typename: 'Query' } })
    expect((await post(full.replace('"x":"x', '"x":"xx'))).status).toBe(413)
  })

  test.each([
    ['text/event-stream, application/json', 'application/json; charset=utf-8'],
    ['application/json, text/event-stream', 'application/json; charset=utf-8'],
    [`text/event-stream, ${GRAPHQL_JSON}`, `${GRAPHQL_JSON}; charset=utf-8`],
    ['text/event-stream', 'text/event-stream'],
  ])('a query that accepts %s is answered in %s', async (accept, type) => {
    const response = await post({ query: VIEWER }, { accept })
    expect({ status: response.status, type: response.headers.get('content-type') }).toEqual({ status: 200, type })
    const text = await response.text()
    const data = '{"data":{"viewer":{"id":"7","name":"Ann"}}}'
    expect(text).toContain(data)
    if (type === 'text/event-stream') expect(text).toContain(`event: next\ndata: ${data}\n\nevent: complete\n`)
  })

  test.each([
    ['a text in GBK', Buffer.from('{"query":"{ __typename }","variables":{"x":"\xc4\xe3\xba\xc3"}}', 'latin1')],
    ['a text in Latin-1', Buffer.from('{"query":"{ __typename }","variables":{"x":"\xe9"}}', 'latin1')],
    ['a cut character', Buffer.from('{"query":"{ __typename }","variables":{"x":"\xe5\xad"}}', 'latin1')],
  ])('a body with %s is refused with 400', async (_, body) => {
    const headers = { 'content-type': 'application/json', ...bearer(token) }
    const response = await fetch(app.graphqlUrl, { method: 'POST', headers, body })
    expect(await refusal(response)).toEqual({ status: 400, code: 'BAD_USER_INPUT', message: 'the body is not valid UTF-8' })
  })

  test.each([
    ['application/json; charset=utf-8', 200],
    ['application/json;charset="UTF8"', 200],
    ['application/json; charset=us-ascii', 200],
    ['application/json; charset=gbk', 415],
    ['application/json; charset=iso-8859-1', 415],
    ['application/json; charset=', 415],
  ])('a body of the type %s is answered with %i', async (type, status) => {
    expect((await post({ query: '{ __typename }' }, { 'content-type': type })).status).toBe(status)
  })

  test('a compressed body is refused with 415', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip', ...bearer(token) }
    const body = gzipSync(JSON.stringify({ query: '{ __typename }' }))
    expect((await fetch(app.graphqlUrl, { method: 'POST', headers, body })).status).toBe(415)
  })

  test.each(['?query={__typename}&variables={"x":"%c4%e3"}', '?query={__typename}&variables={"x":"%ff"}'])(
    'percent-encoded bytes that are no UTF-8 are refused with 400: %s',
    async (query) => {
      expect((await fetch(app.graphqlUrl + query, { headers: bearer(token) })).status).toBe(400)
      const encoded = '?query={__typename}&variables={"x":"%e5%ad%97"}'
      expect((await fetch(app.graphqlUrl + encoded, { headers: bearer(token) })).status).toBe(200)
    },
  )

  test('server-sent events are not collected by proxies, and name no encoding', async () => {
    const response = await post({ query: VIEWER }, { accept: 'text/event-stream' })
    await response.text()
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    expect(response.headers.get('content-encoding')).toBeNull()
  })

  test('/graphql/ is /graphql, over HTTP and WebSocket, with a query too', async () => {
    const body = JSON.stringify({ query: VIEWER })
    const headers = { 'content-type': 'application/json', ...bearer(token) }
    const response = await fetch(`${app.http}/graphql/`, { method: 'POST', headers, body })
    expect(await response.json()).toEqual({ data: { viewer: { id: '7', name: 'Ann' } } })
    const byGet = await fetch(`${app.http}/graphql/?query={__typename}`, { headers: bearer(token) })
    expect(await byGet.json()).toEqual({ data: { __typename: 'Query' } })
    expect((await fetch(`${app.http}/graphql/`, { headers: { accept: 'text/html' } })).status).toBe(200)
    const socket = new WebSocket(`ws://127.0.0.1:${app.port}/graphql/`, 'graphql-transport-ws')
    await once(socket, 'open')
    socket.terminate()
  })

  test('a subscription that can’t be opened says why in its stream, and ends', async () => {
    const body = { query: 'subscription { events(after: "x") { __typename } }' }
    const response = await post(body, { accept: 'text/event-stream' })
    expect({ status: response.status, type: response.headers.get('content-type') }).toEqual({
      status: 200,
      type: 'text/event-stream',
    })
    expect(await response.text()).toMatch(
      /event: next\ndata: \{"errors":\[.*"code":"BAD_USER_INPUT"\}\}\]\}\n\nevent: complete\n/,
    )
    expect(await refusal(await post(body, { accept: GRAPHQL_JSON }))).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' })
    expect((await post({ query: 'subscription { events { id } }' }, { accept: 'application/json' })).status).toBe(406)
  })

  test('a stream that nobody reads takes no connection', async () => {
    const user = await app.user()
    const as = bearer(tokenOf({ userId: user.id, name: user.name }))
    const body = { query: 'subscription { events { id } }' }
    for (const accept of ['application/json', 'multipart/mixed', 'image/png'])
      expect((await post(body, { accept, ...as })).status).toBe(406)
    for (let n = 0; n < 20; n++) {
      const controller = new AbortController()
      const response = fetch(app.graphqlUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...as },
        body: JSON.stringify(body),
        signal: controller.signal,
      })
      // Some before the server has the request, some while it opens the stream, some after that.
      const aborted = once(controller.signal, 'abort')
      setTimeout(() => controller.abort(), n)
      await Promise.allSettled([response, aborted])
    }
    await expect.poll(async () => (await fetch(`${app.http}/metrics`)).text()).toContain('parley_connections{protocol="sse"} 0\n')
  })

  test('GraphiQL is served to browsers, without a token, and loads nothing from elsewhere', async () => {
    const response = await fetch(app.graphqlUrl, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const page = await response.text()
    // Not shown where it fails: it is 9 MB.
    const has = (pattern: RegExp): boolean => pattern.test(page)
    expect(has(/<title>Parley GraphiQL<\/title>/)).toBe(true)
    expect(has(/<(script|link|img|iframe|source|object)\b[^>]*\b(src|href|data)\s*=\s*["']?(https?:)?\/\//i)).toBe(false)
    expect(has(/@import|url\(["']?(https?:)?\/\//i)).toBe(false)
    // This server has no demo users: visitors of the page bring a token.
    expect(has(/Bearer ey/)).toBe(false)
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; .*connect-src 'self'; .*frame-ancestors 'none'$/,
    )
    const elsewhere = await fetch(app.graphqlUrl, { headers: { accept: 'text/html', origin: 'https://evil.example' } })
    expect(elsewhere.headers.has('access-control-allow-origin')).toBe(false)
  })
})

describe('the other paths', () => {
  test.each([
    ['/health', 200, { status: 'ok' }],
    ['/ready', 200, { status: 'ready', database: 'up' }],
    ['/', 404, { error: expect.stringContaining('nothing is here') }],
    ['/graphql//', 404, { error: expect.stringContaining('nothing is here') }],
    ['/graphql/health-is-elsewhere', 404, { error: expect.stringContaining('nothing is here') }],
    ['/__proto__', 404, { error: expect.stringContaining('nothing is here') }],
    ['/ws/connect', 426, { error: 'expected a WebSocket upgrade' }],
  ])('%s is answered with %i', async (path, status, body) => {
    const response = await fetch(app.http + path)
    expect({ status: response.status, body: (await response.json()) as unknown }).toMatchObject({ status, body })
  })

  /** The first line of the answer to a request that `fetch` does not send. */
  const statusLine = async (requestLine: string): Promise<string> => {
    const socket = connect(app.port, '127.0.0.1')
    socket.write(`${requestLine} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return chunk.toString().split('\r\n', 1)[0] as string
  }

  test('TRACE is refused with 405, and with 404 where nothing is', async () => {
    for (const path of ['/graphql', '/graphql/', '/health', '/ready', '/metrics', '/ws/connect'])
      expect(await statusLine(`TRACE ${path}`)).toBe('HTTP/1.1 405 Method Not Allowed')
    for (const method of ['TRACE', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect(await statusLine(`${method} /nope`)).toBe('HTTP/1.1 404 Not Found')
  })

  test('a target with scheme and host is its path', async () => {
    expect(await statusLine(`GET http://127.0.0.1:${app.port}/health`)).toBe('HTTP/1.1 200 OK')
  })

  test('a body in a great many small chunks is refused with 400', async () => {
    const socket = connect(app.port, '127.0.0.1')
    const closed = once(socket, 'close')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenOf({ userId: (await app.user()).id })}\r\n`
    socket.write(`${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(1000)}`)
    await expect.poll(() => text).toMatch(/^HTTP\/1\.1 400 [^]*too many small chunks/)
    // The rest of the body is not read.
    await closed
  })

  test.each([
    ['two', 'Host: x\r\nhost: y'],
    ['the same one twice', 'Host: x\r\nHost: x'],
    ['one that is no host', 'Host: x y/z@w'],
  ])('a request with %s Host is answered with 400, and nothing after it', async (_, hosts) => {
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    for (const [path, headers] of [
      ['/health', ''],
      ['/ws/connect', `Authorization: Bearer ${token}\r\n${upgrade}`],
    ]) {
      const socket = connect(app.port, '127.0.0.1').setEncoding('latin1')
      let text = ''
      socket.on('data', (chunk: string) => (text += chunk))
      const closed = once(socket, 'close')
      socket.write(`GET ${path} HTTP/1.1\r\n${hosts}\r\n${headers}\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n`)
      await closed
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400'])
      expect(text).toContain('expected one header Host')
    }
  })

  test.each(['x', 'x:80', '127.0.0.1:80', '[::1]:80', '', 'a_b.example'])('the Host %j is one', async (host) => {
    const socket = connect(app.port, '127.0.0.1').setEncoding('latin1')
    socket.write(`GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    const [text] = (await once(socket, 'data')) as [string]
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
  })

  // As Java's HttpClient and `curl --http2` ask before they speak HTTP/1.1.
  test('an upgrade to HTTP/2 is ignored: each request of the connection is answered, whatever its body', async () => {
    const warned = vi.fn<() => void>()
    process.on('warning', warned)
    onTestFinished(() => void process.off('warning', warned))
    const socket = connect(app.port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    const token = tokenOf({ userId: (await app.user()).id })
    const body = JSON.stringify({ query: `{ viewer { id } } # ${'x'.repeat(3000)}` })
    const head =
      `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n` +
      `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    for (let count = 1; count <= 12; count++) {
      socket.write(head + body.slice(0, 10))
      socket.write(body.slice(10))
      await expect.poll(() => text.match(/HTTP\/1\.1 200 OK/g)?.length).toBe(count)
    }
    expect(text.match(/"viewer":\{"id":/g)).toHaveLength(12)
    socket.write(head.replace('Connection: Upgrade', 'Connection: close, Upgrade') + body)
    await once(socket, 'close')
    expect(text.match(/"viewer":\{"id":/g)).toHaveLength(13)
    expect(warned).not.toHaveBeenCalled()
  })

  test('an upgrade that comes before the answer to a request ends the connection', async () => {
    const socket = connect(app.port, '127.0.0.1')
    const closed = once(socket, 'close')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const head = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`
    const request = `${head(`/graphql?query=${encodeURIComponent('{ viewer { name } }')}`)}\r\n`
    socket.write(`${request}${head('/ws/connect')}${upgrade}\r\n`)
    await closed
    expect(text).not.toContain('101 Switching Protocols')
    // After the answer the same connection is upgraded.
    const again = connect(app.port, '127.0.0.1').setEncoding('latin1')
    let answers = ''
    again.on('data', (chunk: string) => (answers += chunk))
    again.write(request)
    await expect.poll(() => answers).toContain('"viewer"')
    again.write(`${head('/ws/connect')}${upgrade}\r\n`)
    await expect.poll(() => answers).toContain('connection_established')
    again.destroy()
  })

  test('requests that come in one piece are answered in their order, and another connection between them', async () => {
    const socket = connect(app.port, '127.0.0.1')
    const count = 200
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count) + 'GET /nope HTTP/1.1\r\nHost: x\r\n\r\n')
    const answered = (): number => text.split('HTTP/1.1 200').length - 1
    await expect.poll(answered).toBeGreaterThan(0)
    expect((await fetch(`${app.http}/health`)).status).toBe(200)
    expect(answered()).toBeLessThan(count)
    await expect.poll(() => text.includes('HTTP/1.1 404')).toBe(true)
    expect(answered()).toBe(count)
    socket.destroy()
  })

  test('/ready asks the database once at a time, whoever and however many ask', async () => {
    let answer: (() => void) | undefined
    const waiting = new Promise<void>((resolve) => (answer = resolve))
    const query = vi.spyOn(PGlite.prototype, 'query').mockImplementation(() => waiting as Promise<never>)
    const answers = Array.from({ length: 50 }, () => fetch(`${app.http}/ready`))
    const pings = (): number => query.mock.calls.filter(([sql]) => /FROM topics WHERE false/.test(String(sql))).length
    await expect.poll(pings).toBeGreaterThan(0)
    // A later request gets the same answer, and earlier ones have been requested already.
    answers.push(fetch(`${app.http}/ready`))
    await fetch(`${app.http}/health`)
    answer?.()
    await Promise.all(answers)
    expect(pings()).toBeLessThan(5)
  })

  test('/ready says 503 while the database does not answer; /health goes on', async () => {
    vi.spyOn(PGlite.prototype, 'query').mockRejectedValue(new Error('down'))
    const ready = await fetch(`${app.http}/ready`)
    expect({ status: ready.status, body: (await ready.json()) as unknown }).toMatchObject({
      status: 503,
      body: { status: 'not ready', database: 'down' },
    })
    expect((await fetch(`${app.http}/health`)).status).toBe(200)
    vi.restoreAllMocks()
    expect((await fetch(`${app.http}/ready`)).status).toBe(200)
  })

  test('/metrics counts connections by protocol', async () => {
    const user = await app.user()
    const clients = [await app.ready(user), app.graphqlWs(user)] as const
    await clients[1].data(VIEWER)
    const overSse = await app.over(user).subscribe('subscription { events { __typename } }')
    const response = await fetch(`${app.http}/metrics`)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    const text = await response.text()
    for (const protocol of ['legacy', 'graphql-ws', 'sse'])
      expect(text).toMatch(new RegExp(`^parley_connections\\{protocol="${protocol}"\\} 1$`, 'm'))
    expect(text).toMatch(/^process_cpu_seconds_total /m)
    overSse.close()
    await Promise.all(clients.map((client) => client.close()))
  })

  test.each(['/', '/graphql/x', '/ws', '/ws/connect/'])('an upgrade on %s is refused with 404', async (path) => {
    const socket = new WebSocket(`ws://127.0.0.1:${app.port}${path}`)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(response.statusCode).toBe(404)
    expect(response.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    socket.on('error', () => undefined)
    socket.terminate()
  })
})

/** Runs each request over HTTP and over a socket, with what it is refused with. */
async function refusedWith(client: GraphqlClient, query: string, variables?: Record<string, unknown>): Promise<string[]> {
  const { data, errors } = await client.run(query, variables)
  expect(data ?? null).toBeNull()
  return (errors ?? []).map(({ extensions: { code }, message }) => `${code} ${message}`)
}

describe('limits of a document are held before anything is executed', () => {
  const nested = (depth: number): string => {
    let fields = 'id'
    for (let level = 1; level < depth; level++)
      fields = level % 2 === 0 ? `conversation { ${fields} }` : `lastMessage { ${fields} }`
    return `{ conversation(id: "direct_1_2") { ${fields} } }`
  }
  const create = 'createGroup(input: { name: "x" }) { id }'
  const aliases = (count: number, field = create): string => Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ')
  const cases: [name: string, query: string, message: RegExp][] = [
    ['depth', nested(14), /depth/i],
    ['depth through fragments', `query { viewer { id } ...a } fragment a on Query ${nested(14)}`, /depth/i],
    ['aliases', `mutation { ${aliases(31)} }`, /alias/i],
    ['aliases of __typename', `{ ${aliases(31, '__typename')} }`, /alias/i],
    ['tokens', `mutation { ${create} ${'__typename '.repeat(1001)} }`, /token/i],
    [
      'directives',
      `mutation { ${create.replace('id', `id ${'@skip(if: false) '.repeat(51)}`)} }`,
      /^BAD_USER_INPUT Directives limit/,
    ],
    [
      'cost',
      `mutation { ${create} } query q { conversations(first: 100) { edges { node { messages(first: 100) { edges { node { conversation { messages(first: 100) { edges { node { id } } } } } } } } } } }`,
      /cost|operation/i,
    ],
    ['an endless fragment', `mutation { ${create} ...a } fragment a on Mutation { ...a }`, /fragment|itself/i],
  ]
  test.each(cases)('%s', async (name, query, message) => {
    const user = await app.user()
    const socket = app.graphqlWs(user)
    const variables = {}
    for (const client of [app.over(user), socket]) {
      const refused = await refusedWith(client, query, variables)
      expect(refused.length).toBeGreaterThan(0)
      for (const text of refused) expect(text).toMatch(/^BAD_USER_INPUT /)
      expect(refused.join('\n')).toMatch(message)
      expect(refused.join('\n')).not.toMatch(/Syntax Error|armor/i)
    }
    expect(await socket.data('{ conversations { edges { cursor } } }'), name).toEqual({ conversations: { edges: [] } })
    await socket.close()
  })

  test('what stays within them is executed', async () => {
    const user = await app.user()
    const query = `query { ${Array.from({ length: 30 }, (_, n) => `a${n}: viewer { id }`).join(' ')} }`
    expect(Object.keys(await app.over(user).data(query))).toHaveLength(30)
    const page = `{ conversations(first: 100) { edges { node { id lastMessage { content } messages(first: 20) { edges { node { id } } } } } } }`
    expect(await app.over(user).data(page)).toEqual({ conversations: { edges: [] } })
  })
})

describe('errors carry their code', () => {
  const ID = '2000000000'
  const cases: [code: string, query: string][] = [
    ['NOT_FOUND', `mutation { sendMessage(input: { receiverId: "${ID}", content: "x" }) { id } }`],
    ['NOT_FOUND', `mutation { sendMessage(input: { conversationId: "nowhere", content: "x" }) { id } }`],
    ['NOT_FOUND', `mutation { joinGroup(groupId: "${ID}") }`],
    ['NOT_FOUND', `mutation { markMessageRead(messageId: "x") { readAt } }`],
    ['NOT_FOUND', `mutation { addReaction(messageId: "9007199254740991", reaction: "x") { count } }`],
    ['NOT_FOUND', `mutation { markNotificationRead(id: "${ID}") { id } }`],
    ['FORBIDDEN', 'mutation { upsertUser(id: "1", name: "x") { id } }'],
    ['FORBIDDEN', 'mutation { pushSystemNotification(notificationType: "x", data: {}, userIds: ["1"]) }'],
    ['FORBIDDEN', 'mutation { pushNewMessage(messageId: "1") }'],
    ['BAD_USER_INPUT', 'mutation { sendMessage(input: { content: "x" }) { id } }'],
    ['BAD_USER_INPUT', `mutation { sendMessage(input: { receiverId: "${ID}", content: "" }) { id } }`],
    ['BAD_USER_INPUT', '{ conversations(first: 0) { edges { cursor } } }'],
    ['BAD_USER_INPUT', '{ conversations(first: 101) { edges { cursor } } }'],
    ['BAD_USER_INPUT', '{ conversations(first: -1) { edges { cursor } } }'],
    ['BAD_USER_INPUT', '{ conversations(first: 1e9) { edges { cursor } } }'],
    ['BAD_USER_INPUT', '{ conversations(after: "x") { edges { cursor } } }'],
    ['BAD_USER_INPUT', '{ notifications(first: 0) { edges { cursor } } }'],
    ['BAD_USER_INPUT', '{ notifications(after: "W10") { edges { cursor } } }'],
    ['BAD_USER_INPUT', 'mutation { createGroup(input: { name: "" }) { id } }'],
    ['BAD_USER_INPUT', '{ nope }'],
    ['BAD_USER_INPUT', '{ viewer { id'],
    ['BAD_USER_INPUT', 'query ($id: ID!) { user(id: $id) { id } }'],
    ['BAD_USER_INPUT', '{ user(id: {}) { id } }'],
  ]
  test.each(cases)('%s: %s', async (code, query) => {
    const user = { id: 7, name: 'Ann' }
    const socket = app.graphqlWs(user)
    for (const client of [app.over(user), socket]) {
      const { errors } = await client.run(query)
      expect(errors?.map(({ extensions }) => extensions)).toEqual(errors?.map(() => ({ code })))
      expect(errors?.length).toBeGreaterThan(0)
    }
    await socket.close()
  })

  test('CONFLICT: an idempotency key used for another message', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const send = `mutation ($to: ID!, $content: String!) {
      sendMessage(input: { receiverId: $to, content: $content, clientMessageId: "one" }) { id }
    }`
    const to = String(bob.id)
    const first = await app.over(ann).data(send, { to, content: 'x' })
    expect(await app.over(ann).data(send, { to, content: 'x' })).toEqual(first)
    expect(await refusedWith(app.over(ann), send, { to, content: 'y' })).toEqual([expect.stringMatching(/^CONFLICT /)])
  })

  test('INTERNAL_SERVER_ERROR: what nobody expected is masked on every transport and logged, each time once', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const legacy = await app.ready(ann)
    const socket = app.graphqlWs(ann)
    await socket.data(VIEWER)
    const secret = 'SELECT secret FROM users -- password'
    vi.spyOn(PGlite.prototype, 'query').mockImplementation(() => Promise.reject(new TypeError(secret)))
    const before = failures(app).length
    const masked = [{ message: 'Unexpected error.', path: ['user'], extensions: { code: 'INTERNAL_SERVER_ERROR' } }]
    const query = `{ user(id: "${bob.id}") { name } }`
    for (const client of [app.over(ann), socket]) {
      const { data, errors } = await client.run(query)
      expect(data).toEqual({ user: null })
      expect(errors).toMatchObject(masked)
      expect(JSON.stringify(errors)).not.toMatch(/secret|password|TypeError|stack/)
    }
    expect(await legacy.request('message_read', { message_id: 1 })).toMatchObject({
      type: 'error',
      code: 500,
      msg: '标记消息已读失败',
      data: { code: 500, message: '标记消息已读失败', details: { error: 'Unexpected error.' } },
    })
    expect(failures(app).length - before).toBe(3)
    expect(JSON.stringify(failures(app).slice(before))).toContain(secret)
    vi.restoreAllMocks()
    expect(await legacy.request('ping')).toMatchObject({ type: 'heartbeat' })
    expect(await socket.data(query)).toEqual({ user: { name: bob.name } })
    // Of this test's making, so that the others may go on looking for none.
    app.logged.length = 0
    await Promise.all([legacy.close(), socket.close()])
  })

  test('a failure of which several fields tell is reported once', async () => {
    const reported: unknown[] = []
    const failure = new Error('secret')
    const operations = new Operations({
      schema: createSchema(),
      services: { chat: { reads: new Proxy({}, { get: () => () => Promise.reject(failure) }) }, feeds: {}, admin: {} } as never,
      report: (error) => reported.push(error),
      activity: { isWatched: false, record: () => undefined },
      open: true,
    })
    const viewer = { userId: 1, name: undefined, avatar: undefined, isAdmin: false, issuedAt: 0, expiresAt: 0 }
    const document = '{ a: user(id: "1") { name } b: user(id: "2") { name } c: user(id: "1") { name } }'
    const { errors } = await operations.execute({ document, viewer, connectionId: null })
    expect(errors?.map(({ message, extensions }) => ({ message, extensions }))).toEqual(
      Array(3).fill({ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }),
    )
    expect(reported).toEqual([failure])
  })
})

test('the number of statements does not grow with the page', async () => {
  const PAGE = 12
  const ann = await app.user('Ann')
  const partners = await Promise.all(Array.from({ length: PAGE }, () => app.user()))
  const over = app.over(ann)
  const send = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
  const answer =
    'mutation ($id: ID!) { addReaction(messageId: $id, reaction: "x") { count } markMessageRead(messageId: $id) { readAt } }'
  /** Each partner sends a message, which gets a reaction and is read: one after the other, for few changes of a user may wait. */
  const exchange = async (target: Record<string, string>): Promise<void> => {
    for (const partner of partners) {
      const { sendMessage } = await app.over(partner).data(send, { input: { ...target, content: 'hi' } })
      await over.data(answer, { id: sendMessage.id })
    }
  }
  await exchange({ receiverId: String(ann.id) })
  const group = await over.data('mutation ($input: CreateGroupInput!) { createGroup(input: $input) { conversation { id } } }', {
    input: { name: 'Group', memberIds: partners.map(({ id }) => String(id)) },
  })
  const conversationId = group.createGroup.conversation.id as string
  await exchange({ conversationId })

  const message =
    'id content sender { id name avatar online lastActive } reactions { reaction count userIds } readBy { readerId readAt }'
  const pages: Record<string, [query: string, variables: Record<string, unknown>]> = {
    conversations: [
      `query ($first: Int!) { page: conversations(first: $first) { edges { node { id unreadCount group { name memberCount }
        members(first: 3) { edges { node { id name } } } lastMessage { ${message} } messages(first: 2) { edges { node { id } } } } } } }`,
      {},
    ],
    messages: [
      `query ($first: Int!, $id: ID!) { conversation(id: $id) { page: messages(first: $first) { edges { node { ${message} } } } } }`,
      { id: conversationId },
    ],
    members: [
      `query ($first: Int!, $id: ID!) { conversation(id: $id) { group { page: members(first: $first) { edges { node { role user { id name online } } } } } } }`,
      { id: conversationId },
    ],
  }
  const queries = vi.spyOn(PGlite.prototype, 'query')
  for (const [name, [query, variables]] of Object.entries(pages)) {
    const statements = async (first: number): Promise<number> => {
      queries.mockClear()
      const data = JSON.stringify(await over.data(query, { ...variables, first }))
      expect(data.split('"node":{').length - 1, name).toBeGreaterThanOrEqual(first)
      return queries.mock.calls.length
    }
    // The server's own jobs may come in between: it takes as many as the least that are seen.
    let [few, many] = [Infinity, Infinity]
    const grow = async (): Promise<number> => {
      few = Math.min(few, await statements(3))
      many = Math.min(many, await statements(PAGE))
      return many - few
    }
    await expect.poll(grow, { message: name }).toBe(0)
    expect(many, name).toBeLessThan(15)
  }
})

test('a user may have 100 requests in progress, an admin more', async () => {
  const beside100 = async (isAdmin: boolean, check: (ask: () => Promise<number>) => Promise<void>): Promise<void> => {
    const user = await app.user()
    const headers = { ...bearer(tokenOf({ userId: user.id, name: user.name, isAdmin })), 'content-type': 'application/json' }
    const open = Array.from({ length: 100 }, () =>
      // Its body never comes.
      httpRequest(app.graphqlUrl, { method: 'POST', headers: { ...headers, 'content-length': 9 }, agent: false }),
    )
    for (const request of open) request.on('error', () => undefined).flushHeaders()
    await Promise.all(open.map(async (request) => await once((await once(request, 'socket'))[0] as Socket, 'connect')))
    await check(async () => (await post({ query: VIEWER }, headers)).status)
    for (const request of open) request.destroy()
  }
  await beside100(false, async (ask) => await expect.poll(ask).toBe(429))
  await beside100(true, async (ask) => {
    for (let count = 0; count < 10; count++) expect(await ask()).toBe(200)
  })
})

describe('CORS and ALLOWED_ORIGINS', () => {
  const preflight = (of: TestApp, origin: string): Promise<Response> =>
    fetch(of.graphqlUrl, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-y',
      },
    })

  test('without the setting every origin may ask, with a token in a header', async () => {
    const response = await preflight(app, 'https://anywhere.example')
    expect(response.status).toBe(204)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, POST, OPTIONS',
      'access-control-allow-headers': 'authorization,content-type,x-y',
    })
    expect(response.headers.has('access-control-allow-credentials')).toBe(false)
    const answer = await post({ query: VIEWER }, { origin: 'https://anywhere.example' })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
    const refused = await post({ query: VIEWER }, { origin: 'https://anywhere.example', authorization: '' })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, '*'])
  })

  describe('with the setting', () => {
    let limited: TestApp
    const GOOD = 'https://chat.example.com'
    const BAD = [
      'https://evil.example',
      'http://chat.example.com',
      'https://chat.example.com:8443',
      'https://chat.example.com.evil.example',
      'null',
    ]
    beforeAll(async () => {
      limited = await startApp({
        ALLOWED_ORIGINS: `${GOOD}, http://localhost:3000`,
        RATE_LIMIT_PER_SECOND: '1',
        RATE_LIMIT_BURST: String(BURST),
        METRICS_PORT: '0',
        KEEP_ALIVE_TIMEOUT_MS: '100',
      })
    })
    afterAll(() => limited.stop())

    test.each([GOOD, 'http://localhost:3000'])('%s is let in everywhere', async (origin) => {
      const response = await preflight(limited, origin)
      expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([204, origin])
      expect(response.headers.get('vary')).toBe('Origin')
      const user = await limited.user()
      const as = bearer(tokenOf({ userId: user.id, name: user.name }))
      const answer = await post({ query: VIEWER }, { origin, ...as }, limited)
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, origin])
      await (await limited.ready(user, { headers: { origin } })).close()
    })

    test.each(BAD)('%s is refused everywhere, before anything else is looked at', async (origin) => {
      for (const authorization of [`Bearer ${token}`, '']) {
        const answers = [await preflight(limited, origin), await post({ query: VIEWER }, { origin, authorization }, limited)]
        for (const answer of answers) {
          expect(await refusal(answer)).toEqual({ status: 403, code: 'FORBIDDEN', message: 'this origin is not allowed' })
          expect(answer.headers.has('access-control-allow-origin')).toBe(false)
        }
        const page = await fetch(limited.graphqlUrl, { headers: { origin, accept: 'text/html' } })
        expect(page.status).toBe(403)
      }
      const refused: unknown = await limited
        .legacy({ id: 7, name: 'Ann' }, { headers: { origin } })
        .catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(RefusedError)
      const { status, body } = refused as RefusedError
      expect({ status, frame: JSON.parse(body) as Frame }).toEqual({
        status: 403,
        frame: {
          type: 'error',
          code: 403,
          msg: '来源不被允许',
          data: { code: 403, message: '来源不被允许', details: { error: 'this origin is not allowed' } },
        },
      })
      const socket = new WebSocket(limited.legacyUrl.replace('/ws/connect', '/graphql'), 'graphql-transport-ws', { origin })
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }]
      expect(response.statusCode).toBe(403)
      socket.on('error', () => undefined)
      socket.terminate()
    })

    test('with METRICS_PORT, /metrics and /ready are served there alone, and /health on both', async () => {
      const statuses = async (port: number | undefined): Promise<number[]> => {
        const paths = ['/metrics', '/ready', '/health', '/graphql']
        return await Promise.all(paths.map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status))
      }
      expect(await statuses(limited.metricsPort)).toEqual([200, 200, 200, 404])
      expect(await statuses(limited.port)).toEqual([404, 404, 200, 401])
      expect((await fetch(`http://127.0.0.1:${limited.metricsPort}/metrics`, { method: 'POST' })).status).toBe(405)
    })

    test('KEEP_ALIVE_TIMEOUT_MS ends a connection that idles so long; 75 s where it is not set', async () => {
      expect((await fetch(`${app.http}/health`)).headers.get('keep-alive')).toBe('timeout=75')
      const socket = connect(limited.port, '127.0.0.1')
      socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
      socket.resume()
      await once(socket, 'end')
      socket.destroy()
    })

    test('what is no browser and sends no origin is let in', async () => {
      expect((await post({ query: VIEWER }, {}, limited)).status).toBe(200)
    })

    test('new sockets of a user are counted on their own, over both protocols', async () => {
      const user = await limited.user()
      const opened = async (): Promise<boolean> => {
        const client = await limited.ready(user).catch((error: unknown) => error)
        if (client instanceof RefusedError) {
          expect([client.status, JSON.parse(client.body).data.details.error]).toEqual([
            429,
            expect.stringMatching(/^too many new connections: at most 0\.2 a second/),
          ])
          return false
        }
        await (client as LegacyClient).close()
        return true
      }
      let count = 0
      while (count < 100 && (await opened())) count++
      expect(count).toBeGreaterThanOrEqual(BURST)
      expect(count).toBeLessThan(100)
      const socket = limited.graphqlWs(user)
      await expect(socket.run(VIEWER)).rejects.toMatchObject({ code: 4429 })
      // Users with a connection are not concerned.
      expect(await limited.over(user).data(VIEWER)).toMatchObject({ viewer: { id: String(user.id) } })
      await (await limited.ready(await limited.user())).close()
    })

    // Enough that filling up again, one a second, never looks like a bucket of its own.
    const PIPELINED = 40
    test('RATE_LIMIT_PER_SECOND and RATE_LIMIT_BURST hold for all protocols together, and for each user', async () => {
      const [user, other] = [await limited.user(), await limited.user()]
      const legacy = await limited.ready(user)
      const socket = limited.graphqlWs(user)
      for (let n = 0; n < PIPELINED; n++) legacy.send({ type: 'ping', message_id: `p${n}` })
      const answers = await legacy.inbox.take(PIPELINED)
      const taken = answers.filter(({ code }) => code === 200).length
      expect(taken).toBeGreaterThanOrEqual(BURST)
      const refused = answers.find(({ code }) => code !== 200) as Frame
      expect(refused).toEqual({
        type: 'error',
        code: 429,
        msg: '请求过于频繁',
        data: {
          code: 429,
          message: '请求过于频繁',
          details: { error: expect.stringMatching(/^too many requests: at most 1 a second/) },
        },
        message_id: expect.stringMatching(/^p\d+$/),
      })
      // Bad frames count too, and the text is that of the operation.
      const untilRefused = async (ask: () => Promise<Frame>): Promise<Frame> => {
        for (let n = 0; n < BURST; n++) {
          const frame = await ask()
          if (frame.code === 429) return frame
        }
        throw new Error('this protocol has a bucket of its own')
      }
      expect(await untilRefused(() => legacy.request('typing', { session_id: '' }))).toMatchObject({ msg: '更新输入状态失败' })
      expect(await untilRefused(() => legacy.request('nope'))).toMatchObject({ msg: '未知的消息类型' })

      const ofUser = bearer(tokenOf({ userId: user.id, name: user.name }))
      let answer = await post({ query: VIEWER }, ofUser, limited)
      for (let n = 0; answer.status === 200 && n < BURST; n++) answer = await post({ query: VIEWER }, ofUser, limited)
      expect(Number(answer.headers.get('retry-after'))).toBe(1)
      expect(await refusal(answer)).toMatchObject({ status: 429, code: 'RATE_LIMITED' })

      let result = await socket.run(VIEWER)
      for (let n = 0; !result.errors && n < BURST; n++) result = await socket.run(VIEWER)
      expect(result.errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) } }])

      expect(await limited.over(other).data(VIEWER)).toMatchObject({ viewer: { id: String(other.id) } })
      // Sockets stay open: it is no abuse that closes them.
      expect(legacy.socket.readyState).toBe(WebSocket.OPEN)
      await expect.poll(() => legacy.request('ping'), { interval: 100 }).toMatchObject({ code: 200 })
    })

    test('0 switches the limit off', async () => {
      const legacy = await app.ready(await app.user())
      for (let n = 0; n < 500; n++) legacy.send({ type: 'ping' })
      expect((await legacy.inbox.take(500)).filter(({ code }) => code !== 200)).toEqual([])
    })
  })
})

const BURST = 20

describe('NODE_ENV=production', () => {
  let production: TestApp
  beforeAll(async () => {
    production = await startApp({ NODE_ENV: 'production' })
  })
  afterAll(() => production.stop())

  test.each([
    '{ __schema { types { name } } }',
    '{ __type(name: "User") { name } }',
    'query { ...a } fragment a on Query { b: __type(name: "User") { name } }',
  ])('introspection is for admins: %s', async (query) => {
    const user = { id: 7, name: 'Ann' }
    const socket = production.graphqlWs(user)
    for (const client of [production.over(user), socket])
      expect(await refusedWith(client, query)).toEqual(['FORBIDDEN introspection is for admins here'])
    await socket.close()
    expect((await production.admin.run(query)).errors).toBeUndefined()
    expect((await app.over(user).run(query)).errors).toBeUndefined()
  })

  test('__typename is no introspection', async () => {
    expect(await production.over({ id: 7, name: 'Ann' }).data('{ __typename viewer { __typename } }')).toEqual({
      __typename: 'Query',
      viewer: { __typename: 'User' },
    })
  })

  test.each([
    '{ viewr { id } }',
    '{ viewer { nam } }',
    '{ user(idd: "1") { id } }',
    '{ ... on Usr { id } }',
    'mutation { createGroup(input: { nam: "x" }) { id } }',
    'mutation { setGroupRole(groupId: "1", userId: "1", role: OWNR) { id } }',
    'query ($a: SendMesageInput) { viewer { id } }',
  ])('no error suggests a name of the schema: %s', async (query) => {
    const user = { id: 7, name: 'Ann' }
    expect((await app.over(user).run(query)).errors?.map(({ message }) => message).join()).toMatch(/Did you mean/)
    const { errors } = await production.over(user).run(query)
    expect(errors?.length).toBeGreaterThan(0)
    expect(JSON.stringify(errors)).not.toMatch(/Did you mean/)
  })

  test('nor where a variable brings it', async () => {
    const { errors } = await production
      .over({ id: 7, name: 'Ann' })
      .run('mutation ($input: CreateGroupInput!) { createGroup(input: $input) { id } }', {
        input: { name: 'x', announcment: 'y' },
      })
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    expect(JSON.stringify(errors)).not.toMatch(/Did you mean/)
  })

  test('GraphiQL is off', async () => {
    const response = await fetch(production.graphqlUrl, { headers: { accept: 'text/html' } })
    expect([response.status, response.headers.get('content-type')]).toEqual([401, 'application/json; charset=utf-8'])
  })
})

const hasOpenssl = ((): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe.skipIf(!hasOpenssl)('TLS_CERT and TLS_KEY (needs openssl)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-tls-'))
  const [TLS_CERT, TLS_KEY] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  let tls: TestApp
  let ca: Buffer
  beforeAll(async () => {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        TLS_KEY,
        '-out',
        TLS_CERT,
        ...subject,
      ],
      { stdio: 'ignore' },
    )
    ca = readFileSync(TLS_CERT)
    tls = await startApp({ TLS_CERT, TLS_KEY, NODE_ENV: 'production', GRAPHIQL: '1' })
  })
  afterAll(async () => {
    await tls.stop()
    rmSync(folder, { recursive: true })
  })

  const get = (headers: Record<string, string>, path: string): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const request = httpsRequest({ host: '127.0.0.1', port: tls.port, path, ca, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
      request.on('error', reject).end()
    })

  test('serve https and wss, on both endpoints', async () => {
    expect(await get({}, '/health')).toEqual({ status: 200, text: '{"status":"ok"}' })
    expect(await get(bearer(adminToken), `/graphql?query=${encodeURIComponent(VIEWER)}`)).toEqual({
      status: 200,
      text: '{"data":{"viewer":{"id":"999","name":"Admin"}}}',
    })
    const legacy = new WebSocket(`wss://127.0.0.1:${tls.port}/ws/connect`, { ca, headers: bearer(token) })
    const [frame] = await once(legacy, 'message')
    expect(JSON.parse(String(frame))).toMatchObject({ type: 'connection_established', data: { user_id: 7 } })
    const socket = new WebSocket(`wss://127.0.0.1:${tls.port}/graphql`, 'graphql-transport-ws', { ca, headers: bearer(token) })
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    expect(String((await once(socket, 'message'))[0])).toBe('{"type":"connection_ack"}')
    await Promise.all(
      [legacy, socket].map(async (each) => {
        each.close()
        await once(each, 'close')
      }),
    )
  })

  test('plain HTTP is not spoken there', async () => {
    await expect(fetch(`${tls.http}/health`)).rejects.toThrow('fetch failed')
  })

  test('GRAPHIQL=1 serves the page in production, without a token in it', async () => {
    const { status, text } = await get({ accept: 'text/html' }, '/graphql')
    expect(status).toBe(200)
    expect([text.includes('PUT-A-TOKEN-HERE'), text.includes('Bearer ey')]).toEqual([true, false])
  })
})

test('none of all this was a failure of the server', () => {
  expect(failures(app)).toEqual([])
})
