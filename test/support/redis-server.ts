import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { vi } from 'vitest'

/** The Redis that is there already; tests use it under a prefix of their own. */
export const REDIS_URL = 'redis://127.0.0.1:6379'

async function answers(): Promise<boolean> {
  const redis = new Redis(REDIS_URL, { lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return true
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}

/** Locally the tests on Redis are skipped where there is none; in CI they fail. */
export const skipRedis = process.env['CI'] === undefined && !(await answers())
/** Likewise those that start one. */
export const skipRedisServer = process.env['CI'] === undefined && spawnSync('redis-server', ['--version']).status !== 0

export const randomPrefix = (): string => `parley-test-${randomBytes(6).toString('hex')}:`

/** A port without a listener. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A Redis of the test's own, to be killed, paused and started again, empty each time. */
export interface RedisServer {
  url: string
  start(): Promise<void>
  kill(): Promise<void>
  pause(): void
  unpause(): void
  /** Kills it and removes its folder. */
  close(): Promise<void>
}

/** `args` are options of redis-server besides. */
export async function createRedisServer(...args: string[]): Promise<RedisServer> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'))
  let child: ChildProcess | undefined
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const started = spawn(
        'redis-server',
        ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, ...args],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      child = started
      for await (const line of createInterface(started.stdout)) if (line.includes('Ready to accept connections')) break
      started.stdout.resume()
    },
    async kill() {
      const running = child
      child = undefined
      if (!running || running.exitCode !== null) return
      const exited = once(running, 'exit')
      running.kill('SIGKILL')
      await exited
    },
    pause: () => void child?.kill('SIGSTOP'),
    unpause: () => void child?.kill('SIGCONT'),
    async close() {
      await server.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return server
}

/** A server of Sentinel that watches a primary on 127.0.0.1 under the name `main`, and promotes a replica half a second after its end. */
export async function createSentinel(
  port: number,
  primary: number,
): Promise<{ replicas(): Promise<number>; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  await writeFile(
    file,
    `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor main 127.0.0.1 ${primary} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 5000
`,
  )
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  const connection = new Redis({ port, host: '127.0.0.1' })
  connection.on('error', () => undefined)
  return {
    async replicas() {
      const replicas = (await connection.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]
      return replicas.length
    },
    async close() {
      connection.disconnect()
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Nodes of a Redis Cluster of the test's own, which share the slots. */
export async function createRedisCluster(size = 3): Promise<{ url: string; nodes: RedisServer[]; close(): Promise<void> }> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no']
  const nodes = await Promise.all(Array.from({ length: size }, () => createRedisServer(...args)))
  await Promise.all(nodes.map((node) => node.start()))
  const connections = nodes.map((node) => new Redis(node.url))
  const share = 16_384 / size
  for (const [index, connection] of connections.entries()) {
    const [from, to] = [Math.ceil(index * share), Math.ceil((index + 1) * share) - 1]
    await connection.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    await connection.call('CLUSTER', 'MEET', '127.0.0.1', new URL(nodes[0]?.url ?? '').port)
  }
  const whole = new RegExp(`cluster_state:ok[^]*cluster_slots_ok:16384[^]*cluster_known_nodes:${size}`)
  const isWhole = async (connection: Redis): Promise<boolean> => whole.test(String(await connection.call('CLUSTER', 'INFO')))
  for (const connection of connections) await vi.waitUntil(() => isWhole(connection), { timeout: 20_000, interval: 50 })
  for (const connection of connections) connection.disconnect()
  return {
    url: nodes.map(({ url }) => url).join(','),
    nodes,
    close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
  }
}
