import { CLOSE, type Close } from '../../legacy-protocol/close-codes.ts'
import type { EndReason } from '../../live/connections.ts'

/** Closes a socket or its writer; `reason` where there is more to say than the code's own. */
export function closeWith(
  socket: { close(code: number, reason: string): void },
  { code, reason: usual }: Close,
  reason: string = usual,
): void {
  socket.close(code, reason)
}

/** How a connection is closed that the server ends. */
export const CLOSE_OF: Readonly<Record<EndReason, Close>> = {
  expired: CLOSE.tokenExpired,
  disconnected: CLOSE.disconnected,
  banned: CLOSE.disconnected,
  restarting: CLOSE.restarting,
}
