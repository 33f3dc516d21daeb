import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PubSubEngine } from 'graphql-subscriptions'
import { isKnown, type DurableEvent, type EphemeralEvent } from '../chat/events.ts'
import { AUDIENCE_CHANNEL, type AudienceHint, type Hint, type SubscribeOptions } from '../pubsub/publisher.ts'
import type { EventLog, LogEntry, TopicRange } from '../store/event-log.ts'
import { createBatchLoader } from '../lib/batch-loader.ts'
import { isAudienceHint, isHint, loggedEvent } from './hints.ts'
import { inSpan, SpanKind, tracing } from '../telemetry/tracing.ts'
import { createCounts, type Counts } from '../telemetry/counters.ts'

/** A subscriber to a topic. Calls come in the order of `seq`, without gaps and repeats; they must not throw. */
export interface TopicListener {
  onEvent(event: DurableEvent, seq: number): void
  onEphemeral(event: EphemeralEvent): void
}

interface Topic {
  name: string
  /** The last `seq` delivered; undefined until the log's head is known. */
  position: number | undefined
  listeners: Set<TopicListener>
  /** Subscribers, including those about to be. */
  references: number
  /** Resolves when its position is known; undefined from then on. */
  opening: Promise<void> | undefined
  subscription: number | undefined
  /** Hints that arrived out of order; undefined if there are none. */
  outOfOrder: Map<number, DurableEvent> | undefined
  /** The highest known `seq` of the log. */
  head: number
  /** Resolves when everything up to `head` was delivered; undefined if nothing is missing. */
  catchingUp: Promise<void> | undefined
}

export interface TopicsOptions {
  pubsub: PubSubEngine
  log: Pick<EventLog, 'heads' | 'read'>
  counts?: Counts
  /** Called with failures, which are retried: reading the log, or a listener's bug. */
  onError: (stage: 'catch up' | 'listener' | 'unsubscribe' | 'check', error: unknown) => void
}

const HINTS: SubscribeOptions = { accepts: isHint }
const AUDIENCE_HINTS: SubscribeOptions = { accepts: isAudienceHint }
const READ_LIMIT = 500
/** How long what was read is delivered before others have a turn, in milliseconds: a topic may have thousands of listeners. */
const TURN_MS = 4
/** How many topics read the log at the same time: after an outage thousands are behind, and requests need connections too. */
const READS_AT_ONCE = 4
const RETRY_MS = 250
const MAX_RETRY_MS = 5000

/**
 * What this node listens to: a position for each topic; gaps are filled from the log, repeats dropped (docs/architecture.md,
 * rule 2).
 */
export class Topics {
  readonly #pubsub: PubSubEngine
  readonly #log: Pick<EventLog, 'heads' | 'read'>
  readonly #counts: Counts
  readonly #onError: (stage: 'catch up' | 'listener' | 'unsubscribe' | 'check', error: unknown) => void
  readonly #topics = new Map<string, Topic>()
  readonly #loadHead: (key: string) => Promise<number>
  readonly #readEntries: (key: TopicRange) => Promise<LogEntry[]>
  #stopped = false
  #audience: number | undefined

  constructor({ pubsub, log, counts = createCounts(), onError }: TopicsOptions) {
    this.#pubsub = pubsub
    this.#log = log
    this.#counts = counts
    this.#onError = onError
    this.#loadHead = createBatchLoader<string, number>(async (names) => {
      const heads = await log.heads(names)
      return names.map((name) => heads.get(name) ?? 0)
    })
    this.#readEntries = createBatchLoader<TopicRange, LogEntry[]>(
      (ranges) => Promise.all(ranges.map((range) => log.read(range, READ_LIMIT))),
      READS_AT_ONCE,
    )
  }

  /** Those of a node, which listens to what is for audiences from now on. */
  static async open(options: TopicsOptions): Promise<Topics> {
    const topics = new Topics(options)
    topics.#audience = await options.pubsub.subscribe(
      AUDIENCE_CHANNEL,
      (hint: AudienceHint) => topics.#deliverToAudience(hint),
      AUDIENCE_HINTS,
    )
    return topics
  }

  /**
   * Starts listening; resolves, once nothing published from now on can be missed, with the `seq` after which `listener`
   * receives events.
   */
  async attach(name: string, listener: TopicListener): Promise<number> {
    let topic = this.#topics.get(name)
    if (!topic) {
      topic = {
        name,
        position: undefined,
        listeners: new Set(),
        references: 0,
        opening: undefined,
        subscription: undefined,
        outOfOrder: undefined,
        head: 0,
        catchingUp: undefined,
      }
      this.#topics.set(name, topic)
      topic.references++
      topic.opening = this.#open(topic)
    } else topic.references++
    try {
      await topic.opening
    } catch (error) {
      this.#release(topic)
      // A topic that could not be opened must not be found by the next subscriber.
      if (this.#topics.get(name) === topic) this.#topics.delete(name)
      throw error
    }
    topic.listeners.add(listener)
    return topic.position as number
  }

  detach(name: string, listener: TopicListener): void {
    const topic = this.#topics.get(name)
    if (topic?.listeners.delete(listener)) this.#release(topic)
  }

  /** Delivers an ephemeral event to this node's subscribers of a topic. */
  deliverLocally(name: string, event: EphemeralEvent): void {
    this.#deliverEphemeral(this.#topics.get(name)?.listeners ?? [], event)
  }

  /** Number of topics listened to. */
  size(): number {
    return this.#topics.size
  }

  /** Number of a topic's subscribers on this node, and the last `seq` delivered to them; undefined without any. */
  inspect(name: string): { subscribers: number; position: number | null } | undefined {
    const topic = this.#topics.get(name)
    return topic && { subscribers: topic.listeners.size, position: topic.position ?? null }
  }

  /**
   * The log is known to hold the topic's events up to `seq`: delivers them without waiting for their hints. Resolves when all of them
   * were delivered, or when nobody listens any more; never rejects.
   */
  async reach(name: string, seq: number): Promise<void> {
    const topic = this.#topics.get(name)
    await topic?.opening?.catch(() => undefined)
    if (!topic || topic.position === undefined) return
    if (seq > topic.head) topic.head = seq
    while (!this.#stopped && this.#topics.get(name) === topic && topic.position < topic.head) await this.#catchUp(topic)
  }

  /** Compares the positions of all topics with the log's and delivers what was missed. */
  async check(): Promise<void> {
    // A topic being opened may have read its head before its subscription could miss nothing.
    await Promise.allSettled([...this.#topics.values()].flatMap((topic) => topic.opening ?? []))
    const known = [...this.#topics.values()].filter((topic) => topic.position !== undefined)
    if (known.length === 0) return
    const positions = known.map((topic) => topic.position as number)
    try {
      const heads = await this.#log.heads(known.map((topic) => topic.name))
      known.forEach((topic, index) => {
        const head = heads.get(topic.name) ?? 0
        if (head < (positions[index] as number)) this.#rewind(topic, head)
        if (head > topic.head) topic.head = head
        if (topic.head > (topic.position as number)) void this.#catchUp(topic)
      })
    } catch (error) {
      this.#onError('check', error)
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#audience !== undefined) this.#pubsub.unsubscribe(this.#audience)
    for (const topic of this.#topics.values()) this.#unsubscribe(topic)
    this.#topics.clear()
  }

  #deliver(topic: Topic, seq: number, event: DurableEvent): void {
    topic.position = seq
    this.#counts.lag(Math.max(0, Date.now() - event.at) / 1000)
    for (const listener of topic.listeners) {
      try {
        listener.onEvent(event, seq)
      } catch (error) {
        this.#onError('listener', error)
      }
    }
  }

  /** Delivers what is next in the out-of-order buffer, and drops what is behind. */
  #drain(topic: Topic): void {
    const { outOfOrder } = topic
    if (!outOfOrder) return
    for (const seq of outOfOrder.keys()) if (seq <= (topic.position as number)) outOfOrder.delete(seq)
    for (let event; (event = outOfOrder.get((topic.position as number) + 1));) {
      outOfOrder.delete((topic.position as number) + 1)
      this.#deliver(topic, (topic.position as number) + 1, event)
    }
    if (outOfOrder.size === 0) topic.outOfOrder = undefined
  }

  #catchUp(topic: Topic): Promise<void> {
    if (topic.catchingUp) return topic.catchingUp
    if (topic.head <= (topic.position as number)) return Promise.resolve()
    return (topic.catchingUp = this.#readMissing(topic))
  }

  async #readMissing(topic: Topic): Promise<void> {
    let retryMs = RETRY_MS
    while (!this.#stopped && this.#topics.get(topic.name) === topic && topic.head > (topic.position as number)) {
      try {
        const { name, head } = topic
        const entries = await this.#readEntries({ topic: name, after: topic.position as number, until: head })
        let began = performance.now()
        for (const { seq, event } of entries) {
          // In between hints may have come, or the log may have lost its end.
          if (seq <= (topic.position as number)) continue
          if (seq > topic.head) break
          this.#counts.caughtUp++
          this.#deliver(topic, seq, loggedEvent(event, this.#counts))
          if (performance.now() - began < TURN_MS) continue
          await nextTurn()
          began = performance.now()
        }
        if (entries.length === 0) await this.#skip(topic, head)
        this.#drain(topic)
        retryMs = RETRY_MS
      } catch (error) {
        this.#onError('catch up', error)
        const ms = retryMs * (0.5 + Math.random() / 2)
        await new Promise((resolve) => setTimeout(resolve, ms).unref())
        retryMs = Math.min(2 * retryMs, MAX_RETRY_MS)
      }
    }
    topic.catchingUp = undefined
  }

  /** The log has nothing up to `head`: retention was faster, or the hint belonged to another log. */
  async #skip(topic: Topic, head: number): Promise<void> {
    const logged = await this.#loadHead(topic.name)
    if (topic.head !== head) return
    if (logged < head) this.#rewind(topic, logged)
    else topic.position = head
  }

  /** The log lost its end (a restored backup, a failover): what is numbered from here on is new. */
  #rewind(topic: Topic, head: number): void {
    this.#onError('check', new Error(`the log of ${topic.name} ends at ${head}, before ${topic.head}, which a hint announced`))
    topic.position = topic.head = head
    topic.outOfOrder = undefined
  }

  #deliverToAudience({ topics, event }: AudienceHint): void {
    const listeners = new Set<TopicListener>()
    for (const name of topics) for (const listener of this.#topics.get(name)?.listeners ?? []) listeners.add(listener)
    this.#deliverEphemeral(listeners, event as EphemeralEvent)
  }

  #deliverEphemeral(listeners: Iterable<TopicListener>, event: EphemeralEvent): void {
    if (!isKnown(event)) return
    for (const listener of listeners) {
      try {
        listener.onEphemeral(event)
      } catch (error) {
        this.#onError('listener', error)
      }
    }
  }

  #onHint(topic: Topic, hint: Hint): void {
    if (!tracing.isOn || hint.trace === undefined) return this.#applyHint(topic, hint)
    const attributes = { 'parley.topic': topic.name, 'parley.listeners': topic.listeners.size }
    inSpan({ name: `deliver ${hint.event.kind}`, kind: SpanKind.CONSUMER, parent: hint.trace, attributes }, () =>
      this.#applyHint(topic, hint),
    )
  }

  #applyHint(topic: Topic, { seq, event }: Hint): void {
    if (seq === null) return this.#deliverEphemeral(topic.listeners, event as EphemeralEvent)
    if (seq > topic.head) topic.head = seq
    if (topic.position !== undefined) {
      if (seq <= topic.position) return
      if (seq === topic.position + 1) {
        this.#deliver(topic, seq, event as DurableEvent)
        this.#drain(topic)
        return
      }
    }
    topic.outOfOrder ??= new Map()
    if (topic.outOfOrder.size < READ_LIMIT) topic.outOfOrder.set(seq, event as DurableEvent)
    if (topic.position !== undefined) void this.#catchUp(topic)
  }

  async #open(topic: Topic): Promise<void> {
    topic.subscription = await this.#pubsub.subscribe(topic.name, (hint: Hint) => this.#onHint(topic, hint), HINTS)
    const head = await this.#loadHead(topic.name)
    topic.position = head
    if (head > topic.head) topic.head = head
    this.#drain(topic)
    topic.opening = undefined
    if (topic.head > topic.position) void this.#catchUp(topic)
  }

  #unsubscribe(topic: Topic): void {
    const { subscription } = topic
    topic.subscription = undefined
    if (subscription === undefined) return
    try {
      this.#pubsub.unsubscribe(subscription)
    } catch (error) {
      this.#onError('unsubscribe', error)
    }
  }

  #release(topic: Topic): void {
    if (--topic.references > 0) return
    if (this.#topics.get(topic.name) === topic) this.#topics.delete(topic.name)
    this.#unsubscribe(topic)
  }
}
