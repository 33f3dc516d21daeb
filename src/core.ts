/** A node without its transports: storage, bus, chat and live events. Used by the server, the push API and the tests. */
import type { PubSubEngine } from 'graphql-subscriptions'
import { createChat, type Chat, type ChatOptions, type ChatSettings } from './chat/chat.ts'
import { Commits } from './chat/commit.ts'
import { SearchIndex } from './chat/search-index.ts'
import { createBatchLoader } from './lib/batch-loader.ts'
import type { TimerWheel } from './lib/timer-wheel.ts'
import { createFeeds, type Feeds, type FeedsOptions } from './live/feed.ts'
import { Topics } from './live/topics.ts'
import { createPublisher, type Publisher } from './pubsub/publisher.ts'
import type { Memberships } from './store/conversations.ts'
import type { Store } from './store/store.ts'
import type { Counts } from './telemetry/counters.ts'

/** Called for failures in the background. */
export type ReportFailure = (stage: string, error: unknown) => void

/** How changes get into the database and out to the subscribers. */
export interface Writes {
  publisher: Publisher
  commits: Commits
}

/** Sufficient for a process that only writes, such as the push API. */
export function createWrites(store: Store, pubsub: PubSubEngine, onError: ReportFailure): Writes {
  const publisher = createPublisher(pubsub, (error) => onError('publish', error))
  return { publisher, commits: new Commits(store, publisher) }
}

/** Loads the memberships of users; calls of one turn are batched. */
export const createMembershipLoader = (store: Store): ((userId: number) => Promise<Memberships>) =>
  createBatchLoader(async (userIds) => {
    const memberships = await store.conversations.memberships(userIds)
    return userIds.map((userId) => memberships.get(userId) ?? { groups: [], former: [], blocked: [] })
  })

/** The chat's, and those of what listens to it. */
export interface CoreSettings extends ChatSettings {
  resumeLimit: number
  replayRate: NonNullable<FeedsOptions['replayRate']>
  /** How long an event of one topic may overtake another on its way to a node, in milliseconds (`FeedsOptions.overlapMs`). */
  overlapMs: number
}

/** The parts that a core is built from. */
export interface CoreParts {
  store: Store
  pubsub: PubSubEngine
  wheel: TimerWheel
  counts: Counts
  registry: ChatOptions['registry']
  checkpoints?: FeedsOptions['checkpoints']
  /** Relays typing state to the other nodes. */
  relayTyping: ChatOptions['relayTyping']
  onError: ReportFailure
}

export interface Core extends Writes {
  store: Store
  chat: Chat
  topics: Topics
  feeds: Feeds
  searchIndex: SearchIndex
}

/** Assembles a node; resolves when it receives what other nodes publish. */
export async function createCore(settings: CoreSettings, parts: CoreParts): Promise<Core> {
  const { resumeLimit, replayRate, overlapMs, ...chatSettings } = settings
  const { store, pubsub, wheel, counts, onError } = parts
  const { log } = store
  const writes = createWrites(store, pubsub, onError)
  const loadMemberships = createMembershipLoader(store)
  const topics = await Topics.open({ pubsub, log, counts, onError })
  const searchIndex = new SearchIndex(store, (error) => onError('search index', error))
  writes.commits.onCommit((entries) => searchIndex.committed(entries))
  const chat = createChat({
    ...chatSettings,
    ...writes,
    store,
    wheel,
    counts,
    loadMemberships,
    registry: parts.registry,
    relayTyping: parts.relayTyping,
    deliverLocally: (topic, event) => topics.deliverLocally(topic, event),
    onError,
  })
  const feeds = createFeeds({
    topics,
    log,
    loadMemberships,
    loadPresence: (userId) => chat.presence.stateOf(userId),
    counts,
    resumeLimit,
    replayRate,
    overlapMs,
    checkpoints: parts.checkpoints,
  })
  return { ...writes, store, chat, topics, feeds, searchIndex }
}
