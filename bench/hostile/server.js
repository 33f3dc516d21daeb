import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { listening } from '../support/listening.js'
import { end, launch } from '../support/processes.js'

const PROBE = fileURLToPath(new URL('probe.js', import.meta.url))

/** As `npm start` starts it, with a heap that a container of 1.5 GB would have. */
const NODE_OPTIONS = ['--max-semi-space-size=32', '--max-old-space-size=1024', '--expose-gc', `--import=${PROBE}`]

const NICE = -10

/** The server under attack: production mode, default limits. */
export class Server {
  port
  /** How it ended unasked, if it did. */
  ending
  #child

  /** @param {{ entry: string, env: Record<string, string>, logFile: string }} options */
  static async start({ entry, env, logFile }) {
    const server = new Server()
    const { PATH, HOME } = process.env
    const child = launch(process.execPath, [...NODE_OPTIONS, entry], {
      env: { PATH, HOME, PORT: '0', NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      logFile,
    })
    server.#child = child
    prefer(child.pid)
    child.once('exit', (code, signal) => (server.ending = signal ?? `exit ${code}`))
    server.port = await listening(child, logFile)
    if (server.port === undefined) throw new Error(`a server ended, see ${logFile}`)
    return server
  }

  /** What the probe inside says; undefined where the process has ended. */
  async ask(what) {
    if (this.ending !== undefined) return undefined
    const answered = new Promise((resolve) => {
      const read = ({ ask, answer }) => {
        if (ask !== what) return
        this.#child.off('message', read)
        resolve(answer)
      }
      this.#child.on('message', read)
    })
    this.#child.send({ ask: what })
    const gone = new AbortController()
    const exited = once(this.#child, 'exit', { signal: gone.signal }).then(
      () => undefined,
      () => undefined,
    )
    const answer = await Promise.race([answered, exited])
    gone.abort()
    return answer
  }

  stop() {
    return end(this.#child)
  }
}

/** Runs before other processes of the machine, where that is allowed: it is the server's own work that is measured. */
export function prefer(pid) {
  try {
    os.setPriority(pid, NICE)
    // Where the kernel groups processes by session, only the group's value counts between sessions.
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE))
  } catch {
    // Then the figures are as good as the machine is idle.
  }
}
