/** A cache of the values used last, by text, bounded by bytes. */
export interface ByteCache<V> {
  get(key: string): V | undefined
  /** `bytes` is approximately what key and value hold in memory. */
  set(key: string, value: V, bytes: number): void
  /** What all entries hold. */
  readonly bytes: number
}

export function createByteCache<V>(maxBytes: number): ByteCache<V> {
  const entries = new Map<string, { value: V; bytes: number }>()
  let total = 0
  let newest: string | undefined
  return {
    get bytes() {
      return total
    },
    get(key) {
      const found = entries.get(key)
      if (!found) return undefined
      if (key !== newest) {
        // A Map keeps the order of insertion: the first one is the least recently used.
        entries.delete(key)
        entries.set(key, found)
        newest = key
      }
      return found.value
    },
    set(key, value, bytes) {
      total += bytes - (entries.get(key)?.bytes ?? 0)
      entries.delete(key)
      entries.set(key, { value, bytes })
      newest = key
      for (const [oldest, entry] of entries) {
        if (total <= maxBytes) return
        entries.delete(oldest)
        total -= entry.bytes
      }
    },
  }
}
