import { randomUUID } from 'node:crypto'
import type { Viewer } from '../chat/auth.ts'
import type { Deadline, TimerWheel } from '../timer-wheel.ts'

export type Protocol = 'legacy' | 'graphql-ws' | 'sse'

/** Why the server ends a connection: its token ran out, an administrator ended it, the server stops. */
export type EndReason = 'expired' | 'disconnected' | 'restarting'

/** A live connection of a user: a legacy socket, an acknowledged GraphQL socket or an SSE subscription. */
export interface Connection {
  readonly id: string
  /** To be called when it has closed, however that came. */
  closed(): void
}

export interface Connections {
  /** Whether the user may have one more. */
  hasRoom(userId: number): boolean
  /**
   * Takes a connection in; undefined where the user has as many as allowed. `end` is called at most once, when the server
   * wants it closed; `text` is what the administrator gave as the reason.
   */
  open(viewer: Viewer, protocol: Protocol, end: (reason: EndReason, text?: string) => void): Connection | undefined
  /** Ends the user's connections; returns how many. */
  disconnectUser(userId: number, text: string | undefined): number
  /** Ends all of them because the server stops, and from now on each new one as soon as it is open. */
  restart(): void
  /** How many are open, by protocol. */
  counts(): Readonly<Record<Protocol, number>>
}

export interface ConnectionsOptions {
  wheel: TimerWheel
  maxPerUser: number
  onOpened: (userId: number) => void
  onClosed: (userId: number, connectionId: string) => void
}

interface Entry {
  userId: number
  end: (reason: EndReason, text?: string) => void
}

/** The connections of this node: counted for each user, ended when their token expires (PROTOCOL.md, section 1). */
export function createConnections({ wheel, maxPerUser, onOpened, onClosed }: ConnectionsOptions): Connections {
  const byUser = new Map<number, Set<Entry>>()
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

    open(viewer, protocol, end) {
      const { userId, expiresAt } = viewer
      if (!hasRoom(userId)) return undefined
      const id = randomUUID()
      const entries = byUser.get(userId) ?? new Set()
      const expiry: Deadline = wheel.at(expiresAt, () => entry.end('expired'))
      const entry: Entry = {
        userId,
        end(reason, text) {
          entry.end = () => undefined
          end(reason, text)
        },
      }
      entries.add(entry)
      byUser.set(userId, entries)
      counts[protocol]++
      onOpened(userId)
      // It was on its way when the others were ended.
      if (isRestarting) queueMicrotask(() => entry.end('restarting'))
      return {
        id,
        closed() {
          if (!entries.delete(entry)) return
          expiry.cancel()
          if (entries.size === 0) byUser.delete(userId)
          counts[protocol]--
          onClosed(userId, id)
        },
      }
    },

    disconnectUser: (userId, text) => endAll(byUser.get(userId) ?? [], 'disconnected', text),

    restart() {
      isRestarting = true
      for (const entries of [...byUser.values()]) endAll(entries, 'restarting')
    },

    counts: () => counts,
  }
}
