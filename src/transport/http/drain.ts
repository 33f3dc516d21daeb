import { setTimeout as wait } from 'node:timers/promises'
import type { WebSocket, WebSocketServer } from 'ws'
import { CLOSE, restartingIn } from '../../legacy-protocol/close-codes.ts'
import type { Connections } from '../../live/connections.ts'
import { closeWith } from '../socket/close.ts'

/** Pause between two batches of closing sockets. */
const BATCH_MS = 50

export const socketsOf = (servers: readonly WebSocketServer[]): WebSocket[] => servers.flatMap(({ clients }) => [...clients])

/**
 * Closes all sockets with 1012, a few at a time, each with its own time to reconnect, so that the other nodes don't get all of
 * them at once.
 */
export async function closeSockets(
  servers: readonly WebSocketServer[],
  connections: Pick<Connections, 'restart'>,
  limitMs: number,
): Promise<void> {
  const reason = await endInTurn(servers, connections.restart(), limitMs)
  // Sockets that have not authenticated yet.
  for (const ws of socketsOf(servers)) {
    closeWith(ws, CLOSE.restarting, reason())
    ws.resume()
  }
}

/** Ends connections with 1012, a few at a time, each with its own time to reconnect; resolves with a function that makes such a close reason. */
export async function endInTurn(
  servers: readonly WebSocketServer[],
  ends: readonly ((text: string) => void)[],
  limitMs: number,
): Promise<() => string> {
  const spreadMs = Math.max(1000, ends.length)
  const reason = (): string => restartingIn(Math.ceil(Math.random() * spreadMs))
  const batches = Math.max(1, Math.floor(Math.min(limitMs, ends.length) / BATCH_MS))
  const size = Math.ceil(ends.length / batches)
  for (let start = 0; start < ends.length; start += size) {
    if (start > 0) await wait(BATCH_MS)
    for (const end of ends.slice(start, start + size)) end(reason())
    // Otherwise the client's own close frame would never be read.
    for (const ws of socketsOf(servers)) if (ws.readyState === ws.CLOSING) ws.resume()
  }
  return reason
}
