import { sleep } from '../support/processes.js'

/** What the attacker's process does in one second, at most, whatever the server takes: this is a load test, and not a flood. */
const PER_SECOND = { bytes: 64 * 2 ** 20, actions: 10_000 }
const WINDOW_MS = 100

/** Bounds how much is done in each part of a second; what is beyond it waits for the next part. */
export class Allowance {
  #used = { bytes: 0, actions: 0 }
  #until = 0

  /** Resolves when so much more may be done. @param {Partial<typeof PER_SECOND>} more */
  async take({ bytes = 0, actions = 0 }) {
    for (;;) {
      const now = performance.now()
      if (now >= this.#until) {
        this.#until = now + WINDOW_MS
        this.#used = { bytes: 0, actions: 0 }
      }
      const isFull = Object.entries(PER_SECOND).some(([what, limit]) => this.#used[what] >= (limit * WINDOW_MS) / 1000)
      if (!isFull) break
      await sleep(this.#until - now)
    }
    this.#used.bytes += bytes
    this.#used.actions += actions
  }
}
