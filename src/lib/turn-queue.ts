export interface TurnQueueOptions<T> {
  /** How long it serves in each turn of the event loop, in milliseconds. */
  turnMs: number
  /** Must not throw. */
  serve: (item: T) => void
  /** What a turn adds goes before all that waits if it is so little; 0 if absent: everything in its order. */
  few?: number
  /** The clock is read once for so many items; 1 if absent. */
  itemsPerCheck?: number
  /** Called after each turn's part. */
  onTurnEnd?: () => void
}

/**
 * Serves what a turn of the event loop adds at the end of that turn. Where it is too much for one turn, others have theirs in between: what
 * is left waits for the next turns.
 */
export class TurnQueue<T> {
  /** From `#next` on; what this turn adds begins at `#added`. */
  #waiting: T[] = []
  #next = 0
  #added = 0
  readonly #options: Required<TurnQueueOptions<T>>
  #isScheduled = false

  constructor({ few = 0, itemsPerCheck = 1, onTurnEnd = () => undefined, ...options }: TurnQueueOptions<T>) {
    this.#options = { few, itemsPerCheck, onTurnEnd, ...options }
  }

  add(item: T): void {
    this.#waiting.push(item)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    const { turnMs, serve, few, itemsPerCheck, onTurnEnd } = this.#options
    const until = performance.now() + turnMs
    if (this.#waiting.length - this.#added <= few) for (const item of this.#waiting.splice(this.#added)) serve(item)
    while (this.#next < this.#waiting.length) {
      serve(this.#waiting[this.#next++] as T)
      if (this.#next % itemsPerCheck === 0 && performance.now() >= until) break
    }
    onTurnEnd()
    this.#waiting = this.#next === this.#waiting.length ? [] : this.#waiting.slice(this.#next)
    this.#next = 0
    this.#added = this.#waiting.length
    this.#isScheduled = this.#added > 0
    if (this.#isScheduled) setImmediate(this.#nextTurn)
  }
}
