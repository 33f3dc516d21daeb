import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino'
import type { LogLevel } from '../settings.ts'

const TOKEN = /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g

/** Serialises type, message, stack and code only: driver errors carry row data, and with it message contents. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { type, message, stack } = stdSerializers.err(error)
  const { code } = error as { code?: unknown }
  return { type, message: message.replace(TOKEN, '[token]'), stack: stack.replace(TOKEN, '[token]'), code }
}

/** JSON lines on standard error: standard output is for the person who starts the server. */
export function createLog(
  level: LogLevel,
  to: DestinationStream = pino.destination({ dest: 2, sync: true }),
  /** Its number, if this process is one of several workers. */
  worker?: number,
): Logger {
  return pino(
    { level, base: { pid: process.pid, ...(worker === undefined ? {} : { worker }) }, serializers: { err: describeError } },
    to,
  )
}
