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
import { createCounts, type Counts } from '../counts.ts'
import { notFound } from '../errors.ts'
import type { Circle } from '../store/conversations.ts'
import type { EventLog, LogEntry } from '../store/event-log.ts'
import { CheckpointRecorder, matching, seqOf, stretchKey, WHOLE, type Checkpoints } from './checkpoints.ts'
import { missing, NO_OVERLAP, overlapOf, type Overlap, type Stretch } from './resume.ts'
import type { TopicListener, Topics } from './topics.ts'

/**
 * What a feed takes from: all that concerns the user, the user's own topic, or one group's topic; `withOwn` with the user's
 * own besides, where receipts of the user's messages come.
 */
export type FeedScope = { kind: 'all' } | { kind: 'user' } | { kind: 'group'; groupId: number; withOwn?: boolean }

/** Why a feed ended by itself: the membership did, or it could not keep up while it caught up. */
export type FeedEnd = 'left' | 'overflow' | 'failed'

export interface FeedSink {
  /** Called in the order of each topic, each event once; must not throw. */
  event(event: ChatEvent): void
  /** The feed ended by itself; nothing comes after it. */
  end(reason: FeedEnd, error?: unknown): void
  /** Resolves when a replay may go on, whose reader must not drown in it; undefined where it may right now. */
  ready?(): Promise<void> | undefined
}

/** What a resume did. `complete` is false where events were missed that it could not give (PROTOCOL.md, section 6). */
export interface Replay {
  replayed: number
  complete: boolean
}

export interface Feed {
  /**
   * Gives what was missed since the event `after`, oldest first, leaving out what this feed gave already; live events
   * wait meanwhile. `begin` is called before the first replayed event, `done` between the last and the first live one.
   */
  resume(after: number, hooks: { begin?: (replay: Replay) => void; done?: (replay: Replay) => void }): Promise<void>
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
}

/** How many events may wait in one topic of one feed while it catches up. */
const HELD_LIMIT = 10_000
const HELD_EPHEMERAL_LIMIT = 100

export function createFeeds(options: FeedsOptions): Feeds {
  const { topics, log, loadCircle, resumeLimit, overlapMs = 0, counts = createCounts(), checkpoints } = options
  return {
    async open({ userId, scope, sink }) {
      const own = userTopic(userId)
      const scopeName = scope.kind === 'group' ? `${groupTopic(scope.groupId)} ${scope.withOwn === true}` : scope.kind
      const lines = new Map<string, Line>()
      /** What was given to the sink, to be left out of a replay; open ends are current memberships. */
      const given: Stretch[] = []
      /** The memberships whose start is not still to be told by an event of the own topic. */
      const memberships = new Set<string>()
      let started = false
      let closed = false
      /** How many resumes run or wait, and the last of them: they go one after the other. */
      let resuming = 0
      let lastResume: Promise<void> = Promise.resolve()
      let lastEphemeral: EphemeralEvent | undefined
      const recorder = checkpoints && new CheckpointRecorder()

      interface Line extends TopicListener {
        topic: string
        /** Events up to this `seq` are from before the membership: the node may be behind the log that told of it. */
        since: number
        /** The start of the next membership, where that is told before the end of this one. */
        next: number | undefined
        /** Waiting events; null when they go straight to the sink. */
        held: { event: ChatEvent; seq: number }[] | null
        /** Whether it is attached and has caught up, so that nothing but a resume keeps its events waiting. */
        ready: boolean
        /** What live delivery gives of the topic, once attached. */
        stretch: Stretch | undefined
        /** The last `seq` given, or the one after which it began. */
        seq: number
      }

      const createLine = (topic: string, since: number): Line => {
        const line: Line = {
          topic,
          since,
          next: undefined,
          held: [],
          ready: false,
          stretch: undefined,
          seq: since,
          onEvent(event, seq) {
            if (line.held === null) give(line, event, seq)
            else if (line.held.length < HELD_LIMIT) line.held.push({ event, seq })
            else end('overflow')
          },
          onEphemeral(event) {
            // One that is told to an audience comes over each of the topics that this feed shares with it.
            if (closed || event === lastEphemeral || isOwnPresence(event)) return
            lastEphemeral = event
            // What is not kept is not worth keeping back for long: it only waits so that nothing precedes a replay.
            if (line.held === null) sink.event(event)
            else if (line.held.length < HELD_EPHEMERAL_LIMIT) line.held.push({ event, seq: 0 })
          },
        }
        lines.set(topic, line)
        return line
      }

      const isOwnPresence = (event: EphemeralEvent): boolean =>
        (event.kind === 'presence' && event.payload.userId === userId) ||
        (event.kind === 'typing' && event.payload.user.id === userId)

      const isOpen = (line: Line): boolean => !closed && lines.get(line.topic) === line

      function give(line: Line, event: DurableEvent, seq: number): void {
        if (!isOpen(line) || seq <= line.since) return
        line.seq = seq
        recorder?.given(line.topic, seq, event.id)
        sink.event(event)
        if (line.topic === own) {
          const opening = scope.kind === 'all' ? openingOf(event) : undefined
          if (opening) void join(opening.topic, opening.sinceSeq)
        } else if (closingOf(event) === userId) leave(line, seq)
      }

      function releaseAll(): void {
        if (started && resuming === 0) for (const line of [...lines.values()]) if (line.ready) release(line)
      }

      function release(line: Line): void {
        const held = line.held ?? []
        line.held = null
        for (const { event, seq } of held) {
          if (!isOpen(line)) return
          if (event.id === null) sink.event(event)
          else give(line, event, seq)
        }
      }

      function leave(line: Line, seq: number): void {
        if (line.stretch) line.stretch.until = seq
        lines.delete(line.topic)
        topics.detach(line.topic, line)
        if (scope.kind === 'group') end('left')
        else if (line.next !== undefined) void join(line.topic, line.next)
      }

      async function attach(line: Line): Promise<void> {
        const position = await topics.attach(line.topic, line)
        if (!isOpen(line)) return topics.detach(line.topic, line)
        line.stretch = { topic: line.topic, after: Math.max(position, line.since), until: Infinity }
        line.seq = line.stretch.after
        given.push(line.stretch)
      }

      /** A membership that starts while the feed is open: its events from the start, then live. */
      async function join(topic: string, since: number): Promise<void> {
        let line = lines.get(topic)
        if (line && line.since > since) return
        if (line && line.since < since) {
          line.next = since
          return
        }
        try {
          if (!line) {
            line = createLine(topic, since)
            await attach(line)
          }
          if (!line.stretch || !isOpen(line)) return
          // It may have been committed, and had events, while the feed was being opened.
          const ranges = missing({ topic, after: since, until: line.stretch.after }, given)
          line.stretch.after = since
          if (ranges.length > 0) line.seq = Math.min(line.seq, since)
          memberships.add(stretchKey(topic, since))
          if (ranges.length > 0) await catchUp(line, ranges)
          line.ready = true
          releaseAll()
        } catch (error) {
          end('failed', error)
        }
      }

      /** Puts what the log has before what came live meanwhile. */
      async function catchUp(line: Line, ranges: Stretch[]): Promise<void> {
        line.ready = false
        line.held ??= []
        const entries: LogEntry[] = []
        for (const { topic, after, until } of ranges) {
          for (let from = after; from < until && isOpen(line) && entries.length <= HELD_LIMIT;) {
            const read = await log.read({ topic, after: from, until }, resumeLimit)
            entries.push(...read)
            from = read.at(-1)?.seq ?? until
          }
        }
        if (entries.length > HELD_LIMIT) return end('overflow')
        line.held = [...entries.map(({ event, seq }) => ({ event: asChatEvent(event), seq })), ...(line.held ?? [])]
      }

      function end(reason: FeedEnd, error?: unknown): void {
        if (closed) return
        close()
        sink.end(reason, error)
      }

      function close(): void {
        if (closed) return
        closed = true
        saveCheckpoint()
        for (const line of lines.values()) topics.detach(line.topic, line)
        lines.clear()
      }

      function saveCheckpoint(): void {
        const seqs: Record<string, number> = {}
        for (const key of memberships) seqs[key] = WHOLE
        for (const { topic, since, seq } of lines.values()) seqs[stretchKey(topic, since)] = seq
        const checkpoint = recorder?.close(scopeName, seqs)
        if (checkpoint) checkpoints?.save(userId, checkpoint)
      }

      const resume: Feed['resume'] = (after, hooks) => {
        resuming++
        const through = recorder?.replays(after, !started && resuming === 1)
        for (const line of lines.values()) line.held ??= []
        const now = lastResume
          .then(() => replay(after, hooks))
          .then(through)
          .finally(() => {
            resuming--
            releaseAll()
          })
        lastResume = now.catch(() => undefined)
        return now
      }

      const replay: Feed['resume'] = async (after, { begin, done }) => {
        if (closed) return
        const stretches = stretchesOf(await loadCircle(userId))
        const { known, positions } = await log.positionsAfter(after, [...new Set(stretches.map(({ topic }) => topic))])
        const isSwept = stretches.some((stretch) => {
          const position = positions.get(stretch.topic)
          return position && position.sweptId > after && position.sweptSeq > stretch.after
        })
        const before = checkpoints && after > 0 ? matching(await checkpoints.load(userId), scopeName, after) : []
        const overlap = known && before.length === 0 ? await readOverlap(after, stretches, positions) : NO_OVERLAP
        const ranges = stretches.flatMap((stretch) => {
          const logged = positions.get(stretch.topic)?.seq ?? 0
          const seqs = before.map((checkpoint) => seqOf(checkpoint, stretch, after))
          const position = Math.min(overlap.starts.get(stretch.topic) ?? logged, ...seqs)
          return known ? missing({ ...stretch, after: Math.max(stretch.after, position) }, given) : []
        })
        const limit = resumeLimit + overlap.count
        const entries = ranges.length > 0 ? await log.readNewest(ranges, limit + 1) : []
        const isTooMuch = entries.length > limit
        if (isTooMuch) entries.shift()
        if (closed) return
        const told = { replayed: entries.length, complete: known && !isSwept && !isTooMuch && overlap.isWhole }
        begin?.(told)
        for (const { topic, seq, event } of entries) {
          await sink.ready?.()
          if (closed) return
          recorder?.given(topic, seq, event.id)
          sink.event(asChatEvent(event))
        }
        for (const { topic, after: from, until } of ranges) {
          const first = entries.find((entry) => entry.topic === topic && entry.seq > from && entry.seq <= until)
          if (first) given.push({ topic, after: isTooMuch ? first.seq - 1 : from, until })
        }
        counts.replayed += told.replayed
        counts.replays[told.complete ? 'complete' : 'incomplete']++
        done?.(told)
      }

      /** From where to read topics again, since the event `after` may have overtaken what they hold: see `overlapMs`. */
      async function readOverlap(
        after: number,
        stretches: readonly Stretch[],
        positions: ReadonlyMap<string, { seq: number }>,
      ): Promise<Overlap> {
        if (overlapMs === 0 || after === 0) return NO_OVERLAP
        const before = stretches.flatMap((stretch) => {
          const until = Math.min(stretch.until, positions.get(stretch.topic)?.seq ?? 0)
          return stretch.after < until ? [{ ...stretch, until }] : []
        })
        if (before.length === 0) return NO_OVERLAP
        return overlapOf(await log.readNewest(before, resumeLimit + 1), { after, overlapMs, limit: resumeLimit })
      }

      /** What is the user's in the scope. A membership whose start is still to be given is left to that event. */
      function stretchesOf({ groups, past }: Circle): Stretch[] {
        const all = [
          ...groups.map(({ topic, sinceSeq }) => ({ topic, after: sinceSeq, until: Infinity })),
          ...past.map(({ topic, sinceSeq, untilSeq }) => ({ topic, after: sinceSeq, until: untilSeq })),
        ].filter(({ topic, after }) => memberships.has(stretchKey(topic, after)))
        const mine = { topic: own, after: 0, until: Infinity }
        if (scope.kind === 'user') return [mine]
        if (scope.kind === 'all') return [mine, ...all]
        const ofGroup = all.filter(({ topic }) => topic === groupTopic(scope.groupId))
        return scope.withOwn ? [mine, ...ofGroup] : ofGroup
      }

      async function openLines(): Promise<void> {
        const first = createLine(scope.kind === 'group' ? groupTopic(scope.groupId) : own, 0)
        await attach(first)
        if (scope.kind === 'user') return
        if (scope.kind === 'group' && scope.withOwn) await attach(createLine(own, 0))
        // Read after the topic is attached: what starts or ends later comes as an event there.
        const { groups, past } = await loadCircle(userId)
        for (const { topic, sinceSeq } of [...groups, ...past]) memberships.add(stretchKey(topic, sinceSeq))
        if (scope.kind === 'all') {
          await Promise.all(groups.map(({ topic, sinceSeq }) => attach(createLine(topic, sinceSeq))))
          return
        }
        const membership = groups.find(({ topic }) => topic === first.topic)
        if (!membership) throw notFound(`there is no group ${scope.groupId} that the user is a member of`)
        first.since = membership.sinceSeq
        if (first.stretch) first.stretch.after = Math.max(first.stretch.after, first.since)
      }

      try {
        await openLines()
      } catch (error) {
        close()
        throw error
      }

      return {
        resume,
        close,
        start() {
          started = true
          for (const line of lines.values()) if (line.stretch) line.ready = true
          releaseAll()
        },
      }
    },
  }
}
