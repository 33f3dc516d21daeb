// oxlint-disable max-lines -- one state machine: memberships, buffering and replay of a feed share its state
import {
  closingOf,
  goesToContacts,
  isFor,
  groupTopic,
  isKnown,
  messageIdOf,
  openingOf,
  userTopic,
  type ChatEvent,
  type DurableEvent,
  type EphemeralEvent,
  type Opening,
} from '../chat/events.ts'
import { createCounts, type Counts } from '../telemetry/counters.ts'
import { notFound } from '../errors.ts'
import type { EventSink } from '../lib/event-sink.ts'
import type { EventCursor } from '../ids.ts'
import type { Memberships } from '../store/conversations.ts'
import type { LogEntry, TopicRange } from '../store/event-log.ts'
import { BlockedPresence, type PresenceState } from './blocked-presence.ts'
import { CheckpointRecorder, connectionName, membershipKey, WHOLE } from './checkpoints.ts'
import { loggedEvent } from './hints.ts'
import { missing } from './ranges.ts'
import { replay, type ReplayParts, type ReplayTarget, type ResumeHooks } from './replay.ts'
import { Replays, type ReplayRate } from './replays.ts'
import type { TopicListener, Topics } from './topics.ts'

/**
 * The scope of a feed: everything that concerns the user, the user's own topic, or one group's topic; `withOwn` adds the user's
 * own topic, where receipts of the user's messages arrive.
 */
export type FeedScope = { kind: 'all' } | { kind: 'user' } | { kind: 'group'; groupId: number; withOwn?: boolean }

/** Why a feed ended by itself: the membership ended, or the feed could not keep up while it was catching up. */
export type FeedEnd = 'left' | 'overflow' | 'failed'

/**
 * Receives the events in the order of each topic. `isFormer` is set for an event of an ended membership, which a resume brings:
 * the user is entitled to it, and not to later events of the group.
 */
export type FeedSink = EventSink<ChatEvent, boolean, FeedEnd>

export interface Feed {
  /**
   * Delivers what was missed after a cursor, oldest first, except what this feed has delivered already; live events wait
   * meanwhile.
   */
  resume(after: EventCursor, hooks: ResumeHooks): Promise<void>
  /** How many entries it holds of the user's blocks and memberships. */
  readonly held: number
  close(): void
}

export interface FeedOptions {
  userId: number
  scope: FeedScope
  sink: FeedSink
}

export interface Feeds {
  /**
   * Attaches to the topics of the scope. Events wait until `start` is called, so that the caller can first say that the feed is
   * open, or resume.
   */
  open(options: FeedOptions): Promise<Feed & { start(): void }>
}

export interface FeedsOptions extends Pick<ReplayParts, 'log' | 'loadMemberships' | 'resumeLimit' | 'checkpoints'> {
  topics: Topics
  /** A user's current presence, emitted when a block between two users begins or ends. */
  loadPresence: (userId: number) => Promise<PresenceState>
  /** As in ReplayParts; 0 if absent. */
  overlapMs?: number
  counts?: Counts
  /** How many events a user may have replayed; unlimited if absent. */
  replayRate?: ReplayRate
}

/** How many events may be buffered in one topic of one feed while it catches up. */
const BUFFERED_LIMIT = 10_000
const BUFFERED_EPHEMERAL_LIMIT = 100

/** A membership takes as much memory as so many blocked users. */
const ENTRIES_OF_MEMBERSHIP = 4

/** How many events for contacts a feed remembers; copies of one in several topics arrive within seconds. */
const CONTACT_EVENTS_LIMIT = 1000

type FeedParts = ReplayParts & Pick<FeedsOptions, 'topics' | 'loadPresence'>

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
class TopicSubscription implements TopicListener {
  readonly feed: UserFeed
  readonly topic: string
  /** Events up to this `seq` are from before the membership: the node may be behind the log that announced it. */
  since: number
  /** Events up to this `seq` the client has from before, by the cursor that it resumed after. */
  shown = 0
  /** The start of the next membership, which waits in the own topic until the end of this one was told. */
  next: number | undefined = undefined
  /** Buffered events; null if they go straight to the sink. */
  buffered: { event: ChatEvent; seq: number }[] | null = []
  /** Whether it is attached and has caught up, so that only a resume makes its events wait. */
  isReady = false
  /** Whether it is still part of the feed. */
  isOpen = true
  /** The range that live delivery covers, once attached. */
  range: TopicRange | undefined = undefined
  /** The last `seq` delivered, or the one after which it began. */
  seq: number

  constructor(feed: UserFeed, topic: string, since: number) {
    this.feed = feed
    this.topic = topic
    this.since = since
    this.seq = since
  }

  onEvent(event: DurableEvent, seq: number): void {
    this.feed.onEvent(this, event, seq)
  }

  onEphemeral(event: EphemeralEvent): void {
    this.feed.onEphemeral(this, event)
  }
}

/**
 * The feed of one connection's subscription. There is one for each, mostly idle, and each event passes through all subscribed
 * ones: hence methods instead of closures.
 */
class UserFeed implements Feed {
  readonly #parts: FeedParts
  readonly #userId: number
  readonly #scope: FeedScope
  readonly #sink: FeedSink
  readonly #own: string
  #subscriptions: TopicSubscription[] = []
  /** What was delivered by replays, and by subscriptions that have ended. */
  #deliveredBefore: TopicRange[] | undefined
  /** The memberships whose start is not to be announced by an event of the own topic any more. */
  #memberships: Set<string> | undefined
  #isStarted = false
  #isClosed = false
  /** Number of running and queued resumes, and the last of them: they run one after the other. */
  #resuming = 0
  #lastResume: Promise<void> | undefined
  #lastEphemeral: EphemeralEvent | undefined
  /** The events for contacts delivered last; undefined before the first. */
  #contactEvents: Set<number> | undefined
  /** Undefined while the user has no block. */
  #blocked: BlockedPresence | undefined
  readonly #recorder: CheckpointRecorder | undefined
  /** What it is called where its checkpoint is to come. */
  readonly #name: string
  /** Where memberships begin and what they hide, if any of them hides something. */
  #horizons: { topic: string; since: number; historyAfter: number }[] | undefined

  constructor(parts: FeedParts, { userId, scope, sink }: FeedOptions) {
    this.#parts = parts
    this.#userId = userId
    this.#scope = scope
    this.#sink = sink
    this.#own = userTopic(userId)
    this.#recorder = parts.checkpoints && new CheckpointRecorder()
    this.#name = parts.checkpoints ? connectionName(this.#scopeName()) : ''
    parts.checkpoints?.opened(userId, this.#name)
  }

  async open(): Promise<void> {
    const scope = this.#scope
    const first = this.#subscribe(scope.kind === 'group' ? groupTopic(scope.groupId) : this.#own, 0)
    await this.#attach(first)
    if (scope.kind === 'user') return
    if (scope.kind === 'group' && scope.withOwn) await this.#attach(this.#subscribe(this.#own, 0))
    // Read after the topic is attached: later starts and ends arrive as events there.
    const { groups, former, blocked } = await this.#parts.loadMemberships(this.#userId)
    const hides = [...groups, ...former].some(({ historyAfter = 0 }) => historyAfter > 0)
    for (const { topic, sinceSeq, historyAfter } of [...groups, ...former]) {
      this.#addMembership(topic, sinceSeq)
      if (hides) this.#addHorizon(topic, sinceSeq, historyAfter)
    }
    if (scope.kind === 'all') {
      if (blocked.length > 0) this.#blockedPresence().begin(blocked)
      const attached = groups.map(async ({ topic, sinceSeq, head }) => {
        const subscription = this.#subscribe(topic, sinceSeq)
        await this.#attach(subscription)
        return (subscription.range?.after ?? 0) > head
      })
      // What came in between may have ended a membership, and no event of the topic will tell it any more.
      if ((await Promise.all(attached)).includes(true)) await this.#leaveEnded()
      return
    }
    const membership = groups.find(({ topic }) => topic === first.topic)
    if (!membership) throw notFound(`there is no group ${scope.groupId} that the user is a member of`)
    first.since = membership.sinceSeq
    if (first.range) first.range.after = Math.max(first.range.after, first.since)
  }

  /** Lets go of the groups that the user has left since the memberships were read. */
  async #leaveEnded(): Promise<void> {
    const { groups } = await this.#parts.loadMemberships(this.#userId)
    const current = new Set(groups.map(({ topic, sinceSeq }) => membershipKey(topic, sinceSeq)))
    for (const subscription of this.#subscriptions) {
      const { topic, since } = subscription
      if (topic === this.#own || current.has(membershipKey(topic, since))) continue
      // It has delivered nothing: the end is before its beginning.
      subscription.range = undefined
      this.#unsubscribe(subscription)
    }
  }

  get held(): number {
    return (this.#blocked?.size ?? 0) + ENTRIES_OF_MEMBERSHIP * (this.#memberships?.size ?? 0)
  }

  start(): void {
    this.#isStarted = true
    for (const subscription of this.#subscriptions) if (subscription.range) subscription.isReady = true
    this.#releaseAll()
  }

  /** Handles an event of a subscription's topic. */
  onEvent(subscription: TopicSubscription, event: DurableEvent, seq: number): void {
    if (subscription.buffered === null) this.#deliver(subscription, event, seq)
    else if (subscription.buffered.length < BUFFERED_LIMIT) subscription.buffered.push({ event, seq })
    else this.#end('overflow')
  }

  /** Handles an ephemeral event of a subscription's topic. */
  onEphemeral(subscription: TopicSubscription, event: EphemeralEvent): void {
    // An event for an audience arrives over each of its topics that this feed shares.
    if (this.#isClosed || event === this.#lastEphemeral || this.#isOwnPresence(event)) return
    this.#lastEphemeral = event
    // It is buffered only so that nothing precedes a replay.
    if (subscription.buffered === null) this.#deliverEphemeral(event)
    else if (subscription.buffered.length < BUFFERED_EPHEMERAL_LIMIT) subscription.buffered.push({ event, seq: 0 })
  }

  /** Whether a durable event is for the user, and was not delivered over another topic. */
  #isToBeDelivered(event: ChatEvent): boolean {
    if (!isKnown(event) || !isFor(event, this.#userId)) return false
    if (event.id === null || !goesToContacts(event)) return true
    const delivered = (this.#contactEvents ??= new Set())
    if (delivered.has(event.id)) return false
    if (delivered.size >= CONTACT_EVENTS_LIMIT) delivered.delete(delivered.values().next().value as number)
    delivered.add(event.id)
    return true
  }

  #deliverEphemeral(event: EphemeralEvent): void {
    if (!this.#blocked?.hides(event)) this.#sink.event(event, false)
  }

  #blockedPresence(): BlockedPresence {
    const { loadPresence } = this.#parts
    const deliver = (event: EphemeralEvent): void => void (this.#isClosed || this.#sink.event(event, false))
    return (this.#blocked ??= new BlockedPresence({ userId: this.#userId, loadPresence, deliver }))
  }

  #isOwnPresence(event: EphemeralEvent): boolean {
    return (
      (event.kind === 'presence' && event.payload.userId === this.#userId) ||
      (event.kind === 'typing' && event.payload.user.id === this.#userId)
    )
  }

  #subscribe(topic: string, since: number): TopicSubscription {
    const subscription = new TopicSubscription(this, topic, since)
    // Its sink may have closed it from inside an event, or too much arrived while it was being opened.
    subscription.isOpen = !this.#isClosed
    // Usually there is one, and an array that grows reserves room for seventeen.
    if (this.#subscriptions.length === 0) this.#subscriptions = [subscription]
    else this.#subscriptions.push(subscription)
    return subscription
  }

  #unsubscribe(subscription: TopicSubscription): void {
    subscription.isOpen = false
    this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription)
    if (subscription.range) this.#addDelivered(subscription.range)
    this.#parts.topics.detach(subscription.topic, subscription)
  }

  #addDelivered(range: TopicRange): void {
    this.#deliveredBefore ??= []
    this.#deliveredBefore.push(range)
  }

  #delivered(): TopicRange[] {
    return [...this.#subscriptions.flatMap(({ range }) => range ?? []), ...(this.#deliveredBefore ?? [])]
  }

  #addMembership(topic: string, since: number): void {
    this.#memberships ??= new Set()
    this.#memberships.add(membershipKey(topic, since))
  }

  #addHorizon(topic: string, since: number, historyAfter = 0): void {
    this.#horizons ??= []
    this.#horizons.push({ topic, since, historyAfter })
  }

  /** Whether an event refers to a message that is hidden from the membership it belongs to. */
  #isHidden(event: ChatEvent, topic: string, seq: number): boolean {
    const messageId = this.#horizons && messageIdOf(event)
    if (messageId === undefined) return false
    let membership: { since: number; historyAfter: number } | undefined
    for (const each of this.#horizons ?? [])
      if (each.topic === topic && each.since < seq && each.since >= (membership?.since ?? 0)) membership = each
    return membership !== undefined && messageId <= membership.historyAfter
  }

  #deliver(subscription: TopicSubscription, event: DurableEvent, seq: number): void {
    if (!subscription.isOpen || seq <= subscription.since || seq <= subscription.shown) return
    const opening = subscription.topic === this.#own ? openingOf(event) : undefined
    const former = opening && this.#formerOf(opening)
    if (former) return this.#holdOwn(subscription, { event, seq }, former, opening.sinceSeq)
    subscription.seq = seq
    this.#recorder?.delivered(subscription.topic, seq, event.id)
    if (this.#isToBeDelivered(event) && !this.#isHidden(event, subscription.topic, seq)) this.#sink.event(event, false)
    // Presence is for feeds of all that concerns the user.
    if (event.kind === 'block_changed' && this.#scope.kind === 'all') this.#blockedPresence().onBlockChanged(event)
    if (subscription.topic === this.#own) {
      if (!opening || this.#scope.kind !== 'all') return
      const { topic, sinceSeq, historyAfter } = opening
      if (historyAfter !== undefined || this.#horizons) this.#addHorizon(topic, sinceSeq, historyAfter)
      void this.#join(topic, sinceSeq)
    } else if (closingOf(event) === this.#userId) this.#leave(subscription, seq)
  }

  #releaseAll(): void {
    if (this.#isStarted && this.#resuming === 0)
      for (const subscription of this.#subscriptions) if (subscription.isReady) this.#release(subscription)
  }

  #release(subscription: TopicSubscription): void {
    const buffered = subscription.buffered ?? []
    subscription.buffered = null
    for (const { event, seq } of buffered) {
      if (!subscription.isOpen) return
      if (event.id === null) this.#deliverEphemeral(event)
      // One before it may have made the rest wait again.
      else this.onEvent(subscription, event, seq)
    }
    this.#endIfPassed(subscription)
  }

  /** The membership that ended before another one of the same group starts, as long as its end was not told. */
  #formerOf({ topic, sinceSeq }: Opening): TopicSubscription | undefined {
    return this.#subscriptions.find((each) => each.topic === topic && each.since < sinceSeq)
  }

  /** Keeps the own topic waiting until the end of a former membership was told, so that a return comes after the leaving. */
  #holdOwn(own: TopicSubscription, first: { event: DurableEvent; seq: number }, former: TopicSubscription, next: number): void {
    own.buffered = [first]
    own.isReady = false
    former.next = next
    void this.#parts.topics.reach(former.topic, next).then(() => this.#endIfPassed(former))
  }

  /** Ends a former membership whose end is not in the log any more. */
  #endIfPassed(former: TopicSubscription): void {
    const { next, topic, isOpen, buffered } = former
    if (next === undefined || !isOpen || buffered !== null) return
    if ((this.#parts.topics.inspect(topic)?.position ?? 0) >= next) this.#leave(former, next)
  }

  #leave(subscription: TopicSubscription, seq: number): void {
    if (subscription.range) subscription.range.until = seq
    this.#unsubscribe(subscription)
    if (this.#scope.kind === 'group') this.#end('left')
    else if (subscription.next !== undefined) {
      for (const own of this.#subscriptions) if (own.topic === this.#own) own.isReady = true
      this.#releaseAll()
    }
  }

  async #attach(subscription: TopicSubscription): Promise<void> {
    const position = await this.#parts.topics.attach(subscription.topic, subscription)
    if (!subscription.isOpen) return this.#parts.topics.detach(subscription.topic, subscription)
    subscription.range = { topic: subscription.topic, after: Math.max(position, subscription.since), until: Infinity }
    subscription.seq = subscription.range.after
  }

  /** A membership that starts while the feed is open: its events from the start, then live ones. */
  async #join(topic: string, since: number): Promise<void> {
    let subscription = this.#subscriptions.find((known) => known.topic === topic)
    if (subscription && subscription.since > since) return
    try {
      if (!subscription) {
        subscription = this.#subscribe(topic, since)
        await this.#attach(subscription)
      }
      if (!subscription.range || !subscription.isOpen) return
      // It may have been committed, and had events, while the feed was being opened; those up to a cursor the client has.
      const from = Math.max(since, subscription.shown)
      const ranges = missing({ topic, after: from, until: subscription.range.after }, this.#delivered())
      subscription.range.after = Math.min(subscription.range.after, from)
      if (ranges.length > 0) subscription.seq = Math.min(subscription.seq, from)
      this.#addMembership(topic, since)
      if (ranges.length > 0) await this.#catchUp(subscription, ranges)
      subscription.isReady = true
      this.#releaseAll()
    } catch {
      this.#end('failed')
    }
  }

  /** Puts earlier events from the log before those that arrived live meanwhile. */
  async #catchUp(subscription: TopicSubscription, ranges: TopicRange[]): Promise<void> {
    const { log, resumeLimit, counts } = this.#parts
    subscription.isReady = false
    subscription.buffered ??= []
    const entries: LogEntry[] = []
    for (const { topic, after, until } of ranges) {
      for (let from = after; from < until && subscription.isOpen && entries.length <= BUFFERED_LIMIT;) {
        const read = await log.read({ topic, after: from, until }, resumeLimit)
        entries.push(...read)
        from = read.at(-1)?.seq ?? until
      }
    }
    if (entries.length > BUFFERED_LIMIT) return this.#end('overflow')
    subscription.buffered = [
      ...entries.map(({ event, seq }) => ({ event: loggedEvent(event, counts), seq })),
      ...(subscription.buffered ?? []),
    ]
  }

  #end(reason: FeedEnd): void {
    if (this.#isClosed) return
    this.close()
    this.#sink.end(reason)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#saveCheckpoint()
    for (const subscription of this.#subscriptions) {
      subscription.isOpen = false
      this.#parts.topics.detach(subscription.topic, subscription)
    }
    this.#subscriptions = []
  }

  /** The key that its checkpoints are matched by. */
  #scopeName(): string {
    const scope = this.#scope
    return scope.kind === 'group' ? `${groupTopic(scope.groupId)} ${scope.withOwn === true}` : scope.kind
  }

  #saveCheckpoint(): void {
    if (!this.#recorder) return
    const seqs: Record<string, number> = {}
    for (const key of this.#memberships ?? []) seqs[key] = WHOLE
    for (const { topic, since, seq } of this.#subscriptions) seqs[membershipKey(topic, since)] = seq
    const checkpoint = this.#recorder.close(this.#scopeName(), seqs)
    this.#parts.checkpoints?.closed(this.#userId, this.#name, checkpoint)
  }

  resume(after: EventCursor, hooks: ResumeHooks): Promise<void> {
    this.#resuming++
    const replayed = this.#recorder?.replays(after, !this.#isStarted && this.#resuming === 1)
    for (const subscription of this.#subscriptions) subscription.buffered ??= []
    const now = (this.#lastResume ?? Promise.resolve())
      .then(() => replay(this.#parts, hooks.again ? this.#asTargetAgain(hooks.again) : this.#asTarget(), after, hooks))
      .then(replayed)
      .finally(() => {
        this.#resuming--
        this.#releaseAll()
      })
    this.#lastResume = now.catch(() => undefined)
    return now
  }

  /** The feed as seen by a replay. */
  #asTarget(): ReplayTarget {
    return {
      userId: this.#userId,
      scopeName: this.#scopeName(),
      connectionName: this.#name,
      isClosed: () => this.#isClosed,
      rangesOf: (memberships) => this.#rangesOf(memberships),
      leaveOut: (starts) => this.#leaveOut(starts),
      delivered: () => this.#delivered(),
      addDelivered: (range) => this.#addDelivered(range),
      deliver: (event, { topic, seq }, isFormer) => {
        if (event.id !== null) this.#recorder?.delivered(topic, seq, event.id)
        if (this.#isToBeDelivered(event) && !this.#isHidden(event, topic, seq)) this.#sink.event(event, isFormer)
      },
      ready: () => this.#sink.ready?.(),
      settled: () => this.#sink.settled?.(),
    }
  }

  /** The feed as seen by a replay that repeats delivered events, up to where live delivery continues. */
  #asTargetAgain(again: (event: ChatEvent) => boolean): ReplayTarget {
    const target = this.#asTarget()
    const before = this.#delivered()
    // `again` knows which of them were sent; from here on, events that come over several topics of the replay are tracked.
    this.#contactEvents = undefined
    return {
      ...target,
      delivered: () =>
        this.#subscriptions.flatMap(({ range, seq }) => (range ? { ...range, after: Math.max(range.after, seq) } : [])),
      deliver: (event, position, isFormer) => {
        const { topic, seq } = position
        const isRepeat = missing({ topic, after: seq - 1, until: seq }, before).length === 0
        if (!isRepeat || again(event)) target.deliver(event, position, isFormer)
      },
    }
  }

  #leaveOut(starts: ReadonlyMap<string, number>): void {
    for (const subscription of this.#subscriptions) {
      const { topic, range, seq } = subscription
      const start = starts.get(topic) ?? 0
      subscription.shown = Math.max(subscription.shown, start)
      if (!range || start <= seq) continue
      if (seq > range.after) this.#addDelivered({ topic, after: range.after, until: seq })
      subscription.seq = start
      range.after = start
    }
  }

  /** What is the user's in the scope. A membership whose start is still to be delivered is left to that event. */
  #rangesOf({ groups, former }: Memberships): TopicRange[] {
    const scope = this.#scope
    const all = [
      ...groups.map(({ topic, sinceSeq }) => ({ topic, after: sinceSeq, until: Infinity })),
      ...former.map(({ topic, sinceSeq, untilSeq }) => ({ topic, after: sinceSeq, until: untilSeq })),
    ].filter(({ topic, after }) => this.#memberships?.has(membershipKey(topic, after)))
    const mine = { topic: this.#own, after: 0, until: Infinity }
    if (scope.kind === 'user') return [mine]
    if (scope.kind === 'all') return [mine, ...all]
    const ofGroup = all.filter(({ topic }) => topic === groupTopic(scope.groupId))
    return scope.withOwn ? [mine, ...ofGroup] : ofGroup
  }
}
