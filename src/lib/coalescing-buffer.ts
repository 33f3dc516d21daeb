/** More users than anybody looks at who type or come and go. */
const LIMIT = 1000

/** What is not kept and found no room at a slow client: the latest word for each key, and of so many keys. */
export class LatestWords<T> {
  readonly #words = new Map<string, T>()
  readonly #counts: { unkeptDropped: number }

  constructor(counts: { unkeptDropped: number }) {
    this.#counts = counts
  }

  /** Forgets the word that a later one replaces. */
  drop(key: string): void {
    if (this.#words.delete(key)) this.#counts.unkeptDropped++
  }

  set(key: string, word: T): void {
    this.drop(key)
    this.#words.set(key, word)
    if (this.#words.size > LIMIT) this.drop(this.#words.keys().next().value as string)
  }

  /** All of them in their order, which are no longer here then. */
  take(): [key: string, word: T][] {
    const words = [...this.#words]
    this.#words.clear()
    return words
  }
}
