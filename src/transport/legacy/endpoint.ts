import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLError } from 'graphql'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Auth, Viewer } from '../../chat/auth.ts'
import type { Counts } from '../../counts.ts'
import { ChatError } from '../../errors.ts'
import { statusOf } from '../../graphql/errors.ts'
import { latestOf } from '../../graphql/source.ts'
import type { ActivityRecorder, OpenSubscription, Operations, SubscriptionSink } from '../../graphql/operations.ts'
import type { Connections, EndReason } from '../connections.ts'
import { compression } from '../frame.ts'
import { SocketWriter } from '../socket-writer.ts'
import { refuseUpgrade, type Endpoint } from '../upgrade.ts'
import { encodeError, failureText } from './codec.ts'
import { problemWithCursor, TEXTS } from './frames.ts'
import { LegacyFeedDocument } from './operations.generated.ts'
import { openSession, type Session } from './session.ts'

export interface LegacyEndpointOptions {
  auth: Auth
  /** Stores the viewer's user; rejects with UNAVAILABLE where that is not possible now. */
  admit: (viewer: Viewer) => Promise<void>
  connections: Connections
  operations: Operations
  activity: ActivityRecorder
  takeRequest: (userId: number) => void
  maxFrameBytes: number
  maxBufferedBytes: number
  counts: Counts
  /** Whether to offer compression. */
  compress: boolean
}

/** What is known of a client whose upgrade is taken. */
interface Upgraded {
  socket: Duplex
  viewer: Viewer
  address: string
  /** Not started yet. */
  feed: OpenSubscription
  attach: (session: Session, onEnd: () => void) => void
  /** Whether the feed starts with a replay. */
  resumes: boolean
}

const SUBPROTOCOL = 'bearer'

const MSG_OF: Readonly<Record<number, string>> = {
  400: failureText('resume'),
  401: TEXTS.unauthenticated,
  403: TEXTS.forbiddenOrigin,
  429: TEXTS.tooManyConnections,
}

/** `/ws/connect`: who may connect, and as whom (PROTOCOL.md, section 1). */
export function createLegacyEndpoint(options: LegacyEndpointOptions): Endpoint {
  const { auth, admit, connections, operations, activity, takeRequest, counts, maxFrameBytes, maxBufferedBytes } = options
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    perMessageDeflate: compression(options.compress),
    handleProtocols: (protocols) => (protocols.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  })

  function refuse(socket: Duplex, status: number, reason: string): void {
    const headers: Record<string, string> =
      status === 401 ? { 'WWW-Authenticate': 'Bearer' } : status === 429 || status === 503 ? { 'Retry-After': '1' } : {}
    const msg = MSG_OF[status] ?? TEXTS.unavailable
    refuseUpgrade(socket, status, encodeError({ code: status, msg, error: reason }, undefined), headers)
  }

  const tooMany = (): ChatError => new ChatError('RATE_LIMITED', 'too many connections of this user: close another one first')

  /** Opens the feed before the upgrade, so that whoever is accepted misses nothing. */
  async function openFeed(viewer: Viewer, after: string | undefined) {
    let session: Session | undefined
    let ended = false
    let end = (): void => {
      ended = true
    }
    const sink: SubscriptionSink = {
      next: (result, event) => session?.push(result, latestOf(event)),
      end: () => end(),
      ready: () => session?.ready(),
    }
    const variables = { after: after ?? null }
    const feed = await operations.subscribe({ document: LegacyFeedDocument, variables, viewer, connectionId: null }, sink)
    if (!('start' in feed)) throw (feed.errors as readonly GraphQLError[])[0] as GraphQLError
    return {
      feed,
      attach(opened: Session, onEnd: () => void) {
        session = opened
        end = onEnd
        if (ended) onEnd()
      },
    }
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): Promise<void> {
    const viewer = await verify(auth, request)
    const after = request.headers['last-event-id'] as string | undefined
    const problem = after === undefined ? null : problemWithCursor(after, 'Last-Event-ID')
    if (problem !== null) throw new ChatError('BAD_USER_INPUT', problem)
    if (!connections.hasRoom(viewer.userId)) throw tooMany()
    await admit(viewer)
    const { feed, attach } = await openFeed(viewer, after)
    // The client may be gone, and others may have come meanwhile.
    if (socket.destroyed) return feed.close()
    if (!connections.hasRoom(viewer.userId)) {
      feed.close()
      throw tooMany()
    }
    const unlessUpgraded = (): void => feed.close()
    socket.once('close', unlessUpgraded)
    server.handleUpgrade(request, socket, head, (ws) => {
      socket.off('close', unlessUpgraded)
      serve(ws, { socket, viewer, address, feed, attach, resumes: after !== undefined })
      server.emit('connection', ws, request)
    })
  }

  /** On its own, so that what lives as long as the connection does not hold the request, which is larger than all the rest. */
  function serve(ws: WebSocket, { socket, viewer, address, feed, attach, resumes }: Upgraded): void {
    const writer = new SocketWriter(ws, socket, maxBufferedBytes, counts)
    const about = { protocol: 'legacy' as const, address, queuedBytes: () => writer.waiting() }
    const connection = connections.open(viewer, about, (reason: EndReason, text) => {
      if (reason === 'expired') session.expire()
      else if (reason === 'disconnected') ws.close(4403, text ?? 'disconnected by an administrator')
      else ws.close(1012, text ?? 'the server restarts: come back with resume')
    })
    if (!connection) throw new Error('a connection that had room was refused')
    ws.on('close', () => {
      feed.close()
      connection.closed()
    })
    // What a client does wrong on the level of the protocol ends in ws's own close code.
    ws.on('error', () => undefined)
    const session = openSession({ ws, writer, connection, operations, activity, takeRequest, counts, feed, resumes })
    attach(session, () => ws.close(1012, 'come back with resume'))
    session.start()
  }

  return {
    server,
    refuse,
    async upgrade(request, socket, head, address) {
      try {
        await upgrade(request, socket, head, address)
      } catch (error) {
        const clientError = operations.failure(error)
        refuse(socket, statusOf(clientError).status, clientError.message)
      }
    },
  }
}

/** The viewer by the `Authorization` header, or by the subprotocols `bearer, <jwt>` that browsers can send. */
function verify(auth: Auth, { headers }: IncomingMessage): Promise<Viewer> {
  if (headers.authorization !== undefined) return auth.verifyHeader(headers.authorization)
  const [scheme, token, ...rest] = (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim())
  if (scheme === SUBPROTOCOL && token && rest.length === 0) return auth.verify(token)
  return auth.verifyHeader(undefined)
}
