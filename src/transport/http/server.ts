import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, BlockList, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { GraphQLError } from 'graphql'
import { ChatError } from '../../errors.ts'
import { statusOf } from '../../graphql/errors.ts'
import { clientAddress } from './client-address.ts'
import { createAllowedHosts } from './allowed-hosts.ts'
import { Cors } from './cors.ts'
import { createDemoRoutes, type DemoPageAt } from './demo-routes.ts'
import { closeSockets, socketsOf } from './drain.ts'
import { createGraphqlRoute, type GraphqlRouteOptions } from './graphql-route.ts'
import { oneAtATime } from './pipelining.ts'
import { createProbes, createProbeServer, PROBE_METHODS, sendJson, type Probe, type ProbesOptions } from './probes.ts'
import { Routes, TRY_AGAIN, type Closed, type Route, type RouteParts } from './routes.ts'
import { normalTarget, pathOf } from './target.ts'
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
  trustedProxies: BlockList
  pingIntervalMs: number
  /** Undefined: no demo. */
  demoPages: DemoPageAt | undefined
  legacy: Endpoint
}

export interface HttpServer {
  /**
   * Starts to listen; everything but /health, /ready and /metrics is refused until `open` is called. Resolves with the address,
   * or rejects with the system's error.
   */
  listen(): Promise<{ host: string; port: number; metricsPort: number | undefined }>
  open(): void
  /** Another certificate, for connections from now on. */
  useTls(tls: { cert: string; key: string }): void
  /**
   * Accepts no more connections and requests, lets running ones finish, then closes the sockets with 1012; whatever is left
   * after `limitMs` is cut.
   */
  drain(limitMs: number): Promise<void>
}

/** Routes HTTP requests and upgrades (docs/operations.md, HTTP endpoints). */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { operations, connections, report } = options
  const isAllowedHost = createAllowedHosts(options)
  const cors = new Cors(options.allowedOrigins)
  const addressOf = (request: IncomingMessage): string => clientAddress(request, options.trustedProxies)
  let closed: Closed = 'starting'
  const parts: RouteParts = { cors, closed: () => closed, isAllowedHost, addressOf }
  const allProbes = createProbes(options, () => closed)
  const probeServer = options.metricsPort === undefined ? undefined : createProbeServer(allProbes, report)
  const probes = probeServer ? { '/health': allProbes['/health'] as Probe } : allProbes
  const routes = new Routes(
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
  const socketServers = [options.graphqlWs.server, options.legacy.server]

  function sendError(response: ServerResponse, error: GraphQLError, status: number): void {
    const headers: Record<string, string> = {}
    if (status === 401) headers['WWW-Authenticate'] = 'Bearer'
    if (status === 429 || status === 503) {
      headers['Retry-After'] = String(Math.ceil(Number(error.extensions['retryAfterMs'] ?? 1000) / 1000))
    }
    // The rest of an unread body must not be parsed as the next request.
    if (status === 413) headers['Connection'] = 'close'
    sendJson(response, status, { errors: [error] }, headers)
  }

  const listener: RequestListener = (request, response) => {
    request.url = normalTarget(request.url)
    // The client's next request should go to another connection, on another node.
    if (closed === 'draining') response.shouldKeepAlive = false
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
    if (options.tls) response.setHeader('Strict-Transport-Security', 'max-age=31536000')
    routes.handle(request, response, pathOf(request.url)).catch((error: unknown) => {
      const clientError = operations.failure(error)
      sendError(response, clientError, error instanceof ChatError ? error.status : statusOf(clientError).status)
    })
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Between here and the endpoint's own listener a connection reset must not end the process.
    socket.on('error', ignore)
    request.url = normalTarget(request.url)
    const endpoint = routes.endpointOf(pathOf(request.url))
    if (!endpoint) return refuseUpgrade(socket, 404, JSON.stringify({ error: routes.nothingHere }))
    if (closed) return endpoint.refuse(socket, 503, TRY_AGAIN)
    if (!cors.allows(request)) return endpoint.refuse(socket, 403, 'this origin is not allowed')
    const address = addressOf(request)
    const release = options.addresses.acquire(address)
    if (!release) return endpoint.refuse(socket, 429, 'too many connections of this address: close another one first')
    socket.on('close', release)
    endpoint.upgrade(request, socket, head, address).catch(report)
  }

  // Node checks only every half minute by default.
  const timeouts = {
    headersTimeout: HEADERS_MS,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: options.keepAliveTimeoutMs,
  }
  const server: Server = options.tls
    ? createTlsServer({ ...timeouts, handshakeTimeout: HEADERS_MS, ...options.tls }, oneAtATime(listener))
    : createServer(timeouts, oneAtATime(listener))
  // For clients that do not read; streams have limits of their own.
  server.setTimeout(SILENCE_MS)
  server.on('upgrade', upgrade)
  /** All connections, including those that have not sent a request or finished the TLS handshake. */
  const open = new Set<Socket>()
  function forget(this: Socket): void {
    open.delete(this)
  }
  server.on('connection', (socket: Socket) => open.add(socket) && socket.on('close', forget))
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
      // First, so that a proxy polling /ready sends clients elsewhere; it is answered until the sockets are closed.
      closed = 'draining'
      let limit: NodeJS.Timeout | undefined
      const cut = new Promise<void>((resolve) => {
        limit = setTimeout(() => {
          for (const socket of open) socket.destroy()
          resolve()
        }, limitMs)
      })
      for (const ws of socketsOf(socketServers)) ws.pause()
      // Operations started by running ones are waited for too.
      for (let busy = operations.idle(); busy; busy = operations.idle()) {
        await Promise.race([busy, cut])
        await nextTurn()
      }
      await Promise.race([closeSockets(socketServers, connections, limitMs / 2), cut])
      const ended = new Promise<void>((resolve) => server.close(() => resolve()))
      const idle = setInterval(() => server.closeIdleConnections(), 20)
      await ended
      // A cut socket and its connection are closed in a later turn.
      do await nextTurn()
      while (open.size > 0)
      clearInterval(idle)
      await probeServer?.close()
      clearTimeout(limit)
      pings.stop()
    },
  }
}

const ignore = (): void => undefined

const wantsUpgrade: Route['handle'] = (_request, response) =>
  sendJson(response, 426, { error: 'expected a WebSocket upgrade' }, { Upgrade: 'websocket', Connection: 'Upgrade' })

/** How long a client may take for the TLS handshake, and for the headers of a request. */
const HEADERS_MS = 10_000

/** How long a connection may be stalled while a response is written to it. */
const SILENCE_MS = 30_000
