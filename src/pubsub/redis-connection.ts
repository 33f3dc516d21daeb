import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { readSentinelUrl, type SentinelTarget } from '../lib/redis-url.ts'
import { isUnusable } from './redis-problem.ts'

/** How long Redis may take to answer, and to accept a connection. */
const SILENCE_MS = 5000
/** The longest pause between two attempts to connect. */
const RETRY_MS = 1000

/** Executes commands, wherever their keys are. */
export type RedisCommands = Redis | Cluster

/** One server, or a cluster: where to connect for what. */
export interface RedisClients {
  commands: RedisCommands
  /** A connection to one server; in a cluster to any of its nodes, since a publish on one reaches all. */
  connect: (name: string) => Redis
}

// With jitter, so that nodes don't all reconnect at the same time.
const pause = (attempt: number): number => Math.min(RETRY_MS, 25 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2)

/**
 * While a connection is down every command is refused at once: nothing is queued, and the sender decides what is worth sending
 * later.
 */
const OPTIONS: RedisOptions = {
  disableClientInfo: true,
  connectTimeout: SILENCE_MS,
  enableOfflineQueue: false,
  // Without it, commands in flight when the connection breaks would neither fail nor be sent again.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  retryStrategy: pause,
}

/**
 * Opens Redis as configured by REDIS_URL: the URL of a server; or the URLs of nodes of a cluster, separated by commas; or one
 * of them with `?cluster=true`; or Sentinels. `onError` is called for every failed attempt and for a break, of each connection.
 */
export function openRedis(url: string, onError: (error: unknown) => void): RedisClients {
  const sentinel = readSentinelUrl(url)
  if (sentinel) return openServer((options) => new Redis({ ...options, ...optionsOf(sentinel) }), onError)
  const urls = url.split(',').map((each) => new URL(each.trim()))
  const [first] = urls as [URL]
  if (urls.length === 1 && first.searchParams.get('cluster') !== 'true')
    return openServer((options) => new Redis(url, options), onError)
  const common: RedisOptions = {
    ...(first.username && { username: decodeURIComponent(first.username) }),
    ...(first.password && { password: decodeURIComponent(first.password) }),
    ...(first.protocol === 'rediss:' && { tls: {} }),
  }
  const seeds = urls.map(({ hostname, port }) => ({ host: hostname.replace(/^\[|]$/g, ''), port: Number(port || 6379) }))
  const commands = connectCluster(seeds, common, onError)
  return {
    commands,
    connect(name) {
      let turn = Math.floor(Math.random() * seeds.length)
      const connection = new Redis({
        ...OPTIONS,
        ...common,
        ...seeds[turn],
        connectionName: name,
        // The next attempt goes to another node.
        retryStrategy(attempt) {
          const known = commands.nodes('master').map(({ options: { host, port } }) => ({ host, port }))
          const nodes = known.length > 0 ? known : seeds
          Object.assign(connection.options, nodes[++turn % nodes.length])
          return pause(attempt)
        },
      })
      return watched(connection, onError)
    },
  }
}

function optionsOf({ sentinels, name, db, isTls, ...target }: SentinelTarget): RedisOptions {
  return {
    sentinels,
    name,
    db,
    ...(target.username && { username: target.username }),
    ...(target.password && { password: target.password }),
    ...(target.sentinelUsername && { sentinelUsername: target.sentinelUsername }),
    ...(target.sentinelPassword && { sentinelPassword: target.sentinelPassword }),
    ...(isTls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: SILENCE_MS,
    sentinelRetryStrategy: pause,
  }
}

/** One server at a time, whichever the address or Sentinel leads to. */
function openServer(create: (options: RedisOptions) => Redis, onError: (error: unknown) => void): RedisClients {
  const all: Redis[] = []
  const connect = (connectionName: string): Redis => {
    let isGivenUp = false
    // This is not, or no longer, the server to write to: the next attempt may lead to another by now.
    const reconnectOnError = (error: Error): boolean => {
      if (!isUnusable(error.message)) return false
      isGivenUp = true
      onError(error)
      for (const connection of all) if (connection.status === 'ready') connection.disconnect(true)
      return true
    }
    // Errors of a connection that was given up only follow from that, and would hide the reason.
    const report = (error: unknown): void => {
      if (!isGivenUp) onError(error)
    }
    const connection = watched(create({ ...OPTIONS, reconnectOnError, connectionName }), report)
    connection.on('close', () => {
      isGivenUp = false
    })
    refuseReplicas(connection, onError)
    all.push(connection)
    return connection
  }
  return { commands: connect('parley-commands'), connect }
}

function connectCluster(
  seeds: readonly { host: string; port: number }[],
  common: RedisOptions,
  onError: (error: unknown) => void,
): Cluster {
  const cluster = new Cluster([...seeds], {
    enableOfflineQueue: false,
    clusterRetryStrategy: pause,
    // Also notices a node that left the cluster while nothing is requested of it.
    slotsRefreshInterval: 2 * SILENCE_MS,
    slotsRefreshTimeout: SILENCE_MS,
    // Certificates contain names, so they are resolved when connecting.
    dnsLookup: (address, done) => done(null, address),
    redisOptions: {
      ...common,
      connectionName: 'parley-commands',
      disableClientInfo: true,
      connectTimeout: SILENCE_MS,
      commandTimeout: SILENCE_MS,
    },
  })
  cluster.on('error', onError)
  return cluster
}

/** Monitors a connection that reconnects by itself. `onError` is called for every failed attempt and for a break. */
function watched(connection: Redis, onError: (error: unknown) => void): Redis {
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

/** Treats a server that reports to be a replica as one that can't be connected to: pauses grow from attempt to attempt. */
function refuseReplicas(connection: Redis, onError: (error: unknown) => void): void {
  // Called with the reply to INFO when a connection is made.
  const { connector } = connection as unknown as { connector: { check(info: { role?: string }): boolean } }
  // Sentinel's own retry goes on to the next of its servers.
  const check = connector.check.bind(connector)
  connector.check = (info) => {
    if (info.role !== 'slave') return true
    onError(new Error('READONLY it is a replica'))
    check(info)
    return false
  }
}

/** Whether commands are accepted; the socket may be gone a moment before the status says so. */
export const isUp = (connection: Redis): boolean => connection.status === 'ready' && connection.stream.writable

/**
 * Breaks a connection over which Redis no longer answers. The library's own timeout outlives its socket and breaks the next
 * one.
 */
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

/** Lets commands in flight finish, then closes the connection permanently. */
export async function closeRedis(connection: RedisCommands): Promise<void> {
  if (connection instanceof Cluster) {
    if (connection.status === 'ready') await connection.quit().catch(() => undefined)
    return connection.disconnect()
  }
  const timer = breakLater(connection)
  if (isUp(connection)) await connection.quit().catch(() => undefined)
  connection.disconnect()
  clearTimeout(timer)
}
