import { ChatError } from '../errors.ts'

/** Receives the outcomes of the parts of a batch, in the order of its inputs. */
export interface BatchSink<K, V> {
  values(part: readonly K[], values: readonly V[]): void
  failed(part: readonly K[], error: unknown): void
}

/**
 * Runs a batch, all or nothing. If it fails, the bad input is found by halving, and all inputs behind it are retried at once:
 * one bad input among n costs log n calls, not n. If the database does not answer nothing is retried, since what was stored is
 * unknown.
 */
export async function runIsolated<K, V>(
  batch: readonly K[],
  run: (part: readonly K[]) => Promise<readonly V[]>,
  sink: BatchSink<K, V>,
): Promise<void> {
  let start = 0
  /** The inputs from `start` to here failed together. */
  let failedTo = 0
  while (start < batch.length) {
    const suspects = failedTo - start
    const end = suspects > 0 ? start + Math.max(1, suspects >> 1) : batch.length
    const part = batch.slice(start, end)
    let values: readonly V[]
    try {
      values = await run(part)
    } catch (error) {
      if (error instanceof ChatError && error.code === 'UNAVAILABLE') return sink.failed(batch.slice(start), error)
      failedTo = end
      if (part.length === 1) {
        sink.failed(part, error)
        start = end
      }
      continue
    }
    sink.values(part, values)
    start = end
  }
}

/**
 * Batches single calls: those made at once, or while the last batch runs, go together; no timer is involved. `load` returns the
 * results in the order of its keys; a key that can't be loaded fails alone.
 */
export function createBatchLoader<K, V>(
  load: (keys: readonly K[]) => Promise<readonly V[]>,
  limit = 1000,
): (key: K) => Promise<V> {
  interface Call {
    key: K
    resolve: (value: V) => void
    reject: (error: unknown) => void
  }
  let queue: Call[] = []
  let running = false

  const loadPart = async (part: readonly Call[]): Promise<readonly V[]> => await load(part.map(({ key }) => key))
  const sink: BatchSink<Call, V> = {
    values: (part, values) => part.forEach(({ resolve }, index) => resolve(values[index] as V)),
    failed(part, error) {
      for (const { reject } of part) reject(error)
    },
  }

  async function run(): Promise<void> {
    running = true
    await Promise.resolve()
    while (queue.length > 0) {
      const batch = queue.slice(0, limit)
      queue = queue.slice(limit)
      await runIsolated(batch, loadPart, sink)
    }
    running = false
  }

  return (key) =>
    new Promise((resolve, reject) => {
      queue.push({ key, resolve, reject })
      if (!running) void run()
    })
}
