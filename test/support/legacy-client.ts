import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { Inbox } from './inbox.ts'

/** A frame of the server: the envelope of docs/protocol.md, section 2. */
export interface Frame {
  type: string
  code: number
  msg: string
  // oxlint-disable-next-line typescript/no-explicit-any -- payloads are looked at by the tests, field by field
  data: any
  message_id?: string
}

export interface LegacyClient {
  /** All frames received and not taken, pushes and responses. */
  inbox: Inbox<Frame>
  /** The texts of all of them, as received. */
  texts: string[]
  socket: WebSocket
  /** Sends a text, or an object as JSON. */
  send(frame: unknown): void
  /** Sends a request with a message_id of its own and resolves with the response to it. */
  request(type: string, data?: unknown, messageId?: string): Promise<Frame>
  /** Waits until the server has handled all that was sent before, then takes the pushes that have come. */
  settle(): Promise<Frame[]>
  /** Resolves when the socket has closed. */
  closed: Promise<{ code: number; reason: string }>
  close(): Promise<void>
}

/** A refused upgrade: status, headers and body. */
export class RefusedError extends Error {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string

  constructor({ statusCode = 0, headers }: IncomingMessage, body: string) {
    super(`refused with ${statusCode}: ${body}`)
    this.status = statusCode
    this.headers = headers
    this.body = body
  }
}

/** Rejects with RefusedError where the upgrade is refused, and with what else goes wrong before the socket is open. */
function refusal(socket: WebSocket): Promise<never> {
  const refused = new Promise<never>((_, reject) => {
    socket.on('error', reject)
    socket.on('unexpected-response', (_request, response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (body += chunk))
      response.on('end', () => reject(new RefusedError(response, body)))
    })
  })
  refused.catch(() => undefined)
  return refused
}

export interface ConnectOptions {
  headers?: Record<string, string>
  protocols?: string[]
}

/** Connects and resolves when the socket is open; rejects with RefusedError where the upgrade is refused. */
export async function openSocket(url: string, { headers = {}, protocols = [] }: ConnectOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols, { headers })
  await Promise.race([once(socket, 'open'), refusal(socket)])
  return socket
}

/** A client of the legacy protocol; its `connection_established` is the first frame in the inbox. */
export async function connectLegacy(url: string, options: ConnectOptions = {}): Promise<LegacyClient> {
  const inbox = new Inbox<Frame>()
  const texts: string[] = []
  const socket = new WebSocket(url, options.protocols ?? [], { headers: options.headers ?? {} })
  // Listens from the start: the first frames may come together with the response to the upgrade.
  socket.on('message', (data) => {
    const text = (data as Buffer).toString()
    texts.push(text)
    inbox.push(JSON.parse(text) as Frame)
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      inbox.end(`the socket closed with ${code} ${reason.toString()}`)
      resolve({ code, reason: reason.toString() })
    })
  })
  await Promise.race([once(socket, 'open'), refusal(socket)])

  const client: LegacyClient = {
    inbox,
    texts,
    socket,
    closed,
    send(frame) {
      socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
    },
    async request(type, data, messageId = randomUUID()) {
      client.send({ type, message_id: messageId, ...(data === undefined ? {} : { data }) })
      return await inbox.next((frame) => frame.message_id === messageId)
    },
    async settle() {
      const barrier = randomUUID()
      client.send({ type: 'ping', message_id: barrier })
      await inbox.next((frame) => frame.message_id === barrier)
      return inbox.drain()
    },
    async close() {
      socket.close()
      await closed
    },
  }
  return client
}
