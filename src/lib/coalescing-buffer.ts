/** More keys than anyone who watches typing or presence would look at. */
const LIMIT = 1000

/** Ephemeral items for which a slow client has no room: the latest for each coalescing key, up to a number of keys. */
export class CoalescingBuffer<T> {
  readonly #items = new Map<string, T>()
  readonly #counts: { ephemeralDropped: number }

  constructor(counts: { ephemeralDropped: number }) {
    this.#counts = counts
  }

  /** Drops the item that a later one replaces. */
  drop(key: string): void {
    if (this.#items.delete(key)) this.#counts.ephemeralDropped++
  }

  set(key: string, item: T): void {
    this.drop(key)
    this.#items.set(key, item)
    if (this.#items.size > LIMIT) this.drop(this.#items.keys().next().value as string)
  }

  /** Removes and returns all of them, in order. */
  take(): [key: string, item: T][] {
    const items = [...this.#items]
    this.#items.clear()
    return items
  }
}
