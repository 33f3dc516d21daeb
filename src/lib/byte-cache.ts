/** What was used last, by text, as far as a number of bytes goes. */
export interface ByteCache<V> {
  get(key: string): V | undefined
  /** `bytes` is what key and value hold in memory, about. */
  set(key: string, value: V, bytes: number): void
  /** What all that is kept holds. */
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
        // A Map keeps the order of insertion: the first is the one used longest ago.
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
