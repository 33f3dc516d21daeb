/** The queue of pushes: each event once, in order, and the id to resume after. */
import type { PushFrame, ResponseFrame } from '../../legacy-protocol/frames.ts'

/** `resume` occurs if `complete` is false: missed events are no longer available; load history. */
export type Incoming = PushFrame | ResponseFrame<'resume'>

/** How many ids are remembered to drop duplicates; a replay reaches back RESUME_LIMIT events, 1000 by default. */
const REMEMBERED = 10_000

const ID = /^\d+$/
/**
 * Whether one decimal id is higher than another; they may exceed the safe integers. What comes after a query's cursor is always
 * higher.
 */
const isHigher = (a: string, b: string): boolean => !ID.test(b) || (a.length === b.length ? a > b : a.length > b.length)

interface Reader {
  resolve(result: IteratorResult<Incoming, undefined>): void
  reject(error: unknown): void
}

export class Pushes {
  /** The highest id that was received without a gap before it: what a new connection resumes after. */
  cursor: string | undefined
  /** The highest id that was read. */
  lastRead: string | undefined
  readonly #limit: number
  readonly #onRoom: () => void
  readonly #seen = new Set<string>()
  #queue: Incoming[] = []
  #readers: Reader[] = []
  /** During a replay: durable events received live, which may come before the missed ones. */
  #buffered: PushFrame[] | undefined
  /** The cursor was unknown to the server: the next event's id is known to it, though it may be lower. */
  #isCursorVoid = false
  #isLastReadVoid = false
  #isFull = false
  #end: { error?: unknown } | undefined

  /** `onRoom` is called when the queue was full and no longer is. With a limit of 0 nothing is queued. */
  constructor(limit: number, after: string | undefined, onRoom: () => void) {
    this.#limit = limit
    this.cursor = this.lastRead = after
    this.#onRoom = onRoom
  }

  /** Stop receiving until `onRoom`. */
  get isFull(): boolean {
    return this.#isFull
  }

  take(push: PushFrame): void {
    if (this.#limit === 0) return
    if (push.message_id === undefined) {
      // Typing and presence are dropped first when space is short.
      if (this.#queue.length < this.#limit / 2) this.#enqueue(push)
    } else if (this.#buffered) this.#buffered.push(push)
    else this.#accept(push, push.message_id)
  }

  /** A resume was requested: its events and live ones are sorted when it is done. */
  startReplay(): void {
    this.#buffered = []
  }

  /** The resume was answered. */
  release(resume: ResponseFrame<'resume'>): void {
    const buffered = this.#buffered ?? []
    this.#buffered = undefined
    if (!resume.data.complete) {
      this.#isCursorVoid = true
      this.#enqueue(resume)
    }
    const events = buffered.map((push) => ({ push, id: push.message_id as string }))
    events.sort((a, b) => (isHigher(a.id, b.id) ? 1 : -1))
    for (const { push, id } of events) this.#accept(push, id)
  }

  /** The connection broke: the next replay repeats what this one has delivered so far. */
  lost(): void {
    this.#buffered = undefined
  }

  /** No more events follow: readers get the rest of the queue, then the end. */
  close(error?: unknown): void {
    this.#end = error === undefined ? {} : { error }
    for (const reader of this.#readers.splice(0)) this.#finish(reader)
  }

  /** Reads the one queue; a reader that stops leaves the rest to the next. */
  read(): AsyncIterableIterator<Incoming, undefined> {
    const own = new Set<Reader>()
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () =>
        new Promise((resolve, reject) => {
          const push = this.#queue.shift()
          if (push !== undefined) return resolve(this.#deliver(push))
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
    if (reader) return reader.resolve(this.#deliver(push))
    this.#queue.push(push)
    if (this.#queue.length >= this.#limit) this.#isFull = true
  }

  #deliver(push: Incoming): IteratorResult<Incoming, undefined> {
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
