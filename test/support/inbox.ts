/** How long a test waits for what must come; long, because a loaded machine is slow and a broken rule fails anyway. */
const PATIENCE_MS = 30_000

interface Waiter<T> {
  matches: (item: T) => boolean
  resolve(item: T): void
  reject(error: Error): void
  /** Made by who waits, so that its stack leads to the test. */
  error: Error
  timer: NodeJS.Timeout
}

/** What a client received, in order, for tests that wait for it. */
export class Inbox<T> {
  /** Received and not taken yet. */
  readonly waiting: T[] = []
  readonly #waiters = new Set<Waiter<T>>()
  #divert: ((item: T) => boolean) | undefined
  #end: string | undefined

  push(item: T): void {
    if (this.#divert?.(item)) return
    for (const waiter of this.#waiters) {
      if (!waiter.matches(item)) continue
      this.#forget(waiter)
      waiter.resolve(item)
      return
    }
    this.waiting.push(item)
  }

  /** Nothing more arrives: waiting calls are rejected with the reason. */
  end(reason: string): void {
    this.#end = reason
    for (const waiter of this.#waiters) this.#refuse(waiter, reason)
  }

  #forget(waiter: Waiter<T>): void {
    clearTimeout(waiter.timer)
    this.#waiters.delete(waiter)
  }

  #refuse(waiter: Waiter<T>, reason: string): void {
    this.#forget(waiter)
    waiter.error.message = `${reason}; what came: ${JSON.stringify(this.waiting, null, 1)}`
    waiter.reject(waiter.error)
  }

  /** Takes the first item that matches, leaving the others; rejects with what arrived instead if none does in time. */
  next(matches: (item: T) => boolean = () => true): Promise<T> {
    const index = this.waiting.findIndex(matches)
    if (index >= 0) return Promise.resolve(this.waiting.splice(index, 1)[0] as T)
    const error = new Error()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#refuse(waiter, 'it did not come'), PATIENCE_MS)
      const waiter: Waiter<T> = { matches, resolve, reject, error, timer }
      this.#waiters.add(waiter)
      if (this.#end !== undefined) this.#refuse(waiter, this.#end)
    })
  }

  /** Takes the next `count` items, whatever they are. */
  async take(count: number): Promise<T[]> {
    const items: T[] = []
    while (items.length < count) items.push(await this.next())
    return items
  }

  /** Takes all that is there. */
  drain(): T[] {
    return this.waiting.splice(0)
  }

  /** Offers every item, earlier ones too, to `take`; taken ones are not stored here. */
  divert(take: (item: T) => boolean): void {
    this.#divert = take
    for (const item of this.drain()) this.push(item)
  }
}
