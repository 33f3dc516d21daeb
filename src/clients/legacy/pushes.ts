/** Pushes on their way to who reads them: each once, in order, and the id to resume after. */
import type { PushFrame, ResponseFrame } from '../../legacy-protocol/frames.ts'

/** `resume` comes where `complete` is false: events were missed that the server can't give, load history. */
export type Incoming = PushFrame | ResponseFrame<'resume'>

/** How many ids are remembered to drop repeats; a replay reaches back RESUME_LIMIT events, 1000 if not told otherwise. */
const REMEMBERED = 10_000

const ID = /^\d+$/
/** Whether one decimal id is higher than another; they are too big for numbers. What comes after a query's cursor is always further on. */
const isHigher = (a: string, b: string): boolean => !ID.test(b) || (a.length === b.length ? a > b : a.length > b.length)

interface Reader {
  resolve(result: IteratorResult<Incoming, undefined>): void
  reject(error: unknown): void
}

export class Pushes {
  /** The highest id that came with nothing missing before it: what a new connection resumes after. */
  cursor: string | undefined
  /** The highest id that was read. */
  lastRead: string | undefined
  readonly #limit: number
  readonly #onRoom: () => void
  readonly #seen = new Set<string>()
  #queue: Incoming[] = []
  #readers: Reader[] = []
  /** While a replay runs: what came durable, for live events may come before those that were missed. */
  #held: PushFrame[] | undefined
  /** The cursor is not one that the server knows: the next event's id is, though it may be lower. */
  #isCursorVoid = false
  #isLastReadVoid = false
  #isFull = false
  #end: { error?: unknown } | undefined

  /** `onRoom` is called when it was full and no longer is. With a limit of 0 nothing is kept. */
  constructor(limit: number, after: string | undefined, onRoom: () => void) {
    this.#limit = limit
    this.cursor = this.lastRead = after
    this.#onRoom = onRoom
  }

  /** Nothing more should be received until `onRoom`. */
  get isFull(): boolean {
    return this.#isFull
  }

  take(push: PushFrame): void {
    if (this.#limit === 0) return
    if (push.message_id === undefined) {
      // Typing and presence go first when space is short.
      if (this.#queue.length < this.#limit / 2) this.#enqueue(push)
    } else if (this.#held) this.#held.push(push)
    else this.#accept(push, push.message_id)
  }

  /** A resume was asked for: its events and live ones are put into order when it is done. */
  hold(): void {
    this.#held = []
  }

  /** The resume was answered. */
  release(resume: ResponseFrame<'resume'>): void {
    const held = this.#held ?? []
    this.#held = undefined
    if (!resume.data.complete) {
      this.#isCursorVoid = true
      this.#enqueue(resume)
    }
    const events = held.map((push) => ({ push, id: push.message_id as string }))
    events.sort((a, b) => (isHigher(a.id, b.id) ? 1 : -1))
    for (const { push, id } of events) this.#accept(push, id)
  }

  /** The connection broke: what a replay had given so far is given again by the next one. */
  lost(): void {
    this.#held = undefined
  }

  /** No more comes: readers get what is left, then the end. */
  close(error?: unknown): void {
    this.#end = error === undefined ? {} : { error }
    for (const reader of this.#readers.splice(0)) this.#finish(reader)
  }

  /** Reads the one queue; who stops reading leaves the rest to the next. */
  read(): AsyncIterableIterator<Incoming, undefined> {
    const own = new Set<Reader>()
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () =>
        new Promise((resolve, reject) => {
          const push = this.#queue.shift()
          if (push !== undefined) return resolve(this.#give(push))
          const reader: Reader = {
            resolve(result) {
              own.delete(reader)
              resolve(result)
            },
            reject,
          }
          if (this.#end) return this.#finish(reader)
          own.add(reader)
          this.#readers.push(reader)
        }),
      return: () => {
        this.#readers = this.#readers.filter((reader) => !own.has(reader))
        for (const reader of own) reader.resolve({ done: true, value: undefined })
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  #accept(push: PushFrame, id: string): void {
    if (this.#seen.has(id)) return
    this.#seen.add(id)
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break
      this.#seen.delete(oldest)
    }
    if (this.cursor === undefined || this.#isCursorVoid || isHigher(id, this.cursor)) this.cursor = id
    this.#isCursorVoid = false
    this.#enqueue(push)
  }

  #enqueue(push: Incoming): void {
    const reader = this.#readers.shift()
    if (reader) return reader.resolve(this.#give(push))
    this.#queue.push(push)
    if (this.#queue.length >= this.#limit) this.#isFull = true
  }

  #give(push: Incoming): IteratorResult<Incoming, undefined> {
    if (push.type === 'resume') this.#isLastReadVoid = true
    else if (push.message_id !== undefined) {
      const { message_id: id } = push
      if (this.lastRead === undefined || this.#isLastReadVoid || isHigher(id, this.lastRead)) this.lastRead = id
      this.#isLastReadVoid = false
    }
    if (this.#isFull && this.#queue.length <= this.#limit / 2) {
      this.#isFull = false
      this.#onRoom()
    }
    return { done: false, value: push }
  }

  #finish(reader: Reader): void {
    if (this.#end?.error === undefined) reader.resolve({ done: true, value: undefined })
    else reader.reject(this.#end.error)
  }
}
