import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  Kind,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql'
import {
  CloseCode,
  handleProtocols,
  makeServer,
  type ConnectionInitMessage,
  type Context,
  type Server as GraphqlWsServer,
  type SubscribePayload,
} from 'graphql-ws'
import { WebSocketServer, type Server as SocketServer } from 'ws'
import type { Auth, Viewer } from '../../auth/verify.ts'
import { countIn, type Counts } from '../../telemetry/counters.ts'
import { badInput, ChatError } from '../../errors.ts'
import { fairTurns } from '../../lib/fair-turns.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { OpenSubscription, Operations } from '../../graphql/operations.ts'
import type { PreparedRequest, Refused } from '../../graphql/requests.ts'
import type { Connection, ConnectionPeer, Connections, EndReason } from '../../live/connections.ts'
import { CLOSE, GRAPHQL_CLOSE } from '../../legacy-protocol/close-codes.ts'
import { CLOSE_OF, closeWith } from '../socket/close.ts'
import { agreementWith, announceAgreements, perMessageDeflate, type Compression } from '../socket/compression.ts'
import { encodeTextFrame } from '../socket/frame.ts'
import { drop, pongTo, withoutUnknown } from './messages.ts'
import { OperationOrder } from './operation-order.ts'
import { SocketSubscription } from './socket-subscription.ts'
import { PacedSocket } from '../socket/paced-socket.ts'
import { SocketWriter } from '../socket/writer.ts'
import { refuseUpgrade, type Endpoint } from '../socket/upgrade.ts'

export interface GraphqlWsEndpointOptions {
  schema: GraphQLSchema
  auth: Auth
  /** Stores the viewer's user; rejects with UNAVAILABLE if that is not possible now. */
  ensureUser: (viewer: Viewer) => Promise<void>
  connections: Connections
  operations: Operations
  consumeRateLimit: (userId: number) => void
  /** Takes one new connection of the user; throws RATE_LIMITED if there were too many lately. */
  consumeOpening: (userId: number) => void
  maxFrameBytes: number
  maxBufferedBytes: number
  counts: Counts
  compression: Compression
}

/** How many operations of one socket may be open. */
const OPERATIONS_LIMIT = 100

/** How long an operation's id may be, which each of its results repeats. */
const ID_CHARACTERS = 200

/** State of one socket. */
class Peer implements ConnectionPeer {
  readonly protocol = 'graphql-ws'
  readonly ws: PacedSocket
  readonly writer: SocketWriter
  readonly address: string
  /** From the upgrade request, for clients that can set it; cleared after use. */
  authorization: string | undefined
  /** From connection_init on. */
  connection: Connection | undefined = undefined
  operations = 0
  readonly order = new OperationOrder()
  /** Whether too many requests in a row were refused: nothing more is read. */
  isGivenUp = false

  constructor(ws: PacedSocket, writer: SocketWriter, { address, authorization }: Pick<Peer, 'address' | 'authorization'>) {
    this.ws = ws
    this.writer = writer
    this.address = address
    this.authorization = authorization
  }

  queuedBytes(): number {
    return this.writer.waiting()
  }

  /**
   * Counts a frame as refused until it is accepted, including a `complete` of an unknown operation, for which the protocol has
   * no response. The responses of this turn are sent before the socket is closed.
   */
  tookFrame(): void {
    if (!this.ws.refused()) return
    this.isGivenUp = true
    setImmediate(() => this.ws.giveUp())
  }

  disconnect(reason: EndReason, text?: string): void {
    closeWith(this.ws, CLOSE_OF[reason], text)
  }
}

/** Context of a subscription or operation, passed through the library. */
interface Job {
  request: PreparedRequest
  id: string
  peer: Peer
}

/** What the library goes on with, or the errors that it answers with. */
type Begun = readonly GraphQLError[] | (Pick<ExecutionArgs, 'schema' | 'document' | 'operationName'> & { contextValue: Job })

/**
 * The GraphQL over WebSocket protocol on `/graphql`. The library handles the protocol; results of subscriptions bypass its
 * iteration and go straight to the socket's writer, already encoded.
 */
export class GraphqlWsEndpoint implements Endpoint {
  readonly server: SocketServer<typeof PacedSocket>
  readonly #options: GraphqlWsEndpointOptions
  readonly #operations: Operations
  readonly #counts: Counts
  readonly #protocol: GraphqlWsServer<Peer>

  constructor(options: GraphqlWsEndpointOptions) {
    this.#options = options
    this.#operations = options.operations
    this.#counts = options.counts
    this.server = new WebSocketServer({
      noServer: true,
      maxPayload: options.maxFrameBytes,
      perMessageDeflate: perMessageDeflate(options.compression),
      WebSocket: PacedSocket,
      handleProtocols,
    })
    announceAgreements(this.server, options.compression)
    this.#protocol = makeServer<ConnectionInitMessage['payload'], Peer>({
      onConnect: (context) => this.#connect(context),
      onSubscribe: ({ extra: peer }, id, payload) => this.#accept(peer, id, payload),
      execute: ({ contextValue }) => this.#execute(contextValue as Job),
      subscribe: ({ contextValue }) => this.#subscribe(contextValue as Job),
      onComplete: ({ extra: peer }) => void peer.operations--,
    })
  }

  refuse(socket: Duplex, status: number, reason: string): void {
    const code = status === 403 ? 'FORBIDDEN' : status === 429 ? 'RATE_LIMITED' : 'UNAVAILABLE'
    refuseUpgrade(socket, status, JSON.stringify({ errors: [{ message: reason, extensions: { code } }] }))
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): Promise<void> {
    this.server.handleUpgrade(request, socket, head, (ws) => {
      const { authorization } = request.headers
      const { compression, maxBufferedBytes, maxFrameBytes } = this.#options
      const agreement = agreementWith(request, compression)
      const writer = new SocketWriter(ws, socket, maxBufferedBytes, this.#counts, agreement)
      ws.pace(socket, writer)
      if (agreement) ws.inflateUpTo(maxFrameBytes)
      const peer = new Peer(ws, writer, { address, authorization })
      this.server.emit('connection', ws, request)
      this.#serve(ws, peer)
    })
    return Promise.resolve()
  }

  /** Whether the connection is taken; the socket is closed with the reason where it is not. */
  async #connect(context: Context<ConnectionInitMessage['payload'], Peer>): Promise<boolean> {
    const { auth, connections, ensureUser } = this.#options
    const { connectionParams, extra: peer } = context
    // The library would keep it as long as the socket is open.
    Object.assign(context, { connectionParams: undefined })
    let viewer: Viewer
    try {
      viewer = await auth.verifyHeader(authorizationIn(connectionParams) ?? peer.authorization, peer.address)
    } catch (error) {
      // An error worth retrying is not a refusal.
      if (error instanceof ChatError && error.code === 'UNAVAILABLE') throw error
      peer.ws.close(CloseCode.Forbidden, closeReason(this.#operations.failure(error).message))
      return false
    }
    if (!this.#mayOpen(viewer)) {
      closeWith(peer.ws, GRAPHQL_CLOSE.tooManyConnections)
      return false
    }
    await ensureUser(viewer)
    if (peer.ws.readyState !== peer.ws.OPEN) return false
    peer.authorization = undefined
    peer.connection = connections.open(viewer, peer)
    if (!peer.connection) closeWith(peer.ws, GRAPHQL_CLOSE.tooManyConnections)
    return peer.connection !== undefined
  }

  #mayOpen({ userId }: Viewer): boolean {
    if (!this.#options.connections.hasRoom(userId)) return false
    try {
      this.#options.consumeOpening(userId)
      return true
    } catch {
      return false
    }
  }

  /** What the library executes, when it is the user's turn, or the errors that it answers with. */
  #accept(peer: Peer, id: string, payload: SubscribePayload): Begun | Promise<Begun> {
    countIn(this.#counts.frames, 'graphql-ws subscribe')
    const refused = this.#limited(peer) ?? this.#tooLong(id)
    if (refused) return [refused]
    // Acquired before anything is awaited, so that concurrent ones can't exceed the limit; released by onComplete.
    peer.operations++
    const turn = fairTurns.nextRequest((peer.connection as Connection).viewer.userId, payload.query?.length ?? 0)
    return turn ? turn.then(() => this.#begin(peer, id, payload)) : this.#begin(peer, id, payload)
  }

  #execute({ request, peer }: Job): ExecutionResult | Promise<ExecutionResult> {
    const { node } = request.operation
    const run = () => this.#operations.run(request)
    return node.operation === 'mutation' ? peer.order.mutate(run, { isSend: isSend(node) }) : peer.order.query(run)
  }

  /** Why the user can't make one more request now. */
  #limited({ connection, operations: open }: Pick<Peer, 'connection' | 'operations'>): GraphQLError | undefined {
    try {
      this.#options.consumeRateLimit((connection as Connection).viewer.userId)
      if (open < OPERATIONS_LIMIT) return undefined
      throw new ChatError('RATE_LIMITED', `more than ${OPERATIONS_LIMIT} operations on one socket: complete another one first`)
    } catch (error) {
      return this.#operations.failure(error)
    }
  }

  #tooLong({ length }: string): GraphQLError | undefined {
    if (length <= ID_CHARACTERS) return undefined
    const message = `the id of the operation has ${length} characters, expected at most ${ID_CHARACTERS}`
    return this.#operations.failure(badInput(message))
  }

  async #subscribe({ request, id, peer }: Job): Promise<SocketSubscription | ExecutionResult> {
    const { isShared } = request.operation
    const subscription = new SocketSubscription(id, peer.writer, (error) => this.#operations.failure(error), isShared)
    try {
      const opened = await peer.order.subscribe(() => this.#operations.subscribe(request, subscription), discard)
      return 'start' in opened ? subscription.attach(opened) : opened
    } catch (error) {
      return { errors: [this.#operations.failure(error)] }
    }
  }

  /** The request to execute, or why it can't be executed. */
  #prepare(peer: Peer, payload: SubscribePayload): PreparedRequest | Refused {
    // The current token: it may have been renewed meanwhile.
    const { viewer, id: connectionId } = peer.connection as Connection
    let prepared: PreparedRequest | Refused
    try {
      const { document, operationName, variables } = this.#operations.accept(payload)
      prepared = this.#operations.prepare({ document, operationName, variables, viewer, connectionId, reader: peer.writer })
    } catch (error) {
      prepared = { errors: [this.#operations.failure(error)] }
    }
    drop(payload)
    return prepared
  }

  /** Arguments for the library's execution, or errors to respond with. */
  #begin(peer: Peer, id: string, payload: SubscribePayload): Begun {
    const request = this.#prepare(peer, payload)
    if ('errors' in request) {
      peer.operations--
      return request.errors
    }
    peer.ws.accepted()
    const job: Job = { request, id, peer }
    const { name } = request.operation.node
    const { document } = request.document
    return name
      ? { schema: this.#options.schema, document, contextValue: job, operationName: name.value }
      : { schema: this.#options.schema, document, contextValue: job }
  }

  /** Connects the socket to the library through the four members that it needs. */
  #serve(ws: PacedSocket, peer: Peer): void {
    const send = (text: string): void => peer.writer.write(encodeTextFrame(text))
    const closed = this.#protocol.opened(
      {
        protocol: ws.protocol,
        send,
        // The library repeats an id in it.
        close: (code, reason) => ws.close(code, reason && closeReason(reason)),
        onMessage: (receive) => {
          ws.on('message', (data, isBinary) => {
            if (isBinary) return closeWith(ws, CLOSE.binaryFrame)
            if (ws.readyState !== ws.OPEN || peer.isGivenUp) return
            receive(withoutUnknown((data as Buffer).toString())).catch((error: unknown) =>
              closeOn(ws, this.#operations.failure(error)),
            )
            peer.tookFrame()
          })
        },
        onPing: (payload) => {
          countIn(this.#counts.frames, 'graphql-ws ping')
          // Excess pings are not answered: the protocol has no way to refuse one.
          if (peer.connection && this.#limited({ connection: peer.connection, operations: 0 })) return
          const pong = pongTo(payload)
          if (pong === undefined) return closeWith(ws, GRAPHQL_CLOSE.badMessage)
          if (peer.connection) ws.accepted()
          send(pong)
        },
      },
      peer,
    )
    // Protocol violations by the client get ws's own close code.
    ws.on('error', ignore)
    ws.on('close', (code, reason) => {
      peer.connection?.closed()
      closed(code, reason.toString()).catch((error: unknown) => this.#operations.failure(error))
    })
  }
}

const ignore = (): void => undefined

/** Closes a subscription that was attached too late. */
function discard(opened: OpenSubscription | ExecutionResult): void {
  if ('start' in opened) opened.close()
}

/** Whether a mutation sends one message and does nothing else. */
function isSend({ selectionSet: { selections } }: OperationDefinitionNode): boolean {
  const [field] = selections
  return selections.length === 1 && field?.kind === Kind.FIELD && field.name.value === 'sendMessage'
}

/**
 * The value of `Authorization`, from where clients put it in `connection_init`; a value that is not a string counts as absent.
 */
function authorizationIn(params: ConnectionInitMessage['payload']): string | undefined {
  const { authorization, Authorization, headers } = params ?? {}
  const inHeaders = (typeof headers === 'object' && headers !== null ? headers : {}) as Record<string, unknown>
  const values = [authorization, Authorization, inHeaders['authorization'], inHeaders['Authorization']]
  return values.find((value): value is string => typeof value === 'string')
}

/** The beginning of a text that fits into a close frame (RFC 6455, section 5.5). */
function closeReason(text: string): string {
  const bytes = Buffer.from(text)
  return bytes.length <= 123
    ? text
    : bytes
        .subarray(0, 120)
        .toString()
        .replace(/\ufffd+$/, '')
}

/** An error outside of any operation: UNAVAILABLE if it is worth retrying, otherwise INTERNAL. */
function closeOn(ws: PacedSocket, error: GraphQLError): void {
  if (statusOf(error).code === 'UNAVAILABLE') closeWith(ws, GRAPHQL_CLOSE.unavailable, error.message)
  else closeWith(ws, GRAPHQL_CLOSE.unexpected)
}
