/**
 * The virtual clock and the scheduler of a simulation. It replaces the process's timers, clocks and randomness, so it must be the first
 * thing that is imported: what the product takes from `node:timers/promises` or `node:crypto` is replaced too.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'

const real = { setImmediate, Date, setTimeout }

/** Runs what waits for this step: ticks and microtasks. A turn of the event loop does so, too, and takes more than most steps. */
const drain = (process as unknown as { _tickCallback: () => void })._tickCallback

/** Pseudo-random numbers in [0, 1) that a seed repeats (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A process of the cluster: a node, a client, the database. What it waits for is dropped when it has died. */
export interface Owner {
  readonly name: string
  /** How far its clock is ahead of the true time, in milliseconds. */
  offset: number
  isDead: boolean
}

export const owner = (name: string, offset = 0): Owner => ({ name, offset, isDead: false })

interface Task {
  at: number
  order: number
  owner: Owner | undefined
  run: () => void
  /** Of a timer that repeats. */
  everyMs: number | undefined
  isCancelled: boolean
}

/** The time at which every simulation begins: 2026-01-01. */
const EPOCH = 1_767_225_600_000
/** How often an event of the near future comes before what this turn of the event loop still has to do. */
const OVERTAKES = 0.1
const NEAR_MS = 1

/** One run: its time, its tasks and its randomness. */
export class World {
  readonly random: () => number
  /** True time since the beginning, in milliseconds. */
  now = 0
  /** Who runs. */
  owner: Owner | undefined
  steps = 0
  /** Called with what nobody catches, which would end a process. */
  failed = (error: unknown): void => {
    throw error
  }
  #order = 0
  #heap: Task[] = []
  #immediates: Task[] = []
  #nextImmediate = 0

  constructor(seed: number) {
    this.random = createRandom(seed)
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  /** Calls `run` as `who` after `ms` milliseconds. */
  after(ms: number, who: Owner | undefined, run: () => void): Task {
    return this.#add(ms, who, run, undefined)
  }

  /** Resolves as `who` after `ms` milliseconds; never for one who has died. */
  sleep(ms: number, who = this.owner): Promise<void> {
    return new Promise((resolve) => this.after(ms, who, resolve))
  }

  timer(ms: unknown, run: () => void, repeats: boolean): Task {
    const wait = Math.max(1, Number(ms) || 0)
    return this.#add(wait, this.owner, run, repeats ? wait : undefined)
  }

  immediate(run: () => void): Task {
    const task = { at: this.now, order: 0, owner: this.owner, run, everyMs: undefined, isCancelled: false }
    this.#immediates.push(task)
    return task
  }

  /** What a clock of the running process shows, in milliseconds since the epoch. */
  date(): number {
    return Math.floor(EPOCH + this.now + (this.owner?.offset ?? 0))
  }

  /** Calls `run` as `who`, now. */
  as<T>(who: Owner | undefined, run: () => T): T {
    const before = this.owner
    this.owner = who
    try {
      return run()
    } finally {
      this.owner = before
    }
  }

  /** Runs one step after the other until `until`; each with all that follows from it without waiting. */
  async run(until: number): Promise<void> {
    // Not as a microtask, inside of which no others are run.
    await new Promise(real.setImmediate)
    await new Promise<void>((resolve, reject) =>
      real.setImmediate(() => {
        try {
          while (this.#try(until)) this.steps++
          this.now = Math.max(this.now, until)
          resolve()
        } catch (error) {
          reject(error as Error)
        }
      }),
    )
  }

  #try(until: number): boolean {
    try {
      const isDone = this.#step(until)
      drain()
      return isDone
    } catch (error) {
      this.failed(error)
      return true
    }
  }

  #step(until: number): boolean {
    const hasImmediate = this.#nextImmediate < this.#immediates.length
    const next = this.#heap[0]
    if (hasImmediate) {
      const overtaken = next !== undefined && next.at <= this.now + NEAR_MS && this.chance(OVERTAKES)
      if (!overtaken) return this.#runImmediate()
    }
    if (!next || next.at > until) return hasImmediate ? this.#runImmediate() : false
    this.#pop()
    this.now = Math.max(this.now, next.at)
    if (next.isCancelled || next.owner?.isDead) return true
    if (next.everyMs !== undefined) this.#push({ ...next, at: this.now + next.everyMs, order: this.#order++ }, next)
    // Also for what follows from it before the next step.
    this.owner = next.owner
    next.run()
    return true
  }

  /** Shared by the nodes of this process as its event loop is: also what one of them left behind has to be run. */
  #runImmediate(): boolean {
    const task = this.#immediates[this.#nextImmediate++] as Task
    if (this.#nextImmediate === this.#immediates.length) {
      this.#immediates = []
      this.#nextImmediate = 0
    }
    this.owner = task.owner
    if (!task.isCancelled) task.run()
    return true
  }

  #add(ms: number, who: Owner | undefined, run: () => void, everyMs: number | undefined): Task {
    const task = { at: this.now + ms, order: this.#order++, owner: who, run, everyMs, isCancelled: false }
    this.#push(task, undefined)
    return task
  }

  /** `repeats`: the task whose next turn this is, which is what its owner holds to cancel it. */
  #push(task: Task, repeats: Task | undefined): void {
    const entry = repeats ? Object.assign(repeats, task) : task
    const heap = this.#heap
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, heap[parent] as Task)) break
      heap[index] = heap[parent] as Task
      index = parent
    }
    heap[index] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Task
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++
      if (!isBefore(heap[child] as Task, last)) break
      heap[index] = heap[child] as Task
      index = child
    }
    heap[index] = last
  }
}

const isBefore = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

let world = new World(0)

/** The one that timers, clocks and randomness belong to now. */
export const currentWorld = (): World => world
export function enterWorld(next: World): void {
  world = next
}

class VirtualDate extends real.Date {
  constructor(...values: []) {
    if (values.length === 0) super(world.date())
    else super(...values)
  }

  static override now(): number {
    return world.date()
  }
}

/** What a timer function returns: Node's has these members. */
class Timer {
  readonly task: Task
  constructor(task: Task) {
    this.task = task
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
}

const clear = (timer: unknown): void => {
  if (timer instanceof Timer) timer.task.isCancelled = true
}
const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => world.below(256))
const uuid = (): string =>
  Buffer.from(bytes(16))
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

type Callback = (...values: unknown[]) => void

/** Replaces what tells the time, waits, or is random, for the rest of this process. */
function install(): void {
  const wait = (ms: unknown, value: unknown): Promise<unknown> =>
    new Promise((resolve) => world.timer(ms, () => resolve(value), false))
  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: (run: Callback, ms?: unknown, ...values: unknown[]) => new Timer(world.timer(ms, () => run(...values), false)),
    setInterval: (run: Callback, ms?: unknown, ...values: unknown[]) => new Timer(world.timer(ms, () => run(...values), true)),
    setImmediate: (run: Callback, ...values: unknown[]) => new Timer(world.immediate(() => run(...values))),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  })
  performance.now = () => world.now
  Math.random = () => world.random()
  globalThis.crypto.getRandomValues = <T extends ArrayBufferView | null>(array: T): T => {
    if (array instanceof Uint8Array) array.set(bytes(array.length))
    return array
  }
  Object.assign(timersPromises, {
    setTimeout: wait,
    setImmediate: (value?: unknown) => new Promise((resolve) => world.immediate(() => resolve(value))),
  })
  Object.assign(crypto, { randomUUID: uuid })
  syncBuiltinESMExports()
  process.on('unhandledRejection', (error) => world.failed(error))
}

install()
