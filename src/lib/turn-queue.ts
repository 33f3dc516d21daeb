/** Serves what many sockets bring at once in its order, for at most `turnMs` milliseconds of each turn of the event loop. */
export class TurnQueue<T> {
  readonly #waiting: T[] = []
  readonly #turnMs: number
  readonly #serve: (item: T) => void
  #isScheduled = false

  /** `serve` must not throw. */
  constructor(turnMs: number, serve: (item: T) => void) {
    this.#turnMs = turnMs
    this.#serve = serve
  }

  add(item: T): void {
    this.#waiting.push(item)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    const until = performance.now() + this.#turnMs
    do {
      const item = this.#waiting.shift()
      if (item === undefined) break
      this.#serve(item)
    } while (performance.now() < until)
    this.#isScheduled = this.#waiting.length > 0
    if (this.#isScheduled) setImmediate(this.#nextTurn)
  }
}
