import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { end, launch, makeFolder, removeFolder, sleep } from '../support/processes.js'
import { OwnPostgres, OwnRedis } from '../support/services.js'
import { JWT_SECRET } from '../support/token.js'
import { LOG_FOLDER } from './options.js'
import { prefer, Server } from './server.js'

const script = (name) => fileURLToPath(new URL(name, import.meta.url))
const MIB = 2 ** 20

/** What an attack may leave behind, and how long others may wait. */
export const BOUNDS = { waitMs: 100, burstWaitMs: 250, heldMiB: 64, keptMiB: 20 }

/** How long after an attack memory may take to come back. */
const PATIENCE_MS = 12_000

/** A server on one engine and the others who use it; started again when an attack has ended it or left something in it. */
export class Target {
  #engine
  #entry
  #services = []
  #folder = makeFolder()
  #env
  /** Settings of the attack that the server is started for. */
  #extra = {}
  #server
  #others
  #run = 0

  static async start(engine, entry) {
    const target = new Target()
    target.#engine = engine
    target.#entry = entry
    target.#env = { JWT_SECRET, DATA_DIR: join(target.#folder, 'data') }
    if (engine === 'postgres') {
      const [postgres, redis] = await Promise.all([OwnPostgres.start(), OwnRedis.start()])
      target.#services = [redis, postgres]
      target.#env = { JWT_SECRET, DATABASE_URL: await postgres.createDatabase(), REDIS_URL: redis.url }
    }
    await target.#open()
    return target
  }

  async #open() {
    this.#server = await Server.start({
      entry: this.#entry,
      env: { ...this.#env, ...this.#extra },
      logFile: join(LOG_FOLDER, `${this.#engine}.log`),
    })
    this.#others = this.#spawn('others.js', [this.#server.port])
    prefer(this.#others.pid)
    await told(this.#others, 'opened')
    // The code that serves the others is compiled by then.
    await sleep(3000)
  }

  /** Another process of the bench. */
  #spawn(name, args) {
    const child = launch(process.execPath, [script(name), ...args.map(String)], {
      env: { ...process.env, BENCH_JWT_SECRET: JWT_SECRET },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      logFile: join(LOG_FOLDER, `${this.#engine}-${name}.log`),
    })
    child.on('error', () => undefined)
    return child
  }

  async #close() {
    await end(this.#others, 'SIGKILL')
    await this.#server.stop()
  }

  /** Does one attack; resolves with what came of it. */
  async measure(attack, seconds) {
    const extra = attack.env ?? {}
    if (JSON.stringify(extra) !== JSON.stringify(this.#extra)) {
      this.#extra = extra
      await this.#again()
    }
    const attacker = this.#spawn('attacker.js', [this.#server.port, attack.id, this.#run++, seconds])
    try {
      await told(attacker, 'prepared')
      await sleep(500)
      const before = await this.#server.ask('memory')
      // The collections made others wait, and are a long turn: neither is the attack's.
      await sleep(500)
      await this.#server.ask('turns')
      await order(this.#others, 'start')
      const got = await order(attacker, 'go', 'done')
      // What was asked last is answered, or still waits.
      await sleep(300)
      const others = await order(this.#others, 'report')
      const turns = await this.#server.ask('turns')
      const held = await this.#server.ask('memory')
      await end(attacker, 'SIGKILL')
      const heldMiB = held ? (held.heapBytes - before.heapBytes) / MIB : null
      const kept = await this.#kept(before)
      const result = { got, ...others, ...turns, heldMiB, ...kept, ending: this.#server.ending ?? null }
      if (this.#server.ending !== undefined || kept.heapMiB > BOUNDS.keptMiB || kept.rssMiB > 300) await this.#again()
      return result
    } finally {
      await end(attacker, 'SIGKILL')
    }
  }

  /** What memory has grown by since, when it has had time to come back. */
  async #kept(before) {
    let kept = { heapMiB: null, rssMiB: null }
    for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await sleep(1500)) {
      const now = await this.#server.ask('memory')
      if (!now) break
      kept = { heapMiB: (now.heapBytes - before.heapBytes) / MIB, rssMiB: (now.rssBytes - before.rssBytes) / MIB }
      if (kept.heapMiB < BOUNDS.keptMiB / 2) break
    }
    return kept
  }

  async #again() {
    await this.#close()
    await this.#open()
  }

  async remove() {
    await this.#close()
    for (const service of this.#services) await service.remove()
    removeFolder(this.#folder)
  }
}

/** Resolves with what the process says under this name; rejects where it ends instead. */
function told(child, name) {
  return new Promise((resolve, reject) => {
    const read = ({ order, answer }) => {
      if (order !== name) return
      child.off('message', read)
      child.off('exit', gone)
      resolve(answer)
    }
    const gone = (code, signal) => reject(new Error(`a process of the bench ended with ${signal ?? code} before "${name}"`))
    child.on('message', read)
    child.once('exit', gone)
  })
}

function order(child, name, answeredBy = name) {
  const answered = told(child, answeredBy)
  child.send({ order: name })
  return answered
}
