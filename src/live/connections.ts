import { randomUUID } from 'node:crypto'
import type { Viewer } from '../auth/verify.ts'
import { forbidden, notFound } from '../errors.ts'
import { flatText } from '../lib/flat-text.ts'
import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'

export type Protocol = 'legacy' | 'graphql-ws' | 'sse'

/**
 * Why the server ends a connection: its token expired, an administrator disconnected it, its user is banned, or the server
 * stops.
 */
export type EndReason = 'expired' | 'disconnected' | 'banned' | 'restarting'

/** An open connection of a user: a legacy socket, an acknowledged GraphQL socket or an SSE subscription. */
export interface Connection {
  readonly id: string
  /** Of its current token. */
  readonly viewer: Viewer
  /** Call it when the connection has closed, for whatever reason. */
  closed(): void
}

/** What a transport provides for a connection. */
export interface ConnectionPeer {
  readonly protocol: Protocol
  /** The client's. */
  readonly address: string
  /** Bytes buffered because the client has not read them yet. */
  queuedBytes(): number
  /** Called at most once, when the server wants it closed; `text` is the administrator's reason. */
  disconnect(reason: EndReason, text?: string): void
}

/** A connection's current state; times are in milliseconds since the epoch. */
export interface ConnectionState {
  id: string
  userId: number
  protocol: Protocol
  since: number
  expiresAt: number
  address: string
  queuedBytes: number
}

export interface ConnectionsOptions {
  wheel: TimerWheel
  maxPerUser: number
  /**
   * How long a connection continues after its token has expired, as long as such a token would still be accepted; 0 if absent.
   */
  leewayMs?: number
  /** Whether the viewer's token was revoked after it was verified. */
  isRevoked: (viewer: Viewer) => boolean
  /** The text for a user who was banned since; undefined for everyone else. */
  banOf?: (userId: number) => string | undefined
  onOpened: (userId: number, connectionId: string, protocol: Protocol) => void
  onClosed: (userId: number, connectionId: string, protocol: Protocol) => void
}

/** The reason for a connection whose token an administrator has revoked. */
export const REVOKED = 'the token was revoked'

/** When connections end, and what is called then. */
interface Lifetime {
  wheel: TimerWheel
  leewayMs: number
  onClosed: (connection: Live) => void
}

class Live implements Connection {
  readonly id = flatText(randomUUID())
  readonly since = Date.now()
  readonly peer: ConnectionPeer
  readonly #lifetime: Lifetime
  viewer: Viewer
  #expiry: Deadline
  #isEnded = false
  #isClosed = false

  constructor(viewer: Viewer, peer: ConnectionPeer, lifetime: Lifetime) {
    this.viewer = viewer
    this.peer = peer
    this.#lifetime = lifetime
    this.#expiry = this.#expires()
  }

  renew(viewer: Viewer): void {
    this.#expiry.cancel()
    this.viewer = viewer
    this.#expiry = this.#expires()
  }

  end(reason: EndReason, text?: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.peer.disconnect(reason, text)
  }

  closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#expiry.cancel()
    this.#lifetime.onClosed(this)
  }

  #expires(): Deadline {
    const { wheel, leewayMs } = this.#lifetime
    return wheel.at(this.viewer.expiresAt + leewayMs, () => this.end('expired'))
  }
}

/** The connections of this node: limited for each user, ended when their token expires (docs/protocol.md, section 1). */
export class Connections {
  readonly #lifetime: Lifetime
  readonly #maxPerUser: number
  readonly #isRevoked: (viewer: Viewer) => boolean
  readonly #banOf: (userId: number) => string | undefined
  readonly #onOpened: (userId: number, connectionId: string, protocol: Protocol) => void
  readonly #onClosed: (userId: number, connectionId: string, protocol: Protocol) => void
  readonly #byUser = new Map<number, Live[]>()
  readonly #byId = new Map<string, Live>()
  readonly #counts: Record<Protocol, number> = { legacy: 0, 'graphql-ws': 0, sse: 0 }
  #isRestarting = false

  constructor(options: ConnectionsOptions) {
    const { wheel, maxPerUser, leewayMs = 0, isRevoked, banOf = () => undefined, onOpened, onClosed } = options
    this.#lifetime = { wheel, leewayMs, onClosed: (connection) => this.#remove(connection) }
    this.#onClosed = onClosed
    this.#maxPerUser = maxPerUser
    this.#isRevoked = isRevoked
    this.#banOf = banOf
    this.#onOpened = onOpened
  }

  /** Whether the user may have one more. */
  hasRoom(userId: number): boolean {
    return this.#of(userId).length < this.#maxPerUser
  }

  /** Registers a connection; undefined if the user has as many as allowed. */
  open(viewer: Viewer, peer: ConnectionPeer): Connection | undefined {
    const { userId } = viewer
    if (!this.hasRoom(userId)) return undefined
    const connection = new Live(viewer, peer, this.#lifetime)
    const others = this.#byUser.get(userId)
    if (others) others.push(connection)
    else this.#byUser.set(userId, [connection])
    this.#byId.set(connection.id, connection)
    this.#counts[peer.protocol]++
    this.#onOpened(userId, connection.id, peer.protocol)
    // It was being opened when the others were ended.
    if (this.#isRestarting) queueMicrotask(() => connection.end('restarting'))
    else if (this.#banOf(userId) !== undefined) queueMicrotask(() => connection.end('banned', this.#banOf(userId)))
    else if (this.#isRevoked(viewer)) queueMicrotask(() => connection.end('disconnected', REVOKED))
    return connection
  }

  /** The client's address; undefined if there is no such connection. */
  addressOf(connectionId: string): string | undefined {
    return this.#byId.get(connectionId)?.peer.address
  }

  /** Its user by the current token; undefined if there is no such connection. */
  viewerOf(connectionId: string): Viewer | undefined {
    return this.#byId.get(connectionId)?.viewer
  }

  /** Continues with another token of the same user. Throws NOT_FOUND if there is no such connection. */
  renew(connectionId: string, viewer: Viewer): void {
    const connection = this.#byId.get(connectionId)
    if (!connection) throw notFound('the connection has ended')
    if (viewer.userId !== connection.viewer.userId) throw forbidden('the token is of another user: connect anew with it')
    connection.renew(viewer)
  }

  /** Ends the user's connections; returns how many. */
  disconnectUser(userId: number, text: string | undefined, reason: 'disconnected' | 'banned' = 'disconnected'): number {
    const ended = [...this.#of(userId)]
    for (const connection of ended) connection.end(reason, text)
    return ended.length
  }

  /**
   * Functions that end each of them because the server stops, with `text` as the reason; from now on each new one is ended as
   * soon as it is open.
   */
  restart(): ((text: string) => void)[] {
    this.#isRestarting = true
    return this.renewals()
  }

  /** Functions that end each of those that are open now, so that its client reconnects and resumes. */
  renewals(): ((text: string) => void)[] {
    return [...this.#byId.values()].map((connection) => (text: string) => connection.end('restarting', text))
  }

  /** The user's. */
  of(userId: number): ConnectionState[] {
    return this.#of(userId).map(({ id, viewer, since, peer }) => ({
      id,
      userId,
      protocol: peer.protocol,
      since,
      expiresAt: viewer.expiresAt,
      address: peer.address,
      queuedBytes: peer.queuedBytes(),
    }))
  }

  /** Buffered outbound bytes: of all together, and of the largest one. */
  queued(): { sum: number; max: number } {
    let [sum, max] = [0, 0]
    for (const { peer } of this.#byId.values()) {
      const bytes = peer.queuedBytes()
      sum += bytes
      if (bytes > max) max = bytes
    }
    return { sum, max }
  }

  /** How many are open, by protocol. */
  counts(): Readonly<Record<Protocol, number>> {
    return this.#counts
  }

  #remove({ id, viewer: { userId }, peer: { protocol } }: Live): void {
    this.#byId.delete(id)
    const others = this.#of(userId).filter((other) => other.id !== id)
    if (others.length > 0) this.#byUser.set(userId, others)
    else this.#byUser.delete(userId)
    this.#counts[protocol]--
    this.#onClosed(userId, id, protocol)
  }

  #of(userId: number): readonly Live[] {
    return this.#byUser.get(userId) ?? []
  }
}
