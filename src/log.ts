import { pino, type Logger } from 'pino'
import type { LogLevel } from './settings.ts'

/** JSON lines on standard error: standard output is for what a person who starts the server reads. */
export function createLog(level: LogLevel): Logger {
  return pino({ level, base: { pid: process.pid } }, pino.destination({ dest: 2, sync: true }))
}
