/** What to do after a failed operation: try again, with a new token if that was the problem, or give up. */
export type Verdict = 'again' | 'token' | 'over'

interface Failure {
  code?: unknown
  reason?: unknown
  response?: { status?: unknown }
  extensions?: { code?: unknown; retryAfterMs?: unknown }
}

/** Close codes after which a retry would fail the same way (RFC 6455, graphql-transport-ws). */
const FINAL_CLOSES = [1002, 1003, 1007, 1009, 1010, 4004, 4400, 4403, 4406, 4409]

const ofCode = (code: unknown): Verdict =>
  code === 'UNAUTHENTICATED' ? 'token' : code === 'UNAVAILABLE' || code === 'RATE_LIMITED' ? 'again' : 'over'

/** Classifies a close event, the errors of a result, a response's status, or any other failure. */
export function verdictOf(failure: unknown): Verdict {
  if (Array.isArray(failure)) return ofCode((failure as Failure[])[0]?.extensions?.code)
  const { code, response } = (failure ?? {}) as Failure
  if (typeof code === 'number') return code === 4401 ? 'token' : FINAL_CLOSES.includes(code) ? 'over' : 'again'
  const status = Number(response?.status ?? 0)
  if (status === 401) return 'token'
  return status >= 400 && status < 500 && status !== 408 && status !== 429 ? 'over' : 'again'
}

/** When the server said to reconnect, in milliseconds from now; undefined if it did not. */
export function hintOf(failure: unknown): number | undefined {
  if (Array.isArray(failure)) return Number((failure as Failure[])[0]?.extensions?.retryAfterMs) || undefined
  const { code, reason } = (failure ?? {}) as Failure
  const ms = code === 1012 && / in (\d+) ms/.exec(String(reason))?.[1]
  return ms ? Number(ms) : undefined
}

/** Someone watches: a line that is cut a few times in a row must not leave them without news for half a minute. */
export const LONGEST_PAUSE_MS = 10_000

/** Pauses that double up to ten seconds, each with half of it as jitter. */
export const pauseOf = (failures: number): number => Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** failures) * (0.5 + Math.random())
