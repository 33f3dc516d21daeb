import { ChatError } from '../../errors.ts'

/**
 * Codes of Prisma and SQLSTATE classes that mean that the database could not be reached or could not finish now: unreachable,
 * no free connection in time, shut down, out of resources, no longer the primary, statement timeout, deadlock.
 */
const UNAVAILABLE_CODES =
  /^(P1000|P1001|P1002|P1003|P1008|P1011|P1017|P2024|P2028|P2034|08...|53...|57...|25006|40001|40P01|55P03|ECONN\w+|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|ENOENT|ENOTFOUND|EAI_AGAIN)$/
const UNAVAILABLE_TEXTS =
  /timeout exceeded when trying to connect|Connection terminated|not queryable|Can't reach database|PGlite is clos/i

interface MaybeCoded {
  message?: unknown
  cause?: unknown
  meta?: unknown
}

/** Whether an error, or one inside it, says that the database could not be reached or could not answer in time. */
function isUnavailable(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || error instanceof ChatError || depth > 5) return false
  const { message, cause, meta } = error as MaybeCoded
  const { kind, severity, driverAdapterError } = error as Record<string, unknown>
  if (hasCode(error, UNAVAILABLE_CODES)) return true
  // The server ended or refused the connection, for whatever reason.
  if (severity === 'FATAL' || severity === 'PANIC') return true
  if (
    typeof kind === 'string' &&
    /^(DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections|TransactionAlreadyClosed)$/.test(kind)
  )
    return true
  if (typeof message === 'string' && UNAVAILABLE_TEXTS.test(message)) return true
  return isUnavailable(cause, depth + 1) || isUnavailable(meta, depth + 1) || isUnavailable(driverAdapterError, depth + 1)
}

/** SQLSTATEs of timeouts: a statement's, a lock's, a transaction's. */
const TOO_LONG = /^(57014|55P03|25P03|P2028)$/
/** The server is read-only: it is a replica now, or was configured so. */
const READ_ONLY = /^25006$/

/**
 * The error message for clients. The database ended what took too long and refused what it does not write; where the connection
 * broke, the answer to a commit may have been lost.
 */
function messageOf(error: unknown): string {
  if (hasCode(error, TOO_LONG)) return 'the database took too long; nothing was stored, try again'
  if (hasCode(error, READ_ONLY)) return 'the database takes no writes now; nothing was stored, try again'
  return 'the database is not reachable; whether a change was stored is not known: try again, a send with the same key'
}

/** Whether an error, or one inside it, has such a code. */
export function hasCode(error: unknown, codes: RegExp, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false
  const { code, originalCode, cause, meta, driverAdapterError } = error as Record<string, unknown>
  if ([code, originalCode].some((value) => typeof value === 'string' && codes.test(value))) return true
  return [cause, meta, driverAdapterError].some((inner) => hasCode(inner, codes, depth + 1))
}

/** Whether a unique constraint was violated. */
export const isUniqueViolation = (error: unknown): boolean => hasCode(error, /^23505$/)

/** Runs a database call; if the database does not answer rejects with UNAVAILABLE, otherwise with the original error. */
export async function translateErrors<T>(call: () => PromiseLike<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!isUnavailable(error)) throw error
    throw new ChatError('UNAVAILABLE', messageOf(error), { cause: error })
  }
}
