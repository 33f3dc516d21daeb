import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, BlockList, Socket } from 'node:net'
import { Readable, type Duplex } from 'node:stream'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { GraphQLError } from 'graphql'
import type { WebSocket } from 'ws'
import type { Auth, Viewer } from '../../auth/verify.ts'
import type { Counts } from '../../telemetry/counters.ts'
import { ChatError } from '../../errors.ts'
import { fairTurns } from '../../lib/fair-turns.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { Operations } from '../../graphql/operations.ts'
import type { HttpHandler } from '../../graphql/yoga.ts'
import type { Connections } from '../../live/connections.ts'
import { clientAddress, type AddressLimit } from './client-address.ts'
import { checkBodyHeaders, HttpError, readBody } from './body.ts'
import { createOpenAnswers } from './pending-responses.ts'
import { createOwnNames } from './allowed-hosts.ts'
import { oneAtATime } from './pipelining.ts'
import { createProbes, createProbeServer, PROBE_METHODS, sendJson, type ProbesOptions } from './probes.ts'
import { createStreams } from './sse.ts'
import { isText, normalTarget, pathOf } from './target.ts'
import { CLOSE, restartingIn } from '../../legacy-protocol/close-codes.ts'
import { closeWith } from '../socket/close.ts'
import { refuseUpgrade, SECURITY_HEADERS, startPings, type Endpoint } from '../socket/upgrade.ts'

export interface HttpServerOptions extends ProbesOptions {
  host: string
  port: number
  /** Where the probes are served instead; undefined: on the public port. */
  metricsPort: number | undefined
  metricsHost: string
  /** How long a connection may idle between two requests. */
  keepAliveTimeoutMs: number
  tls: { cert: string; key: string } | undefined
  /** Origins of browsers that may use the server; undefined: all. */
  allowedOrigins: readonly string[] | undefined
  /** How many sockets and streams an address may have open. */
  addresses: AddressLimit
  /** Proxies whose `X-Forwarded-For` tells the address. */
  trustedProxies: BlockList
  counts: Counts
  maxBodyBytes: number
  /** How many bytes may wait for the reader of a stream. */
  maxBufferedBytes: number
  pingIntervalMs: number
  /** The page that browsers get; with a demo token only where asked to, and there is one. Undefined: none. */
  graphiqlPage: ((withToken: boolean) => string) | undefined
  /** What the demo has at a path, tokens among it; undefined: no demo. */
  demoPages: ((path: string) => Promise<{ headers: Record<string, string>; body: string } | undefined>) | undefined
  handler: HttpHandler
  operations: Operations
  connections: Connections
  auth: Auth
  admit: (viewer: Viewer) => Promise<void>
  takeRequest: (userId: number) => void
  graphqlWs: Endpoint
  legacy: Endpoint
}

export interface HttpServer {
  /**
   * Starts to listen, which refuses everything but /health, /ready and /metrics until `open` is called; resolves with the
   * address, or rejects with the system's error.
   */
  listen(): Promise<{ host: string; port: number; metricsPort: number | undefined }>
  open(): void
  /** Another certificate, for connections from now on. */
  useTls(tls: { cert: string; key: string }): void
  /**
   * Takes no more connections and requests, lets what runs finish, then closes the sockets with 1012; after `limitMs`
   * whatever is left is cut.
   */
  drain(limitMs: number): Promise<void>
}

/** Routes HTTP requests and upgrades (docs/operations.md, HTTP endpoints). */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { allowedOrigins, maxBodyBytes, handler, operations, connections, auth, admit, takeRequest, report } = options
  const endpoints: Readonly<Record<string, Endpoint>> = { '/graphql': options.graphqlWs, '/ws/connect': options.legacy }
  const isOwnName = createOwnNames(options)
  const allProbes = createProbes(options, () => closed)
  const probeServer = options.metricsPort === undefined ? undefined : createProbeServer(allProbes, report)
  const probes = probeServer ? { '/health': allProbes['/health'] } : allProbes
  const paths = [...(options.demoPages ? ['/'] : []), '/graphql', '/ws/connect', ...Object.keys(probes)].join(', ')
  const nothingHere = `nothing is here: expected ${paths}`
  const socketServers = [options.graphqlWs.server, options.legacy.server]
  const answers = createOpenAnswers()
  const openStream = createStreams(options)
  /** Why nothing is served now; undefined where it is. */
  let closed: 'starting' | 'draining' | undefined = 'starting'

  const isAllowed = (origin: string | undefined): boolean =>
    origin === undefined || !allowedOrigins || allowedOrigins.includes(origin)

  function sendError(response: ServerResponse, error: GraphQLError, status: number): void {
    const headers: Record<string, string> = {}
    if (status === 401) headers['WWW-Authenticate'] = 'Bearer'
    if (status === 429 || status === 503) {
      headers['Retry-After'] = String(Math.ceil(Number(error.extensions['retryAfterMs'] ?? 1000) / 1000))
    }
    // What is left of a body that was not read must not be taken for the next request.
    if (status === 413) headers['Connection'] = 'close'
    sendJson(response, status, { errors: [error] }, headers)
  }

  /** Headers for browsers on other origins; tokens come in headers and never as cookies, so any allowed origin may ask. */
  function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers
    if (allowedOrigins) response.setHeader('Vary', 'Origin')
    if (origin !== undefined) response.setHeader('Access-Control-Allow-Origin', allowedOrigins ? origin : '*')
  }

  function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(204, {
      'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
      'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? 'authorization, content-type',
      'Access-Control-Max-Age': '600',
    })
    response.end()
  }

  async function serveGraphql(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isAllowed(request.headers.origin)) throw new ChatError('FORBIDDEN', 'this origin is not allowed')
    const wantsPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true
    if (wantsPage && options.graphiqlPage !== undefined) {
      // Without headers for other origins: they must not read the token in it.
      const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': PAGE_POLICY }
      response.writeHead(200, headers).end(options.graphiqlPage(isOwnName(request.headers.host)))
      return
    }
    allowOrigin(request, response)
    if (request.method === 'OPTIONS') return answerPreflight(request, response)
    if (closed) throw new ChatError('UNAVAILABLE', TRY_AGAIN)
    const viewer = await auth.verifyHeader(request.headers.authorization, addressOf(request))
    takeRequest(viewer.userId)
    const giveBack = answers.take(viewer.userId, response)
    if (!isText(request.url as string)) throw new HttpError(400, 'the URL is no UTF-8, expected it percent-encoded')
    if (request.method === 'POST') {
      checkBodyHeaders(request.headers)
      // Yoga would read without a bound.
      const body = await readBody(request, maxBodyBytes)
      Object.assign(request, { body: Readable.from([body]) })
      await fairTurns.nextRequest(viewer.userId, body.length)
    }
    await admit(viewer)
    await handler(request, response, {
      viewer,
      reader: { ready: () => answers.ready(viewer.userId) },
      lastEventId: (request.headers['last-event-id'] as string | undefined) || undefined,
      openStream(operation) {
        giveBack()
        return openStream(operation, addressOf(request), response)
      },
    })
  }

  /** What the demo has here; whether there is anything. */
  async function serveDemo(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (!options.demoPages) return false
    if (closed) throw new ChatError('UNAVAILABLE', TRY_AGAIN)
    const { method, headers } = request
    const page = await options.demoPages(pathOf(request.url as string))
    if (!page) return false
    if (method !== 'GET' && method !== 'HEAD') sendJson(response, 405, { error: 'expected GET' }, { Allow: 'GET, HEAD' })
    else if (!isOwnName(headers.host)) {
      const error = 'the demo has tokens, and is shown by address only: open it as localhost or by the IP address of the server'
      sendJson(response, 403, { error })
    } else {
      response.writeHead(200, page.headers).end(method === 'HEAD' ? undefined : page.body)
    }
    return true
  }

  const addressOf = (request: IncomingMessage): string => clientAddress(request, options.trustedProxies)

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request.url as string)
    const probe = probes[path as keyof typeof probes]
    const isKnown = probe !== undefined || Object.hasOwn(endpoints, path)
    if (request.method === 'TRACE' && isKnown) {
      const methods = path === '/graphql' ? 'GET, POST, OPTIONS' : PROBE_METHODS
      return sendJson(response, 405, { error: `expected one of ${methods}` }, { Allow: methods })
    }
    if (probe) return await probe(response)
    if (path === '/graphql') return await serveGraphql(request, response)
    if (path === '/ws/connect')
      return sendJson(response, 426, { error: 'expected a WebSocket upgrade' }, { Upgrade: 'websocket', Connection: 'Upgrade' })
    if (await serveDemo(request, response)) return
    sendJson(response, 404, { error: nothingHere })
  }

  const listener: RequestListener = (request, response) => {
    request.url = normalTarget(request.url)
    // The client's next request shall find another connection, on another node.
    if (closed === 'draining') response.shouldKeepAlive = false
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
    if (options.tls) response.setHeader('Strict-Transport-Security', 'max-age=31536000')
    route(request, response).catch((error: unknown) => {
      const clientError = operations.failure(error)
      sendError(response, clientError, error instanceof ChatError ? error.status : statusOf(clientError).status)
    })
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Between here and the endpoint's own listener a reset of the connection must not end the process.
    socket.on('error', () => undefined)
    request.url = normalTarget(request.url)
    const endpoint = endpoints[pathOf(request.url)]
    if (!endpoint) return refuseUpgrade(socket, 404, JSON.stringify({ error: nothingHere }))
    if (closed) return endpoint.refuse(socket, 503, TRY_AGAIN)
    if (!isAllowed(request.headers.origin)) return endpoint.refuse(socket, 403, 'this origin is not allowed')
    const address = addressOf(request)
    const giveBack = options.addresses.take(address)
    if (!giveBack) return endpoint.refuse(socket, 429, 'too many connections of this address: close another one first')
    socket.on('close', giveBack)
    endpoint.upgrade(request, socket, head, address).catch(report)
  }

  // Node looks only every half minute unless told.
  const timeouts = {
    headersTimeout: HEADERS_MS,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: options.keepAliveTimeoutMs,
  }
  const server: Server = options.tls
    ? createTlsServer({ ...timeouts, handshakeTimeout: HEADERS_MS, ...options.tls }, oneAtATime(listener))
    : createServer(timeouts, oneAtATime(listener))
  // Of who does not read; streams have limits of their own.
  server.setTimeout(SILENCE_MS)
  server.on('upgrade', upgrade)
  /** All there are, also those that have not come to a request or to the end of the TLS handshake. */
  const open = new Set<Socket>()
  function forget(this: Socket): void {
    open.delete(this)
  }
  server.on('connection', (socket: Socket) => open.add(socket) && socket.once('close', forget))
  const pings = startPings(socketServers, options.pingIntervalMs)

  return {
    open() {
      closed = undefined
    },

    useTls: (tls) => (server as TlsServer).setSecureContext(tls),

    async listen() {
      const metricsPort = await probeServer?.listen(options.metricsPort as number, options.metricsHost)
      return await new Promise((resolve, reject) => {
        server.once('error', (error) => {
          void probeServer?.close()
          reject(error)
        })
        server.listen(options.port, options.host, () => {
          server.removeAllListeners('error')
          server.on('error', report)
          const { address, port } = server.address() as AddressInfo
          resolve({ host: address, port, metricsPort })
        })
      })
    },

    async drain(limitMs) {
      // First of all, so that whoever asks /ready sends clients elsewhere; it is answered until the sockets are closed.
      closed = 'draining'
      let limit: NodeJS.Timeout | undefined
      const cut = new Promise<void>((resolve) => {
        limit = setTimeout(() => {
          for (const socket of open) socket.destroy()
          resolve()
        }, limitMs)
      })
      for (const ws of sockets()) ws.pause()
      // Whatever a running operation lets start is waited for too.
      for (let busy = operations.idle(); busy; busy = operations.idle()) {
        await Promise.race([busy, cut])
        await nextTurn()
      }
      await Promise.race([closeSockets(limitMs / 2), cut])
      const ended = new Promise<void>((resolve) => server.close(() => resolve()))
      const idle = setInterval(() => server.closeIdleConnections(), 20)
      await ended
      // A socket that was cut is closed, and its connection with it, in a later turn.
      do await nextTurn()
      while (open.size > 0)
      clearInterval(idle)
      await probeServer?.close()
      clearTimeout(limit)
      pings.stop()
    },
  }

  function sockets(): WebSocket[] {
    return socketServers.flatMap(({ clients }) => [...clients])
  }

  /**
   * Closes all with 1012, a few at a time, and tells each to come back at a moment of its own: the other nodes shall not get
   * all of them at once.
   */
  async function closeSockets(limitMs: number): Promise<void> {
    const ends = connections.restart()
    const spreadMs = Math.max(1000, ends.length)
    const batches = Math.max(1, Math.floor(Math.min(limitMs, ends.length) / BATCH_MS))
    const size = Math.ceil(ends.length / batches)
    for (let start = 0; start < ends.length; start += size) {
      if (start > 0) await wait(BATCH_MS)
      for (const end of ends.slice(start, start + size)) end(restartingIn(Math.ceil(Math.random() * spreadMs)))
      // Else the client's own close would never be read.
      for (const ws of sockets()) if (ws.readyState === ws.CLOSING) ws.resume()
    }
    // Those who have not said yet who they are.
    for (const ws of sockets()) {
      closeWith(ws, CLOSE.restarting, restartingIn(Math.ceil(Math.random() * spreadMs)))
      ws.resume()
    }
  }
}

/** How long a client may take for the TLS handshake, and for the headers of a request. */
const HEADERS_MS = 10_000

/** How long nothing may move on a connection that a response is written to. */
const SILENCE_MS = 30_000

/** Between two batches of closing sockets. */
const BATCH_MS = 50

/** All that GraphiQL needs is in the page; its editor makes its workers of it. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  'worker-src blob:',
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  'font-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const TRY_AGAIN = 'the server starts or stops: try again in a moment'
