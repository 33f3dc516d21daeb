/** Why sockets are closed: for the server, which closes them, and for clients, which must know whether to reconnect. */

export interface Close {
  readonly code: number
  /** The default reason. */
  readonly reason: string
  /**
   * When a client reconnects: `never`, `with another token`, `when told` (at the time that the reason names, see
   * `comeBackMsIn`), or `later`, after a growing pause.
   */
  readonly reconnect: 'never' | 'with another token' | 'when told' | 'later'
}

/** Of both protocols (docs/protocol.md, Close codes). */
export const CLOSE = {
  normal: { code: 1000, reason: '', reconnect: 'later' },
  binaryFrame: { code: 1003, reason: 'expected text frames', reconnect: 'later' },
  notUtf8: { code: 1007, reason: '', reconnect: 'later' },
  tooLarge: { code: 1009, reason: '', reconnect: 'later' },
  restarting: { code: 1012, reason: 'the server restarts: come back with resume', reconnect: 'when told' },
  /** The connection can't continue; a resume loses nothing. */
  interrupted: { code: 1012, reason: 'come back with resume', reconnect: 'when told' },
  tokenExpired: { code: 4401, reason: 'the token has expired', reconnect: 'with another token' },
  disconnected: { code: 4403, reason: 'disconnected by an administrator', reconnect: 'never' },
  tooManyRefusals: {
    code: 4429,
    reason: 'too many refused requests in a row: come back after a pause',
    reconnect: 'later',
  },
  tooSlow: { code: 4508, reason: 'too slow: come back with resume', reconnect: 'later' },
} as const satisfies Record<string, Close>

/** Codes of GraphQL over WebSocket only, besides the library's own. */
export const GRAPHQL_CLOSE = {
  unexpected: { code: 1011, reason: 'Internal server error', reconnect: 'later' },
  /** The reason is the error. */
  unavailable: { code: 1013, reason: '', reconnect: 'later' },
  tooManyConnections: { code: 4429, reason: 'Too many connections', reconnect: 'later' },
  /** As the library closes it. */
  badMessage: { code: 4400, reason: 'Invalid message received', reconnect: 'never' },
} as const satisfies Record<string, Close>

/** For unknown codes: later. */
export const reconnectOf = (code: number): Close['reconnect'] =>
  Object.values(CLOSE).find((close) => close.code === code)?.reconnect ?? 'later'

/** The reason of a server that restarts: each client gets its own time, so that they don't all reconnect at once. */
export const restartingIn = (ms: number): string => `${CLOSE.restarting.reason} in ${ms} ms`

/** The time to reconnect that a reason names; undefined if it names none. */
export function comeBackMsIn(reason: string): number | undefined {
  const ms = /\bin (\d+) ms\b/.exec(reason)?.[1]
  return ms === undefined ? undefined : Number(ms)
}
