/** How long answers took to come, in milliseconds. */
export class Waits {
  #list = []
  #periodMs

  /** @param {number} periodMs how often a question is due */
  constructor(periodMs) {
    this.#periodMs = periodMs
  }

  /** Nobody asks again while waiting: the questions that were due meanwhile count too, with the wait that they would have had. */
  add(ms) {
    for (let wait = ms; wait > 0; wait -= this.#periodMs) this.#list.push(wait)
  }

  summary() {
    const sorted = this.#list.sort((a, b) => a - b)
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
    this.#list = []
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), longest: at(1) }
  }
}
