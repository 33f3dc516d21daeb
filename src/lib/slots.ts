interface Waiting {
  userId: number
  start: () => void
}

/** At most this many run at the same time; the others wait in order, but behind those of users who have none running. */
export class Slots {
  readonly #count: number
  readonly #waitingLimit: number
  readonly #running = new Map<number, number>()
  #used = 0
  #waiting: Waiting[] = []

  constructor(count: number, waitingLimit: number) {
    this.#count = count
    this.#waitingLimit = waitingLimit
  }

  /**
   * Resolves with a function that releases the slot; undefined if too many wait, or it did not get a turn within `timeoutMs`.
   */
  async acquire(userId: number, timeoutMs: number): Promise<(() => void) | undefined> {
    if (this.#used < this.#count) return this.#start(userId)
    if (this.#waiting.length >= this.#waitingLimit) return undefined
    return await new Promise((resolve) => {
      const waiting: Waiting = {
        userId,
        start: () => {
          clearTimeout(timer)
          resolve(this.#start(userId))
        },
      }
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting)
        resolve(undefined)
      }, timeoutMs)
      this.#waiting.push(waiting)
    })
  }

  #start(userId: number): () => void {
    this.#used++
    this.#running.set(userId, (this.#running.get(userId) ?? 0) + 1)
    return () => {
      this.#used--
      const left = (this.#running.get(userId) as number) - 1
      if (left > 0) this.#running.set(userId, left)
      else this.#running.delete(userId)
      this.#startNext()
    }
  }

  #startNext(): void {
    const first = this.#waiting.findIndex((waiting) => !this.#running.has(waiting.userId))
    const [next] = this.#waiting.splice(Math.max(0, first), 1)
    next?.start()
  }
}
