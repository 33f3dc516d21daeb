import { randomUUID } from 'node:crypto'
import type { Viewer } from '../chat/auth.ts'
import { forbidden, notFound } from '../errors.ts'
import type { Deadline, TimerWheel } from '../timer-wheel.ts'

export type Protocol = 'legacy' | 'graphql-ws' | 'sse'

/** Why the server ends a connection: its token ran out, an administrator ended it, the server stops. */
export type EndReason = 'expired' | 'disconnected' | 'restarting'

/** A live connection of a user: a legacy socket, an acknowledged GraphQL socket or an SSE subscription. */
export interface Connection {
  readonly id: string
  /** By the token that it has now. */
  readonly viewer: Viewer
  /** To be called when it has closed, however that came. */
  closed(): void
}

export interface ConnectionAbout {
  protocol: Protocol
  /** The client's. */
  address: string
  /** How many bytes wait for the client to read. */
  queuedBytes: () => number
}

/** A connection as it is now; times are in milliseconds since the epoch. */
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
  /**
   * Takes a connection in; undefined where the user has as many as allowed. `end` is called at most once, when the server
   * wants it closed; `text` is what the administrator gave as the reason.
   */
  open(viewer: Viewer, about: ConnectionAbout, end: (reason: EndReason, text?: string) => void): Connection | undefined
  /** Goes on with another token of the same user. Throws NOT_FOUND where there is no such connection. */
  renew(connectionId: string, viewer: Viewer): void
  /** Ends the user's connections; returns how many. */
  disconnectUser(userId: number, text: string | undefined): number
  /**
   * What ends each of them because the server stops, `text` saying so; from now on each new one is ended as soon as it is open.
   */
  restart(): ((text: string) => void)[]
  /** The user's. */
  of(userId: number): ConnectionState[]
  /** Outbound bytes that wait: of all together, and of the one with most. */
  queued(): { sum: number; max: number }
  /** How many are open, by protocol. */
  counts(): Readonly<Record<Protocol, number>>
}

export interface ConnectionsOptions {
  wheel: TimerWheel
  maxPerUser: number
  /** Whether the viewer's token was revoked after it was verified. */
  isRevoked: (viewer: Viewer) => boolean
  onOpened: (userId: number, connectionId: string, protocol: Protocol) => void
  onClosed: (userId: number, connectionId: string, protocol: Protocol) => void
}

/** What a connection is told whose token an administrator has revoked. */
export const REVOKED = 'the token was revoked'

interface Entry {
  id: string
  about: ConnectionAbout
  since: number
  viewer: Viewer
  expiry: Deadline
  end: (reason: EndReason, text?: string) => void
}

/** The connections of this node: counted for each user, ended when their token expires (PROTOCOL.md, section 1). */
export function createConnections(options: ConnectionsOptions): Connections {
  const { wheel, maxPerUser, isRevoked, onOpened, onClosed } = options
  const byUser = new Map<number, Set<Entry>>()
  const byId = new Map<string, Entry>()
  const counts: Record<Protocol, number> = { legacy: 0, 'graphql-ws': 0, sse: 0 }
  let isRestarting = false

  const hasRoom = (userId: number): boolean => (byUser.get(userId)?.size ?? 0) < maxPerUser

  function endAll(entries: Iterable<Entry>, reason: EndReason, text?: string): number {
    const ended = [...entries]
    for (const { end } of ended) end(reason, text)
    return ended.length
  }

  return {
    hasRoom,

    open(viewer, about, end) {
      const { userId } = viewer
      if (!hasRoom(userId)) return undefined
      const id = randomUUID()
      const entries = byUser.get(userId) ?? new Set()
      const { protocol } = about
      const entry: Entry = {
        id,
        about,
        since: Date.now(),
        viewer,
        expiry: wheel.at(viewer.expiresAt, () => entry.end('expired')),
        end(reason, text) {
          entry.end = () => undefined
          end(reason, text)
        },
      }
      entries.add(entry)
      byUser.set(userId, entries)
      byId.set(id, entry)
      counts[protocol]++
      onOpened(userId, id, protocol)
      // It was on its way when the others were ended.
      if (isRestarting) queueMicrotask(() => entry.end('restarting'))
      else if (isRevoked(viewer)) queueMicrotask(() => entry.end('disconnected', REVOKED))
      return {
        id,
        get viewer() {
          return entry.viewer
        },
        closed() {
          if (!entries.delete(entry)) return
          byId.delete(id)
          entry.expiry.cancel()
          if (entries.size === 0) byUser.delete(userId)
          counts[protocol]--
          onClosed(userId, id, protocol)
        },
      }
    },

    renew(connectionId, viewer) {
      const entry = byId.get(connectionId)
      if (!entry) throw notFound('the connection has ended')
      if (viewer.userId !== entry.viewer.userId) throw forbidden('the token is of another user: connect anew with it')
      entry.expiry.cancel()
      entry.viewer = viewer
      entry.expiry = wheel.at(viewer.expiresAt, () => entry.end('expired'))
    },

    disconnectUser: (userId, text) => endAll(byUser.get(userId) ?? [], 'disconnected', text),

    restart() {
      isRestarting = true
      return [...byId.values()].map((entry) => (text: string) => entry.end('restarting', text))
    },

    of: (userId) =>
      [...(byUser.get(userId) ?? [])].map(({ id, viewer, since, about: { protocol, address, queuedBytes } }) => ({
        id,
        userId,
        protocol,
        since,
        expiresAt: viewer.expiresAt,
        address,
        queuedBytes: queuedBytes(),
      })),

    queued() {
      let [sum, max] = [0, 0]
      for (const { about } of byId.values()) {
        const bytes = about.queuedBytes()
        sum += bytes
        if (bytes > max) max = bytes
      }
      return { sum, max }
    },

    counts: () => counts,
  }
}
