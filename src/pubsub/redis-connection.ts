import { Redis } from 'ioredis'

/** How long Redis may keep silent where an answer is due, and may take to accept a connection. */
const SILENCE_MS = 5000
/** The longest pause between two attempts to connect. */
const RETRY_MS = 1000

/**
 * A connection that comes back by itself. While it is down every command is refused at once: nothing queues up, and
 * whoever sends decides what is worth sending later. `onError` is told of every failed attempt and of a break.
 */
export function connectRedis(url: string, name: string, onError: (error: unknown) => void): Redis {
  const connection = new Redis(url, {
    connectionName: name,
    disableClientInfo: true,
    connectTimeout: SILENCE_MS,
    enableOfflineQueue: false,
    // Without it, commands under way when the connection breaks would neither fail nor be sent again.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // Jittered, so that nodes don't come back all at once.
    retryStrategy: (attempt) => Math.min(RETRY_MS, 25 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2),
  })
  let greeting: NodeJS.Timeout | undefined
  let wasUp = false
  connection.on('connect', () => {
    greeting = breakLater(connection)
  })
  connection.on('ready', () => {
    clearTimeout(greeting)
    wasUp = true
  })
  connection.on('close', () => {
    clearTimeout(greeting)
    if (wasUp) onError(new Error('the connection to Redis closed'))
    wasUp = false
  })
  connection.on('error', onError)
  return connection
}

/** Whether commands are taken; the socket may be gone a moment before the status says so. */
export const isUp = (connection: Redis): boolean => connection.status === 'ready' && connection.stream.writable

/** Breaks a connection over which Redis no longer answers. The library's own timeout outlives its socket and breaks the next one. */
export function watch(connection: Redis): void {
  const timer = breakLater(connection)
  connection
    .ping()
    .catch(() => undefined)
    .finally(() => clearTimeout(timer))
}

function breakLater(connection: Redis): NodeJS.Timeout {
  return setTimeout(() => connection.stream.destroy(new Error('Redis does not answer')), SILENCE_MS).unref()
}

/** Lets commands under way finish, then closes the connection for good. */
export async function closeRedis(connection: Redis): Promise<void> {
  const timer = breakLater(connection)
  if (isUp(connection)) await connection.quit().catch(() => undefined)
  connection.disconnect()
  clearTimeout(timer)
}
