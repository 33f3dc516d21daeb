import type { EventCursor } from '../ids.ts'
import type { CursorPositions, LogPosition, TopicRange } from '../store/event-log.ts'
import { deliveredUntil, type Checkpoint } from './checkpoints.ts'
import { missing, type Overlap } from './ranges.ts'

/** All inputs that decide what a replay delivers. */
export interface ReplayInput {
  cursor: EventCursor
  /** What is the user's within the scope of the feed: for each topic the range from the start of a membership to its end. */
  memberships: readonly TopicRange[]
  positions: CursorPositions
  /** Of connections that a client with this cursor may have had. */
  checkpoints: readonly Checkpoint[]
  /** What the cursor's event may have overtaken. */
  overlap: Overlap
  /** What this feed has delivered already. */
  delivered: readonly TopicRange[]
}

/**
 * A replay delivers the entries of these ranges. `complete` is false if events were missed that are not among them. `starts` has for
 * each topic of a current membership the `seq` up to which the client has its events.
 */
export interface ReplayPlan {
  ranges: readonly TopicRange[]
  complete: boolean
  starts: ReadonlyMap<string, number>
}

/**
 * Where a stream continues if it can't replay everything: after an event, before transactions, or where the feed was opened.
 */
export type GoesOnAfter = { kind: 'event'; id: number } | { kind: 'transactions'; xid: number } | { kind: 'opening' }
export type ReplayStart = { complete: true } | { complete: false; goesOnAfter: GoesOnAfter }

/**
 * The id of a cursor that is an event; 0 for a snapshot, which has a known position in each topic, regardless of the order of
 * deliveries.
 */
export const eventIdOf = (cursor: EventCursor): number => (typeof cursor === 'number' ? cursor : 0)

/** The `seq` of a membership's topic up to which the client has its events. */
function startOf(membership: TopicRange, { cursor, positions, checkpoints, overlap }: ReplayInput): number {
  const logged = positions.positions.get(membership.topic)?.seq ?? 0
  const seqs = checkpoints.map((checkpoint) => deliveredUntil(checkpoint, membership, eventIdOf(cursor)))
  const position = Math.min(overlap.starts.get(membership.topic) ?? logged, ...seqs)
  return Math.max(membership.after, position)
}

/** What was missed after a cursor. */
export function planReplay(input: ReplayInput): ReplayPlan {
  const { memberships, positions, overlap, delivered } = input
  const isSwept = memberships.some(({ topic, after }) => {
    const position = positions.positions.get(topic)
    return position?.isSwept && position.sweptSeq > after
  })
  const complete = positions.known && !isSwept && overlap.isWhole
  if (!positions.known) return { ranges: [], complete, starts: new Map() }
  const starts = new Map<string, number>()
  const ranges = memberships.flatMap((membership) => {
    const start = startOf(membership, input)
    if (membership.until === Infinity) starts.set(membership.topic, start)
    return missing({ ...membership, after: start }, delivered)
  })
  return { ranges, complete, starts }
}

/**
 * Cuts a plan to its newest `limit` entries. `newest` are the newest of its ranges, oldest first, one more than the limit if
 * there are as many; the ranges end at the last of them, later entries come live.
 */
export function cutReplay(
  { ranges, complete }: Pick<ReplayPlan, 'ranges' | 'complete'>,
  newest: readonly LogPosition[],
  limit: number,
): { ranges: readonly TopicRange[]; start: ReplayStart } {
  const isTooMuch = newest.length > limit
  const leftOut = isTooMuch ? newest[0] : undefined
  const newestFitting = isTooMuch ? newest.slice(1) : newest
  return {
    ranges: ranges.flatMap((range) => {
      const inRange = newestFitting.filter(({ topic, seq }) => topic === range.topic && seq > range.after && seq <= range.until)
      const [first, last] = [inRange[0], inRange.at(-1)]
      return first && last ? [{ ...range, after: isTooMuch ? first.seq - 1 : range.after, until: last.seq }] : []
    }),
    start: complete && !isTooMuch ? { complete: true } : { complete: false, goesOnAfter: goesOnAfter(leftOut, newestFitting) },
  }
}

/** Where an incomplete replay begins: behind the last event that it omits, if there is room for only a part. */
function goesOnAfter(leftOut: LogPosition | undefined, newestFitting: readonly LogPosition[]): GoesOnAfter {
  if (leftOut) return { kind: 'event', id: leftOut.id }
  if (newestFitting.length === 0) return { kind: 'opening' }
  return { kind: 'transactions', xid: Math.min(...newestFitting.map(({ xid }) => xid)) }
}
