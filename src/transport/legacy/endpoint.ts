import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLError } from 'graphql'
import { WebSocketServer } from 'ws'
import type { Auth, Viewer } from '../../chat/auth.ts'
import { ChatError } from '../../errors.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { Operations, SubscriptionSink } from '../../graphql/operations.ts'
import type { Connections, EndReason } from '../connections.ts'
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
  takeRequest: (userId: number) => void
  maxFrameBytes: number
  maxBufferedBytes: number
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
  const { auth, admit, connections, operations, takeRequest, maxFrameBytes, maxBufferedBytes } = options
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
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
      next: (result, event) => session?.push(result, event.id !== null),
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

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const viewer = verify(auth, request)
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
    let isUpgraded = false
    socket.once('close', () => {
      if (!isUpgraded) feed.close()
    })
    server.handleUpgrade(request, socket, head, (ws) => {
      isUpgraded = true
      const writer = new SocketWriter(ws, socket, maxBufferedBytes)
      const connection = connections.open(viewer, 'legacy', (reason: EndReason, text) => {
        if (reason === 'expired') session.expire()
        else if (reason === 'disconnected') ws.close(4403, text ?? 'disconnected by an administrator')
        else ws.close(1012, 'the server restarts: come back with resume')
      })
      if (!connection) throw new Error('a connection that had room was refused')
      ws.on('close', () => {
        feed.close()
        connection.closed()
      })
      // What a client does wrong on the level of the protocol ends in ws's own close code.
      ws.on('error', () => undefined)
      server.emit('connection', ws, request)
      const session = openSession({
        ws,
        writer,
        viewer,
        connectionId: connection.id,
        operations,
        takeRequest,
        feed,
        resumes: after !== undefined,
      })
      attach(session, () => ws.close(1012, 'come back with resume'))
      session.start()
    })
  }

  return {
    server,
    refuse,
    async upgrade(request, socket, head) {
      try {
        await upgrade(request, socket, head)
      } catch (error) {
        const clientError = operations.failure(error)
        refuse(socket, statusOf(clientError).status, clientError.message)
      }
    },
  }
}

/** The viewer by the `Authorization` header, or by the subprotocols `bearer, <jwt>` that browsers can send. */
function verify(auth: Auth, { headers }: IncomingMessage): Viewer {
  if (headers.authorization !== undefined) return auth.verifyHeader(headers.authorization)
  const [scheme, token, ...rest] = (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim())
  if (scheme === SUBPROTOCOL && token && rest.length === 0) return auth.verify(token)
  return auth.verifyHeader(undefined)
}
