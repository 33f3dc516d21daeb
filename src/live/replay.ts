import { forFormerMember } from '../chat/access.ts'
import type { ChatEvent } from '../chat/events.ts'
import type { EventCursor } from '../ids.ts'
import type { Counts } from '../telemetry/counters.ts'
import type { Memberships } from '../store/conversations.ts'
import { rangesAfter, type CursorPositions, type EventLog, type LogEntry, type TopicRange } from '../store/event-log.ts'
import { within } from '../lib/within.ts'
import { matching, type Checkpoints, type SavedCheckpoints } from './checkpoints.ts'
import { loggedEvent } from './hints.ts'
import { NO_OVERLAP, overlapOf, type Overlap } from './ranges.ts'
import { cutReplay, eventIdOf, planReplay, type ReplayStart } from './replay-plan.ts'
import type { Replays } from './replays.ts'

/**
 * The result of a resume. `complete` is false if events were missed that could not be replayed (docs/protocol.md, section 6).
 */
export interface Replay {
  replayed: number
  complete: boolean
}

/** `begin` is called before the first replayed event, `done` between the last and the first live one. */
export interface ResumeHooks {
  begin?: (start: ReplayStart) => void
  done?: (replay: Replay) => void
  /**
   * Which of the events already delivered by the feed are delivered again: a transport may have withheld them. None if absent.
   */
  again?: ((event: ChatEvent) => boolean) | undefined
}

/** What all replays have in common. */
export interface ReplayParts {
  log: EventLog
  /** The memberships of one user; calls of one turn are batched. */
  loadMemberships: (userId: number) => Promise<Memberships>
  resumeLimit: number
  /**
   * How long an event may be on its way to a node while the event of another topic overtakes it, in milliseconds: the longest
   * time between two position checks plus the longest transaction. A client cut off in between has a cursor behind an event
   * that it never received, so a resume delivers such events again. 0 if events arrive in the order of their commits.
   */
  overlapMs: number
  counts: Counts
  checkpoints?: Checkpoints | undefined
  replays: Replays
}

/** The feed that a replay is for. */
export interface ReplayTarget {
  readonly userId: number
  /** The key that its checkpoints are matched by. */
  readonly scopeName: string
  /** The name under which its checkpoint is expected. */
  readonly connectionName: string
  isClosed(): boolean
  /** What is the user's in the feed's scope. A membership whose start is still to be delivered is left to that event. */
  rangesOf(memberships: Memberships): TopicRange[]
  /** Suppresses live events up to these `seq`: the node may be behind what the client has seen. */
  leaveOut(starts: ReadonlyMap<string, number>): void
  /** What the feed has delivered; open ends are current memberships. */
  delivered(): TopicRange[]
  addDelivered(range: TopicRange): void
  /** `isFormer` is set for an event of an ended membership. */
  deliver(event: ChatEvent, position: { topic: string; seq: number }, isFormer: boolean): void
  /** Resolves when its reader has room for more; undefined if it has now. */
  ready(): Promise<void> | undefined
  /** Resolves when all events so far were passed on; undefined if they were. */
  settled(): Promise<void> | undefined
}

/** How many log entries a replay reads at once. */
const SLICE_ENTRIES = 100
/** How long a replay delivers before it yields to others, in milliseconds. */
const SLICE_MS = 5
/** How long a replay may take to begin, in milliseconds. */
const BEGIN_MS = 5000

const NONE_SAVED: SavedCheckpoints = { checkpoints: [], open: [], isWhole: false }

/** What a replay delivers, and how its turn among the user's replays ends. */
interface PlannedReplay {
  ranges: readonly TopicRange[]
  memberships: Pick<Memberships, 'groups' | 'former'>
  start: ReplayStart
  release: () => void
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Delivers what a feed missed after a cursor, oldest first, at the pace of its reader. */
export async function replay(
  parts: ReplayParts,
  target: ReplayTarget,
  after: EventCursor,
  { begin, done }: ResumeHooks,
): Promise<void> {
  if (target.isClosed()) return
  const { counts, replays, log } = parts
  const planned = await within(BEGIN_MS, 'reading what was missed', planInTurn(parts, target, after), ({ release }) => release())
  let { release } = planned
  let rest = planned.ranges
  let replayed = 0
  try {
    if (target.isClosed()) return
    begin?.(planned.start)
    for (let isDone = rest.length === 0; !isDone && !target.isClosed();) {
      const room = target.ready()
      if (room) {
        // A reader that has stopped reading must not block the user's other connections.
        release()
        await room
        release = await replays.acquire(target.userId)
      }
      const { entries, isLast } = await log.oldest(rest, SLICE_ENTRIES)
      const delivered = await deliverSlice(parts, target, entries, planned.memberships)
      replayed += delivered
      rest = rangesAfter(rest, entries.slice(0, delivered))
      isDone = isLast && delivered === entries.length
      await nextTurn()
    }
  } finally {
    release()
    planned.ranges.forEach(({ topic, after: from }, index) => {
      const until = (rest[index] as TopicRange).after
      if (until > from) target.addDelivered({ topic, after: from, until })
    })
  }
  if (target.isClosed()) return
  counts.replayed += replayed
  const { complete } = planned.start
  counts.replays[complete ? 'complete' : 'incomplete']++
  done?.({ replayed, complete })
}

/** Delivers entries while the reader has room, at least one; returns how many. */
async function deliverSlice(
  { counts }: ReplayParts,
  target: ReplayTarget,
  entries: readonly LogEntry[],
  { groups, former }: PlannedReplay['memberships'],
): Promise<number> {
  let began = performance.now()
  let delivered = 0
  for (const { topic, seq, event } of entries) {
    if (target.isClosed() || (delivered > 0 && target.ready())) break
    const logged = loggedEvent(event, counts)
    const ended = former.find((each) => each.topic === topic && seq > each.sinceSeq && seq <= each.untilSeq)
    target.deliver(ended ? forFormerMember(logged, ended, groups) : logged, { topic, seq }, ended !== undefined)
    delivered++
    const settled = target.settled()
    if (settled) await settled
    if (performance.now() - began > SLICE_MS) {
      await nextTurn()
      began = performance.now()
    }
  }
  return delivered
}

/** Plans a replay once the user's earlier replays have ended. */
async function planInTurn(parts: ReplayParts, target: ReplayTarget, after: EventCursor): Promise<PlannedReplay> {
  const { replays } = parts
  const release = await replays.acquire(target.userId)
  try {
    if (target.isClosed()) return { ranges: [], memberships: { groups: [], former: [] }, start: { complete: true }, release }
    replays.check(target.userId)
    return { ...(await plan(parts, target, after)), release }
  } catch (error) {
    release()
    throw error
  }
}

/** Reads the inputs of a plan, and plans. */
async function plan(parts: ReplayParts, target: ReplayTarget, cursor: EventCursor): Promise<Omit<PlannedReplay, 'release'>> {
  const { log, loadMemberships, resumeLimit, replays } = parts
  const loaded = await loadMemberships(target.userId)
  const memberships = target.rangesOf(loaded)
  const positions = await log.positionsAfter(cursor, [...new Set(memberships.map(({ topic }) => topic))])
  const id = eventIdOf(cursor)
  const saved = parts.checkpoints && id > 0 ? await parts.checkpoints.load(target.userId) : NONE_SAVED
  const connection = { scope: target.scopeName, connection: target.connectionName, cursor: id }
  const { checkpoints, hasItsOwn } = matching(saved, connection)
  const isUnsure = positions.known && !hasItsOwn
  const overlap = isUnsure ? await readOverlap(parts, id, memberships, positions) : NO_OVERLAP
  const planned = planReplay({ cursor, memberships, positions, checkpoints, overlap, delivered: target.delivered() })
  target.leaveOut(planned.starts)
  const limit = resumeLimit + overlap.count
  const newest = planned.ranges.length > 0 ? await log.newest(planned.ranges, limit + 1) : []
  // A replay that delivers nothing has a cost too.
  replays.charge(target.userId, Math.min(newest.length, limit) + resumeLimit / 50)
  return { ...cutReplay(planned, newest, limit), memberships: loaded }
}

/** Where to read topics again, since the event `after` may have overtaken some of their events: see `overlapMs`. */
async function readOverlap(
  { log, overlapMs, resumeLimit }: ReplayParts,
  after: number,
  memberships: readonly TopicRange[],
  { positions }: CursorPositions,
): Promise<Overlap> {
  if (overlapMs === 0 || after === 0) return NO_OVERLAP
  const before = memberships.flatMap((membership) => {
    const until = Math.min(membership.until, positions.get(membership.topic)?.seq ?? 0)
    return membership.after < until ? [{ ...membership, until }] : []
  })
  if (before.length === 0) return NO_OVERLAP
  return overlapOf(await log.newest(before, resumeLimit + 1), { after, overlapMs, limit: resumeLimit })
}
