import { CLOSE, type Close } from '../../legacy-protocol/close-codes.ts'
import type { EndReason } from '../../live/connections.ts'

/** Closes a socket or its writer; `reason` if there is more to say than the code's default. */
export function closeWith(
  socket: { close(code: number, reason: string): void },
  { code, reason: usual }: Close,
  reason: string = usual,
): void {
  socket.close(code, reason)
}

/** How the server closes a connection. */
export const CLOSE_OF: Readonly<Record<EndReason, Close>> = {
  expired: CLOSE.tokenExpired,
  disconnected: CLOSE.disconnected,
  banned: CLOSE.disconnected,
  restarting: CLOSE.restarting,
}
