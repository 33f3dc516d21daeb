import { runIsolated, type BatchSink } from './batch-loader.ts'
import { ChatError } from '../errors.ts'

export interface WriteQueueOptions<I, O> {
  /** Writes a batch in one statement, all or nothing; results in the order of the inputs. */
  write: (batch: readonly I[]) => Promise<readonly O[]>
  /** Called with each batch's results before the callers continue; must not throw. */
  onWritten: (results: readonly O[]) => void
  /** Inputs of one lane keep their order. */
  laneOf: (input: I) => number
  /** Inputs with the same key never share a batch; null for none. */
  keyOf: (input: I) => string | null
  /** How many statements may be in flight. */
  lanes: number
  /** The largest batch: how many inputs, and the sum of their sizes, which one input alone may exceed. */
  limit: number
  sizeLimit: number
  sizeOf: (input: I) => number
  /** How many inputs may be queued; more are rejected with UNAVAILABLE. */
  capacity: number
}

/** The part of a batch that one lane gets while others wait too. */
const SHARE = 1 / 4
/** How many of those that wait a batch is chosen from. */
const LOOKED_AT = 4096

interface Waiting<I, O> {
  input: I
  resolve: (result: O) => void
  reject: (error: unknown) => void
}

/**
 * Micro-batches: a batch is what was queued while the lane's last statement ran; no timer is involved. A failed batch is
 * searched for the bad input, which fails alone.
 */
export function createWriteQueue<I, O>(options: WriteQueueOptions<I, O>): { add(input: I): Promise<O>; idle(): Promise<void> } {
  const lanes = Array.from({ length: options.lanes }, () => ({
    waiting: [] as Waiting<I, O>[],
    running: undefined as Promise<void> | undefined,
  }))
  let waiting = 0

  /**
   * The next batch: first of each lane up to its share, so that one who sends much holds up nobody else, then whatever is next. One whose
   * key is in the batch already stays, with those behind it in its lane.
   */
  function take(queue: Waiting<I, O>[]): Waiting<I, O>[] {
    const { limit, sizeLimit, sizeOf, laneOf, keyOf } = options
    const batch: Waiting<I, O>[] = []
    const keys = new Set<string>()
    let left = queue.splice(0, LOOKED_AT)
    let size = 0
    for (const share of [SHARE, Infinity]) {
      const used = new Map<number, number>()
      const held = new Set<number>()
      left = left.filter((one) => {
        const lane = laneOf(one.input)
        if (held.has(lane)) return true
        const own = sizeOf(one.input)
        const key = keyOf(one.input)
        const before = used.get(lane)
        const part = (before ?? 0) + Math.max(1 / limit, own / sizeLimit)
        const isFull = batch.length === limit || (batch.length > 0 && size + own > sizeLimit)
        if (isFull || (key !== null && keys.has(key)) || (before !== undefined && part > share)) {
          held.add(lane)
          return true
        }
        if (key !== null) keys.add(key)
        used.set(lane, part)
        size += own
        batch.push(one)
        return false
      })
      if (left.length === 0) return batch
    }
    queue.unshift(...left)
    return batch
  }

  const writePart = (part: readonly Waiting<I, O>[]): Promise<readonly O[]> => options.write(part.map(({ input }) => input))

  const sink: BatchSink<Waiting<I, O>, O> = {
    values(part, results) {
      try {
        options.onWritten(results)
      } catch (error) {
        // A bug, and stored inputs must not be written again: the lane continues, and the error is reported.
        queueMicrotask(() => {
          throw error
        })
      }
      part.forEach(({ resolve }, index) => resolve(results[index] as O))
    },
    failed(part, error) {
      for (const { reject } of part) reject(error)
    },
  }

  async function run(lane: (typeof lanes)[number]): Promise<void> {
    // Inputs of one turn of the event loop go together.
    await new Promise(setImmediate)
    while (lane.waiting.length > 0) {
      const batch = take(lane.waiting)
      await runIsolated(batch, writePart, sink)
      waiting -= batch.length
    }
    lane.running = undefined
  }

  return {
    add(input) {
      if (waiting >= options.capacity)
        return Promise.reject(new ChatError('UNAVAILABLE', 'too many writes are waiting; nothing was stored, try again'))
      waiting++
      const lane = lanes[options.laneOf(input) % lanes.length] as (typeof lanes)[number]
      return new Promise((resolve, reject) => {
        lane.waiting.push({ input, resolve, reject })
        lane.running ??= run(lane)
      })
    },
    /** Resolves when everything added so far is written. */
    async idle() {
      await Promise.all(lanes.flatMap(({ running }) => running ?? []))
    },
  }
}
