import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import type { PacedSocket } from './paced-socket.ts'

/** The handler of upgrade requests for one WebSocket protocol. */
export interface Endpoint {
  /** Upgrades or refuses; never rejects. `address` is the client's. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): Promise<void>
  /** Refuses in the endpoint's own form, before anything else was looked at. */
  refuse(socket: Duplex, status: 403 | 429 | 503, reason: string): void
  server: WebSocketServer
}

/** On every response: no framing, no MIME sniffing, no caching; pages add policies of their own. */
export const SECURITY_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
} as const

/** Answers a request to upgrade with a status and a JSON body, and closes the socket. */
export function refuseUpgrade(socket: Duplex, status: number, body: string, headers: Record<string, string> = {}): void {
  if (socket.destroyed) return
  const lines = {
    ...SECURITY_HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
    ...headers,
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`)
}

/** One for all sockets. */
function onPong(this: WebSocket): void {
  ;(this as PacedSocket).missedPings = 0
}

/** Pings every client of the servers each `intervalMs`, and terminates those that missed two (RFC 6455, section 5.5.2). */
export function startPings(servers: readonly WebSocketServer[], intervalMs: number): { stop(): void } {
  for (const server of servers) server.on('connection', (ws) => ws.on('pong', onPong))
  const timer = setInterval(() => {
    for (const server of servers) {
      for (const ws of server.clients as Set<PacedSocket>) {
        if (ws.missedPings >= 2) ws.terminate()
        else {
          ws.missedPings++
          if (ws.readyState === ws.OPEN) ws.ping()
        }
      }
    }
  }, intervalMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
