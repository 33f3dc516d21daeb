import { ChatError } from '../errors.ts'

interface Waiting {
  userId: number
  start: () => void
}

export interface SlotsOptions {
  /** How many may run at the same time. */
  count: number
  /** And of one user; `count` if absent. */
  perUser?: number
  /** How many may wait; any number if absent. */
  waitingLimit?: number
}

/** At most this many run at the same time; the others wait in order, but behind those of users who have none running. */
export class Slots {
  readonly #count: number
  readonly #perUser: number
  readonly #waitingLimit: number
  readonly #running = new Map<number, number>()
  #used = 0
  #waiting: Waiting[] = []

  constructor({ count, perUser = count, waitingLimit = Infinity }: SlotsOptions) {
    this.#count = count
    this.#perUser = perUser
    this.#waitingLimit = waitingLimit
  }

  #runningOf(userId: number): number {
    return this.#running.get(userId) ?? 0
  }

  /**
   * Resolves with a function that releases the slot; undefined if too many wait, or it did not get a turn within `timeoutMs`.
   */
  async acquire(userId: number, timeoutMs: number): Promise<(() => void) | undefined> {
    if (this.#used < this.#count && this.#runningOf(userId) < this.#perUser) return this.#start(userId)
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

  /** Runs `work` with a slot. Rejects with UNAVAILABLE, and this message, where there is none within `timeoutMs`. */
  async run<T>(userId: number, timeoutMs: number, work: () => Promise<T>, message: string): Promise<T> {
    const release = await this.acquire(userId, timeoutMs)
    if (!release) throw new ChatError('UNAVAILABLE', message)
    try {
      return await work()
    } finally {
      release()
    }
  }

  #start(userId: number): () => void {
    this.#used++
    this.#running.set(userId, this.#runningOf(userId) + 1)
    return () => {
      this.#used--
      const left = this.#runningOf(userId) - 1
      if (left > 0) this.#running.set(userId, left)
      else this.#running.delete(userId)
      this.#startNext()
    }
  }

  #startNext(): void {
    let next = this.#waiting.findIndex(({ userId }) => !this.#running.has(userId))
    if (next === -1) next = this.#waiting.findIndex(({ userId }) => this.#runningOf(userId) < this.#perUser)
    if (next === -1) return
    const [waiting] = this.#waiting.splice(next, 1)
    waiting?.start()
  }
}
