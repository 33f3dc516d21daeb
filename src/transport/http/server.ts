import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { GraphQLError } from 'graphql'
import type { WebSocketServer } from 'ws'
import { ChatError } from '../../errors.ts'
import type { Network } from '../../settings/values.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { Operations } from '../../graphql/operations.ts'
import type { Connections } from '../../live/connections.ts'
import { TurnQueue } from '../../lib/turn-queue.ts'
import { BoundedRequest, isCut } from './body.ts'
import { clientAddress } from './client-address.ts'
import { createAllowedHosts } from './allowed-hosts.ts'
import { Cors } from './cors.ts'
import { createDemoRoutes, type DemoPageAt } from './demo-routes.ts'
import { closeSockets, endInTurn, socketsOf } from './drain.ts'
import { createGraphqlRoute, type GraphqlRouteOptions } from './graphql-route.ts'
import { paceRequests, takeOver } from './paced-requests.ts'
import { createProbes, createProbeServer, PROBE_METHODS, sendJson, type Probe, type ProbesOptions } from './probes.ts'
import { Routes, TRY_AGAIN, type Closed, type Route, type RouteParts } from './routes.ts'
import { hasOneHost, normalTarget, pathOf } from './target.ts'
import { refuseUpgrade, SECURITY_HEADERS, startPings, type Endpoint } from '../socket/upgrade.ts'

export interface HttpServerOptions extends ProbesOptions, GraphqlRouteOptions {
  host: string
  port: number
  /** Where the probes are served instead; undefined: on the public port. */
  metricsPort: number | undefined
  metricsHost: string
  /** How long a connection may be idle between two requests. */
  keepAliveTimeoutMs: number
  tls: { cert: string; key: string } | undefined
  /** Origins of browsers that may use the server; undefined: all. */
  allowedOrigins: readonly string[] | undefined
  /** Proxies whose `X-Forwarded-For` is trusted. */
  trustedProxies: readonly Network[]
  pingIntervalMs: number
  /** Undefined: no demo. */
  demoPages: DemoPageAt | undefined
  legacy: Endpoint
}

/** Routes HTTP requests and upgrades (docs/operations.md, HTTP endpoints). */
export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #operations: Operations
  readonly #connections: Connections
  readonly #report: (error: unknown) => void
  readonly #cors: Cors
  #closed: Closed = 'starting'
  readonly #probeServer: ReturnType<typeof createProbeServer> | undefined
  readonly #routes: Routes
  readonly #socketServers: WebSocketServer[]
  readonly #server: Server
  /** All connections, including those that have not sent a request or finished the TLS handshake. */
  readonly #open = new Set<Socket>()
  readonly #pings: { stop(): void }

  constructor(options: HttpServerOptions) {
    this.#options = options
    const { operations, connections, report } = options
    this.#operations = operations
    this.#connections = connections
    this.#report = report
    const isAllowedHost = createAllowedHosts(options)
    this.#cors = new Cors(options.allowedOrigins)
    const parts: RouteParts = {
      cors: this.#cors,
      closed: () => this.#closed,
      isAllowedHost,
      addressOf: (request) => this.#addressOf(request),
    }
    const allProbes = createProbes(options, () => this.#closed)
    this.#probeServer = options.metricsPort === undefined ? undefined : createProbeServer(allProbes, this.#report)
    const probes = this.#probeServer ? { '/health': allProbes['/health'] as Probe } : allProbes
    this.#routes = new Routes(
      [
        createGraphqlRoute(options, parts),
        { path: '/ws/connect', methods: PROBE_METHODS, handle: wantsUpgrade, endpoint: options.legacy },
        ...Object.entries(probes).map(([path, probe]): Route => ({
          path,
          methods: PROBE_METHODS,
          handle: (_request, response) => probe(response),
        })),
      ],
      options.demoPages && createDemoRoutes(options.demoPages, parts),
    )
    this.#socketServers = [options.graphqlWs.server, options.legacy.server]
    const listener: RequestListener = (request, response) => this.#handle(request, response)
    const serving = {
      IncomingMessage: BoundedRequest,
      headersTimeout: HEADERS_MS,
      requestTimeout: 30_000,
      // Node checks only every half minute by default.
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: options.keepAliveTimeoutMs,
    }
    this.#server = options.tls
      ? createTlsServer({ ...serving, handshakeTimeout: HEADERS_MS, ...options.tls })
      : createServer(serving)
    paceRequests(this.#server, listener, { isTls: options.tls !== undefined })
    // For clients that do not read; streams have limits of their own.
    this.#server.setTimeout(SILENCE_MS)
    const upgrades = new TurnQueue<[IncomingMessage, Duplex, Buffer]>({
      turnMs: UPGRADES_MS,
      serve: (upgrade) => this.#upgrade(...upgrade),
    })
    this.#server.on('upgrade', (request, socket, firstBytes) => {
      const head = takeOver(socket as Socket, firstBytes)
      if (!head) return void socket.destroy()
      if (!isToWebSocket(request)) {
        // To HTTP/2, as Java's HttpClient and `curl --http2` ask first: it may be ignored (RFC 9110, section 7.8).
        socket.unshift(Buffer.concat([withoutUpgrade(request), head]))
        return void this.#server.emit(options.tls ? 'secureConnection' : 'connection', socket)
      }
      // Between here and the endpoint's own listener a connection reset must not end the process.
      socket.on('error', ignore)
      upgrades.add([request, socket, head])
    })
    const open = this.#open
    // One function for all sockets.
    function forget(this: Socket): void {
      open.delete(this)
    }
    this.#server.on('connection', (socket: Socket) => {
      if (!open.has(socket)) socket.on('close', forget)
      open.add(socket)
    })
    this.#pings = startPings(this.#socketServers, options.pingIntervalMs)
  }

  open(): void {
    this.#closed = undefined
  }

  /** Another certificate, for connections from now on. */
  useTls(tls: { cert: string; key: string }): void {
    return (this.#server as TlsServer).setSecureContext(tls)
  }

  /**
   * Starts to listen; everything but /health, /ready and /metrics is refused until `open` is called. Resolves with the address,
   * or rejects with the system's error.
   */
  async listen(): Promise<{ host: string; port: number; metricsPort: number | undefined }> {
    const metricsPort = await this.#probeServer?.listen(this.#options.metricsPort as number, this.#options.metricsHost)
    return await new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        void this.#probeServer?.close()
        reject(error)
      })
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.removeAllListeners('error')
        this.#server.on('error', this.#report)
        const { address, port } = this.#server.address() as AddressInfo
        resolve({ host: address, port, metricsPort })
      })
    })
  }

  /** Closes what is connected with 1012 as `drain` does, and goes on: clients reconnect and resume. */
  async reconnectClients(): Promise<void> {
    await endInTurn(this.#socketServers, this.#connections.renewals(), RECONNECT_MS)
  }

  /**
   * Accepts no more connections and requests, lets running ones finish, then closes the sockets with 1012; whatever is left
   * after `limitMs` is cut.
   */
  async drain(limitMs: number): Promise<void> {
    // First, so that a proxy polling /ready sends clients elsewhere; it is answered until the sockets are closed.
    this.#closed = 'draining'
    let limit: NodeJS.Timeout | undefined
    const cut = new Promise<void>((resolve) => {
      limit = setTimeout(() => {
        for (const socket of this.#open) socket.destroy()
        resolve()
      }, limitMs)
    })
    for (const ws of socketsOf(this.#socketServers)) ws.pause()
    // Operations started by running ones are waited for too.
    for (let busy = this.#operations.idle(); busy; busy = this.#operations.idle()) {
      await Promise.race([busy, cut])
      await nextTurn()
    }
    await Promise.race([closeSockets(this.#socketServers, this.#connections, limitMs / 2), cut])
    const ended = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const idle = setInterval(() => this.#server.closeIdleConnections(), 20)
    await ended
    // A cut socket and its connection are closed in a later turn.
    do await nextTurn()
    while (this.#open.size > 0)
    clearInterval(idle)
    await this.#probeServer?.close()
    clearTimeout(limit)
    this.#pings.stop()
  }

  #addressOf(request: IncomingMessage): string {
    return clientAddress(request, this.#options.trustedProxies)
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    request.url = normalTarget(request.url)
    // The client's next request shall find another connection, on another node.
    if (this.#closed === 'draining') response.shouldKeepAlive = false
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
    if (this.#options.tls) response.setHeader('Strict-Transport-Security', 'max-age=31536000')
    if (!hasOneHost(request)) {
      // Who else reads it, such as a proxy, may see another request in what follows.
      response.shouldKeepAlive = false
      return sendJson(response, 400, { error: ONE_HOST })
    }
    this.#routes.handle(request, response, pathOf(request.url)).catch((error: unknown) => {
      const clientError = this.#operations.failure(error)
      const status = error instanceof ChatError ? error.status : statusOf(clientError).status
      // The rest of an unread body must not be parsed as the next request.
      if (status === 413 || isCut(request)) response.shouldKeepAlive = false
      sendError(response, clientError, status)
    })
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Closed while it waited for its turn.
    if (socket.destroyed) return
    if (!hasOneHost(request)) return refuseUpgrade(socket, 400, JSON.stringify({ error: ONE_HOST }))
    request.url = normalTarget(request.url)
    const endpoint = this.#routes.endpointOf(pathOf(request.url))
    if (!endpoint) return refuseUpgrade(socket, 404, JSON.stringify({ error: this.#routes.nothingHere }))
    if (this.#closed) return endpoint.refuse(socket, 503, TRY_AGAIN)
    if (!this.#cors.allows(request)) return endpoint.refuse(socket, 403, 'this origin is not allowed')
    const address = this.#addressOf(request)
    const release = this.#options.addresses.acquire(address)
    if (!release) return endpoint.refuse(socket, 429, 'too many connections of this address: close another one first')
    socket.on('close', release)
    endpoint.upgrade(request, socket, head, address).catch(this.#report)
  }
}

const isToWebSocket = ({ headers }: IncomingMessage): boolean => /(?:^|,)\s*websocket\s*(?:$|[,/])/i.test(headers.upgrade ?? '')

/** The request's head as it would be without asking for another protocol. */
function withoutUpgrade({ method, url, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/1.1`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name, value] = rawHeaders.slice(index, index + 2) as [string, string]
    if (/^(?:upgrade|http2-settings)$/i.test(name)) continue
    const others = value.split(',').filter((option) => !/^\s*(?:upgrade|http2-settings)\s*$/i.test(option))
    lines.push(`${name}: ${/^connection$/i.test(name) ? others.join(',') : value}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

function sendError(response: ServerResponse, error: GraphQLError, status: number): void {
  const headers: Record<string, string> = {}
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer'
  if (status === 429 || status === 503) {
    headers['Retry-After'] = String(Math.ceil(Number(error.extensions['retryAfterMs'] ?? 1000) / 1000))
  }
  sendJson(response, status, { errors: [error] }, headers)
}

const ignore = (): void => undefined

const ONE_HOST = 'expected one header Host, with a host and a port'

const wantsUpgrade: Route['handle'] = (_request, response) =>
  sendJson(response, 426, { error: 'expected a WebSocket upgrade' }, { Upgrade: 'websocket', Connection: 'Upgrade' })

/** How long one turn of the event loop upgrades connections: thousands may come at once. */
const UPGRADES_MS = 4

/** How long closing what is connected may take. */
const RECONNECT_MS = 5000

/** How long a client may take for the TLS handshake, and for the headers of a request. */
const HEADERS_MS = 10_000

/** How long a connection may be stalled while a response is written to it. */
const SILENCE_MS = 30_000
