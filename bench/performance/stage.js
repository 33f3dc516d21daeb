import { join } from 'node:path'
import { OwnRedis } from '../support/services.js'
import { sleep } from '../support/processes.js'
import { JWT_SECRET } from '../support/token.js'
import { connectAll, closeAll } from './generator/clients.js'
import { coreBusySeconds, familyCpuSeconds } from './proc.js'
import { startServer } from './server.js'

const QUIET_MS = 250
const QUIET_PATIENCE_MS = 30_000
/** Of a core; timers go on, and so does a profiler. */
const QUIET_SHARE = 0.1
const QUIET_SHARE_PROFILED = 0.6

/**
 * A system's servers, on a database and a Redis of their own, from their start to their end.
 *
 * @param {import('./systems.js').System} system
 * @param {object} options
 * @param {import('./bench.js').Bench} options.bench
 * @param {number} [options.nodes]
 * @param {boolean} [options.hasRedis] if absent: with more than one node there is a Redis
 * @param {string} options.label names the log
 * @param {(databaseUrl: string) => Promise<unknown>} [options.prepareDatabase] before the servers start
 * @param {(stage: Stage) => Promise<T>} use
 * @returns {Promise<T>}
 * @template T
 */
export async function onStage(system, { bench, nodes = 1, hasRedis = nodes > 1, label, prepareDatabase }, use) {
  const stage = new Stage(system, bench)
  try {
    await stage.start({ nodes, hasRedis, label, prepareDatabase })
    return await use(stage)
  } finally {
    await stage.end()
  }
}

export class Stage {
  /** Where the database is, and where Redis is, if there are any. */
  databaseUrl
  redis
  #system
  #bench
  #servers = []
  #connections = []

  constructor(system, bench) {
    this.#system = system
    this.#bench = bench
  }

  get protocol() {
    return this.#system.protocol
  }

  get ports() {
    return this.#servers.map(({ port }) => port)
  }

  async start({ nodes, hasRedis, label, prepareDatabase }) {
    const { env, entry, runtime, storesMessages } = this.#system
    const { postgres, world, cores, logFolder, profiles, nodeOptions } = this.#bench
    if (storesMessages) this.databaseUrl = await postgres.createDatabase(world)
    await prepareDatabase?.(this.databaseUrl)
    if (hasRedis) this.redis = await OwnRedis.start()
    for (let index = 0; index < nodes; index++) {
      const options = {
        entry,
        runtime,
        env: {
          JWT_SECRET,
          ...env,
          ...(this.databaseUrl && { DATABASE_URL: this.databaseUrl }),
          ...(this.redis && { REDIS_URL: this.redis.url }),
        },
        core: cores.server,
        logFile: join(logFolder, `${label}-${index}.log`),
        nodeOptions: [...nodeOptions, ...(profiles?.nodeOptions(`${label}-${index}`) ?? [])],
      }
      this.#servers.push(await startServer(options))
    }
  }

  /**
   * Connects these users, alternately to the servers, and waits until the servers have nothing more to do.
   *
   * @param {number[]} userIds
   * @param {{ offersDeflate?: boolean }} [options]
   */
  async connect(userIds, { offersDeflate } = {}) {
    const connections = await connectAll(userIds, { ports: this.ports, protocol: this.protocol, offersDeflate })
    this.#connections.push(...connections)
    await this.quiet()
    return connections
  }

  /** Of all servers together. */
  cpuSeconds() {
    return this.#servers.reduce((sum, server) => sum + server.cpuSeconds(), 0)
  }

  residentBytes() {
    return this.#servers.reduce((sum, server) => sum + server.residentBytes(), 0)
  }

  /**
   * Measures the servers' CPU time while something is done.
   *
   * @returns what it resolves with, `cpuSeconds`, and who took which share of a core meanwhile: others of the servers' core
   *   (`otherShare`), the database (`databaseShare`) and the generator (`generatorShare`) of theirs
   */
  async measure(run) {
    const before = this.#readings()
    const result = await run()
    const after = this.#readings()
    const [cpuSeconds, busy, database, generator, wall] = after.map((value, index) => value - before[index])
    const otherShare = Math.max(0, busy - cpuSeconds) / wall
    return { ...result, cpuSeconds, otherShare, databaseShare: database / wall, generatorShare: generator / wall }
  }

  #readings() {
    const { cores, postgres } = this.#bench
    const { user, system } = process.cpuUsage()
    return [
      this.cpuSeconds(),
      coreBusySeconds(cores.server),
      familyCpuSeconds(postgres.pid),
      (user + system) / 1e6,
      performance.now() / 1000,
    ]
  }

  /** Waits until the servers do next to nothing. */
  async quiet() {
    const deadline = performance.now() + QUIET_PATIENCE_MS
    const quietSeconds = ((this.#bench.profiles ? QUIET_SHARE_PROFILED : QUIET_SHARE) * QUIET_MS) / 1000
    for (let before = this.cpuSeconds(); ;) {
      await sleep(QUIET_MS)
      const now = this.cpuSeconds()
      if (now - before <= quietSeconds) return
      if (performance.now() > deadline) throw new Error('the servers did not come to rest')
      before = now
    }
  }

  async end() {
    closeAll(this.#connections)
    await Promise.all(this.#servers.map((server) => server.stop()))
    await this.redis?.remove()
    if (this.databaseUrl) await this.#bench.postgres.dropDatabase(this.databaseUrl)
  }
}
