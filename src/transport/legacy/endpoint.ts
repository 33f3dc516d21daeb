import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLError } from 'graphql'
import { WebSocketServer } from 'ws'
import { BannedError } from '../../auth/bans.ts'
import type { Auth, Viewer } from '../../auth/verify.ts'
import type { Counts } from '../../telemetry/counters.ts'
import { ChatError } from '../../errors.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { ActivityRecorder, OpenSubscription, Operations } from '../../graphql/operations.ts'
import type { Connections } from '../../live/connections.ts'
import { agreementWith, announceAgreements, perMessageDeflate, type Compression } from '../socket/compression.ts'
import type { DeflateAgreement } from '../socket/deflate-offer.ts'
import { PacedSocket } from '../socket/paced-socket.ts'
import { SocketWriter } from '../socket/writer.ts'
import { refuseUpgrade, type Endpoint } from '../socket/upgrade.ts'
import {
  isCapabilitiesSubprotocol,
  NO_CAPABILITIES,
  parseCapabilities,
  parseCapabilitiesSubprotocol,
  type CapabilitySet,
} from '../../legacy-protocol/capabilities.ts'
import { encodeError, failureText } from '../../legacy-protocol/codec.ts'
import { problemWithCursor, TEXTS } from '../../legacy-protocol/frames.ts'
import { LegacyFeedDocument } from '../../legacy-protocol/operations.generated.ts'
import { LeftOut, type LeftOutEvent } from './left-out.ts'
import { Pushes } from './push-sink.ts'
import { Session, type SessionParts } from './session.ts'

export interface LegacyEndpointOptions {
  auth: Auth
  /** Stores the viewer's user; rejects with UNAVAILABLE if that is not possible now. */
  ensureUser: (viewer: Viewer) => Promise<void>
  connections: Connections
  operations: Operations
  activity: ActivityRecorder
  consumeRateLimit: (userId: number) => void
  /** Takes one new connection of the user; throws RATE_LIMITED where there were too many lately. */
  consumeOpening: (userId: number) => void
  maxFrameBytes: number
  maxBufferedBytes: number
  counts: Counts
  compression: Compression
  /** Called once for each event that could not be executed and was left out. */
  logLeftOut: (event: LeftOutEvent) => void
}

/** A client whose upgrade is accepted. */
interface Upgraded {
  socket: Duplex
  viewer: Viewer
  address: string
  /** Not started yet. */
  feed: OpenSubscription
  /** The receiver of the feed. */
  pushes: Pushes
  /** Whether the feed starts with a replay. */
  resumes: boolean
  /** On compression. */
  agreement: DeflateAgreement | undefined
}

const SUBPROTOCOL = 'bearer'

const ignore = (): void => undefined

const MSG_OF: Readonly<Record<number, string>> = {
  400: failureText('resume'),
  401: TEXTS.unauthenticated,
  403: TEXTS.forbiddenOrigin,
  429: TEXTS.tooManyConnections,
}

/** `/ws/connect`: who may connect, and as whom (docs/protocol.md, section 1). */
export function createLegacyEndpoint(options: LegacyEndpointOptions): Endpoint {
  const { auth, ensureUser, connections, operations, activity, counts } = options
  const { maxFrameBytes, maxBufferedBytes, compression } = options
  const parts: SessionParts = { operations, activity, consumeRateLimit: options.consumeRateLimit, counts }
  const leftOut = new LeftOut(counts, options.logLeftOut)
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    perMessageDeflate: perMessageDeflate(compression),
    WebSocket: PacedSocket,
    handleProtocols: (protocols) =>
      protocols.has(SUBPROTOCOL) ? SUBPROTOCOL : ([...protocols].find(isCapabilitiesSubprotocol) ?? false),
  })
  announceAgreements(server, compression)

  function refuse(socket: Duplex, status: number, reason: string, msg = MSG_OF[status] ?? TEXTS.unavailable): void {
    const headers: Record<string, string> =
      status === 401 ? { 'WWW-Authenticate': 'Bearer' } : status === 429 || status === 503 ? { 'Retry-After': '1' } : {}
    refuseUpgrade(socket, status, encodeError({ code: status, msg, error: reason }, undefined), headers)
  }

  const tooMany = (): ChatError => new ChatError('RATE_LIMITED', 'too many connections of this user: close another one first')

  /** Opens the feed before the upgrade, so that an accepted client misses nothing. */
  async function openFeed(viewer: Viewer, after: string | undefined, pushes: Pushes): Promise<OpenSubscription> {
    const variables = { after: after ?? null }
    const request = operations.prepare({ document: LegacyFeedDocument, variables, viewer, connectionId: null })
    const feed = 'errors' in request ? request : await operations.subscribe(request, pushes)
    if ('start' in feed) return feed
    throw (feed.errors as readonly GraphQLError[])[0] as GraphQLError
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): Promise<void> {
    const viewer = await verify(auth, request, address)
    // Some clients send an empty header if they have no id yet.
    const after = (request.headers['last-event-id'] as string | undefined) || undefined
    const problem = after === undefined ? null : problemWithCursor(after, 'Last-Event-ID')
    if (problem !== null) throw new ChatError('BAD_USER_INPUT', problem)
    if (!connections.hasRoom(viewer.userId)) throw tooMany()
    options.consumeOpening(viewer.userId)
    await ensureUser(viewer)
    const pushes = new Pushes(leftOut, capabilitiesOf(request))
    const feed = await openFeed(viewer, after, pushes)
    // The client may be gone, and others may have connected meanwhile.
    if (socket.destroyed) return feed.close()
    if (!connections.hasRoom(viewer.userId)) {
      feed.close()
      throw tooMany()
    }
    const unlessUpgraded = (): void => feed.close()
    socket.once('close', unlessUpgraded)
    server.handleUpgrade(request, socket, head, (ws) => {
      socket.off('close', unlessUpgraded)
      const agreement = agreementWith(request, compression)
      serve(ws, { socket, viewer, address, feed, pushes, resumes: after !== undefined, agreement })
      server.emit('connection', ws, request)
    })
  }

  /**
   * A separate function, so that closures that live as long as the connection do not retain the request, which is larger than
   * all the rest.
   */
  function serve(ws: PacedSocket, { socket, viewer, address, feed, pushes, resumes, agreement }: Upgraded): void {
    const writer = new SocketWriter(ws, socket, maxBufferedBytes, counts, agreement)
    ws.pace(socket, writer)
    if (agreement) ws.inflateUpTo(maxFrameBytes)
    const session = new Session(parts, { ws, writer, address, feed, pushes })
    const connection = connections.open(viewer, session)
    if (!connection) throw new Error('a connection that had room was refused')
    ws.on('close', () => {
      feed.close()
      connection.closed()
    })
    // Protocol violations by the client get ws's own close code.
    ws.on('error', ignore)
    pushes.attach(writer)
    session.start(connection, { resumes })
  }

  return {
    server,
    refuse,
    async upgrade(request, socket, head, address) {
      try {
        await upgrade(request, socket, head, address)
      } catch (error) {
        const clientError = operations.failure(error)
        const msg = error instanceof BannedError ? TEXTS.unauthenticated : undefined
        refuse(socket, statusOf(clientError).status, clientError.message, msg)
      }
    },
  }
}

const subprotocolsOf = ({ headers }: IncomingMessage): string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim())

/** The viewer from the `Authorization` header, or from the subprotocols `bearer, <jwt>` that browsers can send. */
function verify(auth: Auth, request: IncomingMessage, address: string): Promise<Viewer> {
  const { authorization } = request.headers
  if (authorization !== undefined) return auth.verifyHeader(authorization, address)
  const [scheme, token, ...rest] = subprotocolsOf(request).filter((protocol) => !isCapabilitiesSubprotocol(protocol))
  if (scheme === SUBPROTOCOL && token && rest.length === 0) return auth.verify(token, address)
  return auth.verifyHeader(undefined, address)
}

/** The initial capabilities, from the header `Capabilities` and the subprotocol `capabilities.<name>.<name>` (section 9). */
function capabilitiesOf(request: IncomingMessage): CapabilitySet {
  const header = request.headers['capabilities']
  const offered = subprotocolsOf(request).filter(isCapabilitiesSubprotocol)
  return [
    typeof header === 'string' ? parseCapabilities(header) : NO_CAPABILITIES,
    ...offered.map(parseCapabilitiesSubprotocol),
  ].reduce((all, set) => all | set)
}
