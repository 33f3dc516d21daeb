/** Why sockets are closed: for the server, which closes them, and for clients, which have to know whether to come back. */

export interface Close {
  readonly code: number
  /** Unless the server has more to say. */
  readonly reason: string
  /**
   * When a client comes back: `never`, `with another token`, `when told` (at the moment that the reason names, see `comeBackMsIn`), or `later`,
   * after a pause that grows.
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
  /** It can't go on, and loses nothing by a resume. */
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

/** Of GraphQL over WebSocket alone, besides the library's own. */
export const GRAPHQL_CLOSE = {
  unexpected: { code: 1011, reason: 'Internal server error', reconnect: 'later' },
  /** With the error as the reason. */
  unavailable: { code: 1013, reason: '', reconnect: 'later' },
  tooManyConnections: { code: 4429, reason: 'Too many connections', reconnect: 'later' },
} as const satisfies Record<string, Close>

/** Where the code is none of ours: later. */
export const reconnectOf = (code: number): Close['reconnect'] =>
  Object.values(CLOSE).find((close) => close.code === code)?.reconnect ?? 'later'

/** The reason of a server that restarts: each client gets a moment of its own, so that they don't come back all at once. */
export const restartingIn = (ms: number): string => `${CLOSE.restarting.reason} in ${ms} ms`

/** The moment to come back that a reason names; undefined where it names none. */
export function comeBackMsIn(reason: string): number | undefined {
  const ms = /\bin (\d+) ms\b/.exec(reason)?.[1]
  return ms === undefined ? undefined : Number(ms)
}
