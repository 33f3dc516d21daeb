import type { Logger } from 'pino'

/** Lines a second: enough to see what goes on, too few for outsiders to fill a disk. */
const LINES_PER_SECOND = 20

/**
 * Logs rejected tokens with the reason and the client's address, never the token. Suppressed lines are counted in the next one.
 */
export function createRefusalLog(log: Logger, now: () => number = Date.now): (reason: string, address: string) => void {
  let second = 0
  let lines = 0
  let omitted = 0
  return (reason, address) => {
    const current = Math.floor(now() / 1000)
    if (current !== second) {
      second = current
      lines = 0
    }
    if (++lines > LINES_PER_SECOND) {
      omitted++
      return
    }
    log.info({ reason, address, ...(omitted > 0 ? { omitted } : {}) }, 'a token was refused')
    omitted = 0
  }
}
