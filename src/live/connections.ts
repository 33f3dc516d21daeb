import { randomUUID } from 'node:crypto'
import type { Viewer } from '../auth/verify.ts'
import { forbidden, notFound } from '../errors.ts'
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

export interface Connections {
  /** Whether the user may have one more. */
  hasRoom(userId: number): boolean
  /** Registers a connection; undefined if the user has as many as allowed. */
  open(viewer: Viewer, peer: ConnectionPeer): Connection | undefined
  /** The client's address; undefined if there is no such connection. */
  addressOf(connectionId: string): string | undefined
  /** Continues with another token of the same user. Throws NOT_FOUND if there is no such connection. */
  renew(connectionId: string, viewer: Viewer): void
  /** Ends the user's connections; returns how many. */
  disconnectUser(userId: number, text: string | undefined, reason?: 'disconnected' | 'banned'): number
  /**
   * Functions that end each of them because the server stops, with `text` as the reason; from now on each new one is ended as
   * soon as it is open.
   */
  restart(): ((text: string) => void)[]
  /** The user's. */
  of(userId: number): ConnectionState[]
  /** Buffered outbound bytes: of all together, and of the largest one. */
  queued(): { sum: number; max: number }
  /** How many are open, by protocol. */
  counts(): Readonly<Record<Protocol, number>>
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

/** The connections of this node: limited for each user, ended when their token expires (docs/protocol.md, section 1). */
export function createConnections(options: ConnectionsOptions): Connections {
  const { wheel, maxPerUser, leewayMs = 0, isRevoked, banOf = () => undefined, onOpened, onClosed } = options
  const byUser = new Map<number, Live[]>()
  const byId = new Map<string, Live>()
  const counts: Record<Protocol, number> = { legacy: 0, 'graphql-ws': 0, sse: 0 }
  let isRestarting = false

  class Live implements Connection {
    readonly id = randomUUID()
    readonly since = Date.now()
    readonly peer: ConnectionPeer
    viewer: Viewer
    #expiry: Deadline
    #isEnded = false

    constructor(viewer: Viewer, peer: ConnectionPeer) {
      this.viewer = viewer
      this.peer = peer
      this.#expiry = this.#expires()
    }

    #expires(): Deadline {
      return wheel.at(this.viewer.expiresAt + leewayMs, () => this.end('expired'))
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
      if (!byId.delete(this.id)) return
      const { userId } = this.viewer
      this.#expiry.cancel()
      const others = of(userId).filter((other) => other !== this)
      if (others.length > 0) byUser.set(userId, others)
      else byUser.delete(userId)
      counts[this.peer.protocol]--
      onClosed(userId, this.id, this.peer.protocol)
    }
  }

  const of = (userId: number): readonly Live[] => byUser.get(userId) ?? []
  const hasRoom = (userId: number): boolean => of(userId).length < maxPerUser

  return {
    hasRoom,

    open(viewer, peer) {
      const { userId } = viewer
      if (!hasRoom(userId)) return undefined
      const connection = new Live(viewer, peer)
      const others = byUser.get(userId)
      if (others) others.push(connection)
      else byUser.set(userId, [connection])
      byId.set(connection.id, connection)
      counts[peer.protocol]++
      onOpened(userId, connection.id, peer.protocol)
      // It was being opened when the others were ended.
      if (isRestarting) queueMicrotask(() => connection.end('restarting'))
      else if (banOf(userId) !== undefined) queueMicrotask(() => connection.end('banned', banOf(userId)))
      else if (isRevoked(viewer)) queueMicrotask(() => connection.end('disconnected', REVOKED))
      return connection
    },

    addressOf: (connectionId) => byId.get(connectionId)?.peer.address,

    renew(connectionId, viewer) {
      const connection = byId.get(connectionId)
      if (!connection) throw notFound('the connection has ended')
      if (viewer.userId !== connection.viewer.userId) throw forbidden('the token is of another user: connect anew with it')
      connection.renew(viewer)
    },

    disconnectUser(userId, text, reason = 'disconnected') {
      const ended = [...of(userId)]
      for (const connection of ended) connection.end(reason, text)
      return ended.length
    },

    restart() {
      isRestarting = true
      return [...byId.values()].map((connection) => (text: string) => connection.end('restarting', text))
    },

    of: (userId) =>
      of(userId).map(({ id, viewer, since, peer }) => ({
        id,
        userId,
        protocol: peer.protocol,
        since,
        expiresAt: viewer.expiresAt,
        address: peer.address,
        queuedBytes: peer.queuedBytes(),
      })),

    queued() {
      let [sum, max] = [0, 0]
      for (const { peer } of byId.values()) {
        const bytes = peer.queuedBytes()
        sum += bytes
        if (bytes > max) max = bytes
      }
      return { sum, max }
    },

    counts: () => counts,
  }
}
