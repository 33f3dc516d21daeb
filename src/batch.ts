/**
 * Gathers single calls into calls for many: those made at once, or while the last call runs, go together. Never waits
 * for more. `load` returns the results in the order of its keys; its failure is that of each key.
 */
export function createBatchLoader<K, V>(
  load: (keys: readonly K[]) => Promise<readonly V[]>,
  limit = 1000,
): (key: K) => Promise<V> {
  let queue: { key: K; resolve: (value: V) => void; reject: (error: unknown) => void }[] = []
  let running = false

  async function run(): Promise<void> {
    running = true
    await Promise.resolve()
    while (queue.length > 0) {
      const batch = queue.slice(0, limit)
      queue = queue.slice(limit)
      try {
        const values = await load(batch.map(({ key }) => key))
        batch.forEach(({ resolve }, index) => resolve(values[index] as V))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running = false
  }

  return (key) =>
    new Promise((resolve, reject) => {
      queue.push({ key, resolve, reject })
      if (!running) void run()
    })
}
