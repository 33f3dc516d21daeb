import type { LogPosition, TopicRange } from '../store/event-log.ts'

/** The parts of `wanted` that are in none of `delivered`, in order. */
export function missing(wanted: TopicRange, delivered: readonly TopicRange[]): TopicRange[] {
  let parts: TopicRange[] = wanted.after < wanted.until ? [wanted] : []
  for (const { topic, after, until } of delivered) {
    if (topic !== wanted.topic) continue
    parts = parts
      .flatMap((part) => [
        { ...part, until: Math.min(part.until, after) },
        { ...part, after: Math.max(part.after, until) },
      ])
      .filter((part) => part.after < part.until)
  }
  return parts
}

/** The `seq` of each topic after which to read again, how many events that gives at most, and whether it is complete. */
export interface Overlap {
  starts: ReadonlyMap<string, number>
  count: number
  isWhole: boolean
}

export const NO_OVERLAP: Overlap = { starts: new Map(), count: 0, isWhole: true }

/**
 * What the event `after` may have overtaken on its way to a client: of the newest entries up to it, oldest first, those in
 * other topics than its own that were logged less than `overlapMs` before it. There may be more if there are more entries than
 * `limit`.
 */
export function overlapOf(
  entries: readonly LogPosition[],
  { after, overlapMs, limit }: { after: number; overlapMs: number; limit: number },
): Overlap {
  const cursors = entries.filter(({ id }) => id === after)
  // Retention removed it, or it is of a topic that is not the user's: what it overtook is unknown.
  const at = cursors[0]?.at
  if (at === undefined) return NO_OVERLAP
  const since = at - overlapMs
  const inOrder = new Set(cursors.map(({ topic }) => topic))
  const starts = new Map<string, number>()
  for (const { topic, seq, at: loggedAt } of entries) {
    if (loggedAt > since && !inOrder.has(topic) && !starts.has(topic)) starts.set(topic, seq - 1)
  }
  return {
    starts,
    count: entries.filter(({ topic, seq }) => seq > (starts.get(topic) ?? Infinity)).length,
    isWhole: entries.length <= limit || (entries[0] as LogPosition).at <= since,
  }
}
