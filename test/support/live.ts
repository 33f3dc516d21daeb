import { createCounts } from '../../src/telemetry/counters.ts'
import { PubSubEngine } from 'graphql-subscriptions'
import type { Chat } from '../../src/chat/chat.ts'
import { createCore } from '../../src/core.ts'
import type { ChatEvent } from '../../src/chat/events.ts'
import { createCheckpoints, type Checkpoints } from '../../src/live/checkpoints.ts'
import type { Feed, FeedEnd, Feeds, FeedScope } from '../../src/live/feed.ts'
import type { Replay } from '../../src/live/replay.ts'
import type { Topics } from '../../src/live/topics.ts'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import type { Publisher } from '../../src/pubsub/publisher.ts'
import { createLocalRegistry } from '../../src/cluster/presence-registry.ts'
import type { Store } from '../../src/store/store.ts'
import { createTimerWheel } from '../../src/lib/timer-wheel.ts'
import { overriding } from './overriding.ts'

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Pseudo-random numbers in [0, 1) that a seed repeats (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The fate of a publish: how often it arrives, and after how many turns each time; `held` ones when they are released. */
export type Fate = readonly (number | 'held')[]
export type Decide = (channel: string, hint: unknown) => Fate

/** A pub/sub that does to each publish what `decide` returns: nothing, or a delivery that is late or repeated. */
export class UnreliablePubSub extends PubSubEngine {
  decide: Decide
  readonly #bus = createMemoryPubSub()
  #held: (() => void)[] = []
  #late = 0

  constructor(decide: Decide = () => [0]) {
    super()
    this.decide = decide
  }

  async publish(channel: string, hint: unknown): Promise<void> {
    for (const turns of this.decide(channel, hint)) {
      if (turns === 0) await this.#bus.publish(channel, hint)
      else if (turns === 'held') this.#held.push(() => void this.#bus.publish(channel, hint))
      else void this.#later(turns, channel, hint)
    }
  }

  async #later(turns: number, channel: string, hint: unknown): Promise<void> {
    this.#late++
    for (let count = 0; count < turns; count++) await turn()
    this.#late--
    await this.#bus.publish(channel, hint)
  }

  subscribe(channel: string, onMessage: (hint: unknown) => void): Promise<number> {
    return this.#bus.subscribe(channel, onMessage, {})
  }

  unsubscribe(id: number): void {
    this.#bus.unsubscribe(id)
  }

  letGo(): void {
    for (const publish of this.#held.splice(0)) publish()
  }

  /** Resolves when nothing is on its way any more, held ones released. */
  async settle(): Promise<void> {
    this.letGo()
    while (this.#late > 0) await turn()
  }
}

/** Loses, doubles, delays and so reorders. */
export function chaos(random: () => number): Decide {
  return () => {
    const drawn = random()
    if (drawn < 0.2) return []
    const turns = (): number => Math.floor(random() * 12)
    return drawn < 0.4 ? [turns(), turns()] : drawn < 0.7 ? [turns()] : [0]
  }
}

/** Checkpoints that the nodes of one test share. */
export function createSharedCheckpoints(): Checkpoints {
  const texts = new Map<number, string[]>()
  const open = new Map<number, Set<string>>()
  const openOf = (userId: number): Set<string> => {
    const names = open.get(userId) ?? new Set()
    open.set(userId, names)
    return names
  }
  return createCheckpoints({
    opened: (userId, name) => void openOf(userId).add(name),
    closed(userId, name, text) {
      openOf(userId).delete(name)
      if (text !== undefined) texts.set(userId, [text, ...(texts.get(userId) ?? [])].slice(0, 10))
    },
    load(userId) {
      const own = texts.get(userId) ?? []
      return Promise.resolve({ texts: own, open: [...openOf(userId)], isWhole: own.length < 10 })
    },
  })
}

/** What a node is made of, without its transports. */
export interface TestNode {
  chat: Chat
  topics: Topics
  feeds: Feeds
  publisher: Publisher
  errors: { stage: string; error: unknown }[]
  close(): Promise<void>
}

export async function createNode(
  store: Store,
  pubsub: PubSubEngine,
  {
    resumeLimit = 1000,
    overlapMs = 0,
    memberships = store.conversations.memberships.bind(store.conversations),
    log = store.log,
    checkpoints = undefined as Checkpoints | undefined,
    replayRate = { perSecond: 0, burst: 0 },
  } = {},
): Promise<TestNode> {
  const errors: TestNode['errors'] = []
  const wheel = createTimerWheel()
  const core = await createCore(
    {
      messageEditHours: 48,
      presenceGraceMs: 0,
      presenceGroupLimit: 1000,
      groupAdditionsPerDay: 0,
      eventRetentionHours: 24,
      groupsCreatedPerDay: 0,
      resumeLimit,
      replayRate,
      overlapMs,
    },
    {
      store: overriding(store, { log, conversations: overriding(store.conversations, { memberships }) }),
      pubsub,
      wheel,
      counts: createCounts(),
      registry: createLocalRegistry(),
      checkpoints,
      relayTyping: () => undefined,
      onError: (stage, error) => void errors.push({ stage, error }),
    },
  )
  return {
    ...core,
    errors,
    async close() {
      await core.chat.profileUpdates.stop()
      wheel.stop()
      await core.topics.stop()
    },
  }
}

/** What one feed gave, in order. */
export interface Listening {
  feed: Feed & { start(): void }
  events: ChatEvent[]
  ends: FeedEnd[]
  /** Resolves when `reached` is true, which is checked after each event. */
  until(reached: () => boolean): Promise<void>
  /** Resumes and resolves with the outcome and with what was delivered between `begin` and `done`. */
  resume(after: number): Promise<{ replay: Replay; events: ChatEvent[] }>
}

export async function listen(node: TestNode, userId: number, scope: FeedScope = { kind: 'all' }): Promise<Listening> {
  const events: ChatEvent[] = []
  const ends: FeedEnd[] = []
  let waiting: (() => void)[] = []
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve()
  }
  const feed = await node.feeds.open({
    userId,
    scope,
    sink: {
      event(event) {
        events.push(event)
        wake()
      },
      end(reason) {
        ends.push(reason)
        wake()
      },
    },
  })
  return {
    feed,
    events,
    ends,
    async until(reached) {
      while (!reached()) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    async resume(after) {
      let from = 0
      let result: { replay: Replay; events: ChatEvent[] } | undefined
      await feed.resume(after, {
        begin: () => {
          from = events.length
        },
        done: (replay) => {
          result = { replay, events: events.slice(from) }
        },
      })
      if (!result) throw new Error('the resume was not told of')
      return result
    },
  }
}

export const idsOf = (events: readonly ChatEvent[]): number[] => events.flatMap(({ id }) => id ?? [])
/** The contents of the messages among the events. */
export const textsOf = (events: readonly ChatEvent[]): string[] =>
  events.flatMap((event) => (event.kind === 'message_sent' ? event.payload.content : []))
