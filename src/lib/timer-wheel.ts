/** An action at a time, unless it is cancelled before. */
export interface Deadline {
  cancel(): void
}

export interface TimerWheel {
  /** Calls `due` when `Date.now()` has reached `at`, never before, at most two ticks late; it must not throw. */
  at(at: number, due: () => void): Deadline
  stop(): void
}

/**
 * One timer for any number of deadlines, which are grouped into slots of `tickMs`. The timer runs only while there are
 * deadlines, and does not keep the process alive.
 */
export function createTimerWheel(tickMs = 50): TimerWheel {
  const slots = new Map<number, Set<Entry>>()
  let timer: NodeJS.Timeout | undefined
  let nextSlot = 0

  class Entry implements Deadline {
    readonly slot: number
    readonly due: () => void

    constructor(slot: number, due: () => void) {
      this.slot = slot
      this.due = due
    }

    cancel(): void {
      const entries = slots.get(this.slot)
      if (entries?.delete(this) && entries.size === 0) slots.delete(this.slot)
    }
  }

  function turn(): void {
    const now = Math.floor(Date.now() / tickMs)
    // After a jump of the clock (a suspended machine) slots are sparse: iterate over the existing ones instead.
    const due =
      now - nextSlot > slots.size ? [...slots.keys()].filter((slot) => slot < now).sort((a, b) => a - b) : range(nextSlot, now)
    nextSlot = now
    for (const slot of due) {
      const entries = slots.get(slot)
      if (!entries) continue
      // In place, so that one of them can still cancel another.
      for (const entry of entries) {
        entries.delete(entry)
        entry.due()
      }
      slots.delete(slot)
    }
    if (slots.size === 0 && timer) {
      clearInterval(timer)
      timer = undefined
    }
  }

  return {
    at(at, due) {
      if (!timer) {
        nextSlot = Math.floor(Date.now() / tickMs)
        timer = setInterval(turn, tickMs)
        timer.unref()
      }
      const slot = Math.max(Math.floor(at / tickMs), nextSlot)
      const entry = new Entry(slot, due)
      const entries = slots.get(slot)
      if (entries) entries.add(entry)
      else slots.set(slot, new Set([entry]))
      return entry
    },
    stop() {
      clearInterval(timer)
      timer = undefined
      slots.clear()
    },
  }
}

function* range(from: number, to: number): Generator<number> {
  for (let slot = from; slot < to; slot++) yield slot
}
