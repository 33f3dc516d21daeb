import {
  asChatEvent,
  closingOf,
  groupTopic,
  openingOf,
  userTopic,
  type ChatEvent,
  type DurableEvent,
  type EphemeralEvent,
} from '../chat/events.ts'
import { createCounts, type Counts } from '../telemetry/counters.ts'
import { notFound } from '../errors.ts'
import type { EventCursor } from '../ids.ts'
import type { Circle } from '../store/conversations.ts'
import { rangesAfter, type EventLog, type LogEntry, type LogPosition, type TopicRange } from '../store/event-log.ts'
import { within } from '../lib/within.ts'
import { CheckpointRecorder, matching, seqOf, stretchKey, WHOLE, type Checkpoints } from './checkpoints.ts'
import { Replays, type ReplayRate } from './replays.ts'
import { missing, NO_OVERLAP, overlapOf, type Overlap, type Stretch } from './ranges.ts'
import type { TopicListener, Topics } from './topics.ts'

/**
 * What a feed takes from: all that concerns the user, the user's own topic, or one group's topic; `withOwn` with the user's
 * own besides, where receipts of the user's messages come.
 */
export type FeedScope = { kind: 'all' } | { kind: 'user' } | { kind: 'group'; groupId: number; withOwn?: boolean }

/** Why a feed ended by itself: the membership did, or it could not keep up while it caught up. */
export type FeedEnd = 'left' | 'overflow' | 'failed'

export interface FeedSink {
  /**
   * Called in the order of each topic, each event once; must not throw. `isFormer` with an event of a membership that has ended,
   * which a resume brings: the user was entitled to it, and not to what happened in the group since.
   */
  event(event: ChatEvent, isFormer?: boolean): void
  /** The feed ended by itself; nothing comes after it. */
  end(reason: FeedEnd, error?: unknown): void
  /** Resolves when the reader of a replay has room for more; undefined where it has now. */
  ready?(): Promise<void> | undefined
  /** Resolves when all events so far were passed on; undefined where they were. */
  settled?(): Promise<void> | undefined
}

/** What a resume did. `complete` is false where events were missed that it could not give (docs/protocol.md, section 6). */
export interface Replay {
  replayed: number
  complete: boolean
}

/** Where a stream goes on that could not give all: after an event, before transactions, or where the feed was opened. */
export type GoesOnAfter = { kind: 'event'; id: number } | { kind: 'transactions'; xid: number } | { kind: 'opening' }
export type ReplayStart = { complete: true } | { complete: false; goesOnAfter: GoesOnAfter }

/** `begin` is called before the first replayed event, `done` between the last and the first live one. */
export interface ResumeHooks {
  begin?: (start: ReplayStart) => void
  done?: (replay: Replay) => void
}

export interface Feed {
  /**
   * Gives what was missed after a cursor, oldest first, leaving out what this feed gave already; live events
   * wait meanwhile.
   */
  resume(after: EventCursor, hooks: ResumeHooks): Promise<void>
  close(): void
}

export interface FeedOptions {
  userId: number
  scope: FeedScope
  sink: FeedSink
}

export interface Feeds {
  /**
   * Attaches to the topics of the scope. Events wait until `start` is called: so whoever opens a feed can first say
   * that it is open, or resume.
   */
  open(options: FeedOptions): Promise<Feed & { start(): void }>
}

export interface FeedsOptions {
  topics: Topics
  log: EventLog
  /** The circle of one user; calls of one turn are gathered. */
  loadCircle: (userId: number) => Promise<Circle>
  resumeLimit: number
  /**
   * How long an event may be on its way to a node while the event of another topic overtakes it, in milliseconds: the
   * longest time between two checks and the longest transaction. A client that was cut in between has a cursor behind
   * an event that it never got, so a resume gives such events again. 0 where events come in the order of their commits.
   */
  overlapMs?: number
  counts?: Counts
  /** What closed connections were given, which tells a resume more than the cursor; undefined where there is one node. */
  checkpoints?: Checkpoints | undefined
  /** How many events a user may have replayed; as many as there are unless told. */
  replayRate?: ReplayRate
}

/** How many entries of the log a replay reads at once. */
const SLICE_ENTRIES = 100
/** How long a replay delivers before others have their turn, in milliseconds. */
const SLICE_MS = 5
/** How long a replay may take to begin, in milliseconds. */
const BEGIN_MS = 5000

/** How many events may wait in one topic of one feed while it catches up. */
const HELD_LIMIT = 10_000
const HELD_EPHEMERAL_LIMIT = 100

type FeedParts = Required<Omit<FeedsOptions, 'checkpoints' | 'replayRate'>> &
  Pick<FeedsOptions, 'checkpoints'> & { replays: Replays }

/** What a replay is going to give: the entries of these ranges. */
interface ReplayPlan {
  ranges: readonly TopicRange[]
  circle: Pick<Circle, 'past'>
  start: ReplayStart
}

const othersTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function createFeeds(options: FeedsOptions): Feeds {
  const { replayRate = { perSecond: 0, burst: 0 }, ...rest } = options
  const parts: FeedParts = { overlapMs: 0, counts: createCounts(), ...rest, replays: new Replays(replayRate) }
  return {
    async open(feedOptions) {
      const feed = new UserFeed(parts, feedOptions)
      try {
        await feed.open()
      } catch (error) {
        feed.close()
        throw error
      }
      return feed
    },
  }
}

/** A topic that a feed listens to. */
class Line implements TopicListener {
  readonly feed: UserFeed
  readonly topic: string
  /** Events up to this `seq` are from before the membership: the node may be behind the log that told of it. */
  since: number
  /** The start of the next membership, where that is told before the end of this one. */
  next: number | undefined = undefined
  /** Waiting events; null when they go straight to the sink. */
  held: { event: ChatEvent; seq: number }[] | null = []
  /** Whether it is attached and has caught up, so that nothing but a resume keeps its events waiting. */
  isReady = false
  /** Whether the feed still has it. */
  isOpen = true
  /** What live delivery gives of the topic, once attached. */
  stretch: Stretch | undefined = undefined
  /** The last `seq` given, or the one after which it began. */
  seq: number

  constructor(feed: UserFeed, topic: string, since: number) {
    this.feed = feed
    this.topic = topic
    this.since = since
    this.seq = since
  }

  onEvent(event: DurableEvent, seq: number): void {
    this.feed.take(this, event, seq)
  }

  onEphemeral(event: EphemeralEvent): void {
    this.feed.takeEphemeral(this, event)
  }
}

/**
 * The feed of one connection's subscription. There is one for each, mostly idle, and each event passes through all that listen:
 * hence methods instead of functions of its own for each.
 */
class UserFeed implements Feed {
  readonly #parts: FeedParts
  readonly #userId: number
  readonly #scope: FeedScope
  readonly #sink: FeedSink
  readonly #own: string
  #lines: Line[] = []
  /** What was given to the sink by replays, and by lines that have ended. */
  #givenBefore: Stretch[] | undefined
  /** The memberships whose start is not still to be told by an event of the own topic. */
  #memberships: Set<string> | undefined
  #isStarted = false
  #isClosed = false
  /** How many resumes run or wait, and the last of them: they go one after the other. */
  #resuming = 0
  #lastResume: Promise<void> | undefined
  #lastEphemeral: EphemeralEvent | undefined
  readonly #recorder: CheckpointRecorder | undefined

  constructor(parts: FeedParts, { userId, scope, sink }: FeedOptions) {
    this.#parts = parts
    this.#userId = userId
    this.#scope = scope
    this.#sink = sink
    this.#own = userTopic(userId)
    this.#recorder = parts.checkpoints && new CheckpointRecorder()
  }

  async open(): Promise<void> {
    const scope = this.#scope
    const first = this.#addLine(scope.kind === 'group' ? groupTopic(scope.groupId) : this.#own, 0)
    await this.#attach(first)
    if (scope.kind === 'user') return
    if (scope.kind === 'group' && scope.withOwn) await this.#attach(this.#addLine(this.#own, 0))
    // Read after the topic is attached: what starts or ends later comes as an event there.
    const { groups, past } = await this.#parts.loadCircle(this.#userId)
    for (const { topic, sinceSeq } of [...groups, ...past]) this.#addMembership(topic, sinceSeq)
    if (scope.kind === 'all') {
      await Promise.all(groups.map(({ topic, sinceSeq }) => this.#attach(this.#addLine(topic, sinceSeq))))
      return
    }
    const membership = groups.find(({ topic }) => topic === first.topic)
    if (!membership) throw notFound(`there is no group ${scope.groupId} that the user is a member of`)
    first.since = membership.sinceSeq
    if (first.stretch) first.stretch.after = Math.max(first.stretch.after, first.since)
  }

  start(): void {
    this.#isStarted = true
    for (const line of this.#lines) if (line.stretch) line.isReady = true
    this.#releaseAll()
  }

  /** An event of a line's topic. */
  take(line: Line, event: DurableEvent, seq: number): void {
    if (line.held === null) this.#give(line, event, seq)
    else if (line.held.length < HELD_LIMIT) line.held.push({ event, seq })
    else this.#end('overflow')
  }

  /** An event of a line's topic that is not kept. */
  takeEphemeral(line: Line, event: EphemeralEvent): void {
    // One that is told to an audience comes over each of the topics that this feed shares with it.
    if (this.#isClosed || event === this.#lastEphemeral || this.#isOwnPresence(event)) return
    this.#lastEphemeral = event
    // What is not kept is not worth keeping back for long: it only waits so that nothing precedes a replay.
    if (line.held === null) this.#sink.event(event)
    else if (line.held.length < HELD_EPHEMERAL_LIMIT) line.held.push({ event, seq: 0 })
  }

  #isOwnPresence(event: EphemeralEvent): boolean {
    return (
      (event.kind === 'presence' && event.payload.userId === this.#userId) ||
      (event.kind === 'typing' && event.payload.user.id === this.#userId)
    )
  }

  #addLine(topic: string, since: number): Line {
    const line = new Line(this, topic, since)
    // Its sink may have closed it from inside of an event, or too much came while it was opened.
    line.isOpen = !this.#isClosed
    // Mostly there is one, and an array that grows takes room for seventeen.
    if (this.#lines.length === 0) this.#lines = [line]
    else this.#lines.push(line)
    return line
  }

  #removeLine(line: Line): void {
    line.isOpen = false
    this.#lines = this.#lines.filter((other) => other !== line)
    if (line.stretch) this.#addGiven(line.stretch)
    this.#parts.topics.detach(line.topic, line)
  }

  #addGiven(stretch: Stretch): void {
    this.#givenBefore ??= []
    this.#givenBefore.push(stretch)
  }

  /** What was given to the sink, to be left out of a replay; open ends are current memberships. */
  #given(): Stretch[] {
    return [...this.#lines.flatMap(({ stretch }) => stretch ?? []), ...(this.#givenBefore ?? [])]
  }

  #addMembership(topic: string, since: number): void {
    this.#memberships ??= new Set()
    this.#memberships.add(stretchKey(topic, since))
  }

  #give(line: Line, event: DurableEvent, seq: number): void {
    if (!line.isOpen || seq <= line.since) return
    line.seq = seq
    this.#recorder?.given(line.topic, seq, event.id)
    this.#sink.event(event)
    if (line.topic === this.#own) {
      const opening = this.#scope.kind === 'all' ? openingOf(event) : undefined
      if (opening) void this.#join(opening.topic, opening.sinceSeq)
    } else if (closingOf(event) === this.#userId) this.#leave(line, seq)
  }

  #releaseAll(): void {
    if (this.#isStarted && this.#resuming === 0) for (const line of this.#lines) if (line.isReady) this.#release(line)
  }

  #release(line: Line): void {
    const held = line.held ?? []
    line.held = null
    for (const { event, seq } of held) {
      if (!line.isOpen) return
      if (event.id === null) this.#sink.event(event)
      else this.#give(line, event, seq)
    }
  }

  #leave(line: Line, seq: number): void {
    if (line.stretch) line.stretch.until = seq
    this.#removeLine(line)
    if (this.#scope.kind === 'group') this.#end('left')
    else if (line.next !== undefined) void this.#join(line.topic, line.next)
  }

  async #attach(line: Line): Promise<void> {
    const position = await this.#parts.topics.attach(line.topic, line)
    if (!line.isOpen) return this.#parts.topics.detach(line.topic, line)
    line.stretch = { topic: line.topic, after: Math.max(position, line.since), until: Infinity }
    line.seq = line.stretch.after
  }

  /** A membership that starts while the feed is open: its events from the start, then live. */
  async #join(topic: string, since: number): Promise<void> {
    let line = this.#lines.find((known) => known.topic === topic)
    if (line && line.since > since) return
    if (line && line.since < since) {
      line.next = since
      return
    }
    try {
      if (!line) {
        line = this.#addLine(topic, since)
        await this.#attach(line)
      }
      if (!line.stretch || !line.isOpen) return
      // It may have been committed, and had events, while the feed was being opened.
      const ranges = missing({ topic, after: since, until: line.stretch.after }, this.#given())
      line.stretch.after = since
      if (ranges.length > 0) line.seq = Math.min(line.seq, since)
      this.#addMembership(topic, since)
      if (ranges.length > 0) await this.#catchUp(line, ranges)
      line.isReady = true
      this.#releaseAll()
    } catch (error) {
      this.#end('failed', error)
    }
  }

  /** Puts what the log has before what came live meanwhile. */
  async #catchUp(line: Line, ranges: Stretch[]): Promise<void> {
    const { log, resumeLimit } = this.#parts
    line.isReady = false
    line.held ??= []
    const entries: LogEntry[] = []
    for (const { topic, after, until } of ranges) {
      for (let from = after; from < until && line.isOpen && entries.length <= HELD_LIMIT;) {
        const read = await log.read({ topic, after: from, until }, resumeLimit)
        entries.push(...read)
        from = read.at(-1)?.seq ?? until
      }
    }
    if (entries.length > HELD_LIMIT) return this.#end('overflow')
    line.held = [...entries.map(({ event, seq }) => ({ event: asChatEvent(event), seq })), ...(line.held ?? [])]
  }

  #end(reason: FeedEnd, error?: unknown): void {
    if (this.#isClosed) return
    this.close()
    this.#sink.end(reason, error)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#saveCheckpoint()
    for (const line of this.#lines) {
      line.isOpen = false
      this.#parts.topics.detach(line.topic, line)
    }
    this.#lines = []
  }

  /** What its checkpoints are told apart by. */
  #scopeName(): string {
    const scope = this.#scope
    return scope.kind === 'group' ? `${groupTopic(scope.groupId)} ${scope.withOwn === true}` : scope.kind
  }

  #saveCheckpoint(): void {
    if (!this.#recorder) return
    const seqs: Record<string, number> = {}
    for (const key of this.#memberships ?? []) seqs[key] = WHOLE
    for (const { topic, since, seq } of this.#lines) seqs[stretchKey(topic, since)] = seq
    const checkpoint = this.#recorder.close(this.#scopeName(), seqs)
    if (checkpoint) this.#parts.checkpoints?.save(this.#userId, checkpoint)
  }

  resume(after: EventCursor, hooks: ResumeHooks): Promise<void> {
    this.#resuming++
    const through = this.#recorder?.replays(after, !this.#isStarted && this.#resuming === 1)
    for (const line of this.#lines) line.held ??= []
    const now = (this.#lastResume ?? Promise.resolve())
      .then(() => this.#replay(after, hooks))
      .then(through)
      .finally(() => {
        this.#resuming--
        this.#releaseAll()
      })
    this.#lastResume = now.catch(() => undefined)
    return now
  }

  async #replay(after: EventCursor, { begin, done }: ResumeHooks): Promise<void> {
    if (this.#isClosed) return
    const { counts, replays } = this.#parts
    const planned = await within(BEGIN_MS, 'reading what was missed', this.#planInTurn(after), ({ release }) => release())
    const { plan } = planned
    let { release } = planned
    let rest = plan.ranges
    let replayed = 0
    try {
      if (this.#isClosed) return
      begin?.(plan.start)
      for (let isDone = rest.length === 0; !isDone && !this.#isClosed;) {
        const room = this.#sink.ready?.()
        if (room) {
          // A reader that has stopped reading must not keep the user's other connections waiting.
          release()
          await room
          release = await replays.acquire(this.#userId)
        }
        const { entries, isLast } = await this.#parts.log.oldest(rest, SLICE_ENTRIES)
        const given = await this.#giveReplayed(entries, plan)
        replayed += given
        rest = rangesAfter(rest, entries.slice(0, given))
        isDone = isLast && given === entries.length
        await othersTurn()
      }
    } finally {
      release()
      plan.ranges.forEach(({ topic, after: from }, index) => {
        const until = (rest[index] as TopicRange).after
        if (until > from) this.#addGiven({ topic, after: from, until })
      })
    }
    if (this.#isClosed) return
    counts.replayed += replayed
    const { complete } = plan.start
    counts.replays[complete ? 'complete' : 'incomplete']++
    done?.({ replayed, complete })
  }

  /** Gives entries of a replay to the sink while it has room, at least one; returns how many. */
  async #giveReplayed(entries: readonly LogEntry[], { circle }: ReplayPlan): Promise<number> {
    let began = performance.now()
    let given = 0
    for (const { topic, seq, event } of entries) {
      if (this.#isClosed || (given > 0 && this.#sink.ready?.())) break
      this.#recorder?.given(topic, seq, event.id)
      this.#sink.event(asChatEvent(event), isInFormer(circle, topic, seq))
      given++
      const settled = this.#sink.settled?.()
      if (settled) await settled
      if (performance.now() - began > SLICE_MS) {
        await othersTurn()
        began = performance.now()
      }
    }
    return given
  }

  /** Reads what a replay is to give when the user's earlier replays have ended; `release` ends this one's turn. */
  async #planInTurn(after: EventCursor): Promise<{ plan: ReplayPlan; release: () => void }> {
    const { replays } = this.#parts
    const release = await replays.acquire(this.#userId)
    try {
      if (this.#isClosed) return { plan: { ranges: [], circle: { past: [] }, start: { complete: true } }, release }
      replays.check(this.#userId)
      return { plan: await this.#plan(after), release }
    } catch (error) {
      release()
      throw error
    }
  }

  async #plan(after: EventCursor): Promise<ReplayPlan> {
    const { log, loadCircle, resumeLimit, checkpoints, replays } = this.#parts
    const circle = await loadCircle(this.#userId)
    const stretches = this.#stretchesOf(circle)
    const { known, positions } = await log.positionsAfter(after, [...new Set(stretches.map(({ topic }) => topic))])
    const isSwept = stretches.some((stretch) => {
      const position = positions.get(stretch.topic)
      return position?.isSwept && position.sweptSeq > stretch.after
    })
    // What a snapshot shows is known for each topic, whatever came to a client in which order.
    const id = typeof after === 'number' ? after : 0
    const saved = checkpoints && id > 0 ? await checkpoints.load(this.#userId) : []
    const before = matching(saved, this.#scopeName(), id)
    const overlap = known && before.length === 0 ? await this.#readOverlap(id, stretches, positions) : NO_OVERLAP
    const given = this.#given()
    const ranges = stretches.flatMap((stretch) => {
      const logged = positions.get(stretch.topic)?.seq ?? 0
      const seqs = before.map((checkpoint) => seqOf(checkpoint, stretch, id))
      const position = Math.min(overlap.starts.get(stretch.topic) ?? logged, ...seqs)
      return known ? missing({ ...stretch, after: Math.max(stretch.after, position) }, given) : []
    })
    const limit = resumeLimit + overlap.count
    const newest = ranges.length > 0 ? await log.newest(ranges, limit + 1) : []
    const isTooMuch = newest.length > limit
    const leftOut = isTooMuch ? newest.shift() : undefined
    const isComplete = known && !isSwept && !isTooMuch && overlap.isWhole
    // A replay that gives nothing costs something too.
    replays.charge(this.#userId, newest.length + resumeLimit / 50)
    return {
      ranges: ranges.flatMap((range) => {
        const inRange = newest.filter(({ topic, seq }) => topic === range.topic && seq > range.after && seq <= range.until)
        const [first, last] = [inRange[0], inRange.at(-1)]
        return first && last ? [{ ...range, after: isTooMuch ? first.seq - 1 : range.after, until: last.seq }] : []
      }),
      circle,
      start: isComplete ? { complete: true } : { complete: false, goesOnAfter: goesOnAfter(leftOut, newest) },
    }
  }

  /** From where to read topics again, since the event `after` may have overtaken what they hold: see `overlapMs`. */
  async #readOverlap(
    after: number,
    stretches: readonly Stretch[],
    positions: ReadonlyMap<string, { seq: number }>,
  ): Promise<Overlap> {
    const { log, overlapMs, resumeLimit } = this.#parts
    if (overlapMs === 0 || after === 0) return NO_OVERLAP
    const before = stretches.flatMap((stretch) => {
      const until = Math.min(stretch.until, positions.get(stretch.topic)?.seq ?? 0)
      return stretch.after < until ? [{ ...stretch, until }] : []
    })
    if (before.length === 0) return NO_OVERLAP
    return overlapOf(await log.newest(before, resumeLimit + 1), { after, overlapMs, limit: resumeLimit })
  }

  /** What is the user's in the scope. A membership whose start is still to be given is left to that event. */
  #stretchesOf({ groups, past }: Circle): Stretch[] {
    const scope = this.#scope
    const all = [
      ...groups.map(({ topic, sinceSeq }) => ({ topic, after: sinceSeq, until: Infinity })),
      ...past.map(({ topic, sinceSeq, untilSeq }) => ({ topic, after: sinceSeq, until: untilSeq })),
    ].filter(({ topic, after }) => this.#memberships?.has(stretchKey(topic, after)))
    const mine = { topic: this.#own, after: 0, until: Infinity }
    if (scope.kind === 'user') return [mine]
    if (scope.kind === 'all') return [mine, ...all]
    const ofGroup = all.filter(({ topic }) => topic === groupTopic(scope.groupId))
    return scope.withOwn ? [mine, ...ofGroup] : ofGroup
  }
}

/** Where a replay begins that is not complete: behind the last event that it leaves out, if there is room for what was found only in part. */
function goesOnAfter(leftOut: LogPosition | undefined, given: readonly LogPosition[]): GoesOnAfter {
  if (leftOut) return { kind: 'event', id: leftOut.id }
  if (given.length === 0) return { kind: 'opening' }
  return { kind: 'transactions', xid: Math.min(...given.map(({ xid }) => xid)) }
}

/** Whether an entry belongs to a membership that has ended. */
const isInFormer = ({ past }: Pick<Circle, 'past'>, topic: string, seq: number): boolean =>
  past.some((membership) => membership.topic === topic && seq > membership.sinceSeq && seq <= membership.untilSeq)
