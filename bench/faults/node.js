import { listening } from '../support/listening.js'
import { end, launch, peakRss, sleep } from '../support/processes.js'

const RESTART_AFTER_MS = 1000

/** One server process. It prints its address when it is ready, and is started again when it ends unasked, as a supervisor would. */
export class ServerNode {
  /** Where it listens; undefined while it doesn't. */
  port
  /** How often it ended unasked. */
  crashes = 0
  /** The most memory it has had resident, in bytes. */
  peakRss = 0
  #options
  #process
  #isWanted = false
  #sampling

  /** @param {{ entry: string, env: Record<string, string>, logFile: string }} options */
  constructor(options) {
    this.#options = options
  }

  async start() {
    this.#isWanted = true
    const { entry, env, logFile } = this.#options
    const { PATH, HOME } = process.env
    const child = launch(process.execPath, [entry], { env: { PATH, HOME, PORT: '0', ...env }, logFile })
    this.#process = child
    this.#sampling ??= setInterval(() => this.#sample(), 250)
    child.once('exit', () => {
      if (this.#process !== child) return
      this.port = undefined
      if (this.#isWanted) void this.#restart()
    })
    // One that ended meanwhile is started again by the listener above.
    const port = await listening(child, logFile)
    if (port !== undefined) this.port = port
  }

  /** Ends it without a word. */
  kill() {
    return this.#end('SIGKILL')
  }

  /** Asks it to end, and waits until it has. */
  stop() {
    return this.#end('SIGTERM')
  }

  async remove() {
    await this.kill()
    clearInterval(this.#sampling)
  }

  async #end(signal) {
    this.#isWanted = false
    this.#sample()
    await end(this.#process, signal)
  }

  async #restart() {
    this.crashes++
    await sleep(RESTART_AFTER_MS)
    if (this.#isWanted) await this.start()
  }

  #sample() {
    this.peakRss = Math.max(this.peakRss, peakRss(this.#process.pid))
  }
}
