import { createCounts } from '../../src/telemetry/counters.ts'
import { afterEach, beforeEach, expect } from 'vitest'
import { createChat, type Chat } from '../../src/chat/chat.ts'
import { createMembershipLoader, createWrites } from '../../src/core.ts'
import type { Commits } from '../../src/chat/commit.ts'
import type { ChatEvent } from '../../src/chat/events.ts'
import type { SendInput } from '../../src/chat/messages.ts'
import type { TypingChange } from '../../src/chat/typing.ts'
import { ChatError, type ErrorCode } from '../../src/errors.ts'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import { AUDIENCE_CHANNEL, type AudienceHint, type Hint } from '../../src/pubsub/publisher.ts'
import { createLocalRegistry } from '../../src/cluster/presence-registry.ts'
import type { MessageRecord } from '../../src/store/messages.ts'
import type { Store } from '../../src/store/store.ts'
import { createTimerWheel } from '../../src/lib/timer-wheel.ts'
import { GROUP_INFO } from './group-info.ts'

/** What was published to a topic; `topics` for what went to an audience. */
export interface Published {
  topic: string
  seq: number | null
  event: ChatEvent
  topics: readonly string[]
}

export interface TestChat {
  chat: Chat
  commits: Commits
  store: Store
  /** Everything published so far; `take` returns what was added since the last call. */
  published: Published[]
  take(): Published[]
  /** The typing changes relayed to other nodes. */
  relayed: TypingChange[]
  /** What went to this node's clients alone. */
  delivered: { topic: string; event: ChatEvent }[]
  errors: unknown[]
  /** New users `user<id>`, in ascending order of their ids. */
  users(count: number): Promise<number[]>
  send(
    senderId: number,
    to: { receiverId: number } | { conversationId: string },
    input?: Partial<SendInput>,
  ): Promise<MessageRecord>
  group(ownerId: number, memberIds: number[], info?: Partial<Parameters<Chat['groups']['create']>[1]>): Promise<number>
  /**
   * That nothing failed behind the scenes, and each topic's log holds exactly what was published of it, in order, without holes; messages as
   * they are by now.
   */
  expectLogPublished(): Promise<void>
  close(): Promise<void>
}

const isOfMessage = (event: ChatEvent): event is Extract<ChatEvent, { payload: MessageRecord }> =>
  event.kind === 'message_sent' || event.kind === 'message_edited'

let lastUser = 1000

export const newUserId = (): number => ++lastUser

/** A chat over a store as a node has it, whose published hints are recorded. */
export function createTestChat(
  store: Store,
  { presenceGraceMs = 0, groupAdditionsPerDay = 0, groupsCreatedPerDay = 0, messageEditHours = 48 } = {},
): TestChat {
  const published: Published[] = []
  const errors: unknown[] = []
  const relayed: TypingChange[] = []
  const delivered: TestChat['delivered'] = []
  const pubsub = createMemoryPubSub()
  const publish = pubsub.publish.bind(pubsub)
  pubsub.publish = (channel: string, hint: Hint | AudienceHint) => {
    const event = hint.event as ChatEvent
    if (channel === AUDIENCE_CHANNEL) published.push({ topic: '', seq: null, event, topics: (hint as AudienceHint).topics })
    else published.push({ topic: channel, seq: (hint as Hint).seq, event, topics: [] })
    return publish(channel, hint)
  }
  const wheel = createTimerWheel()
  const onError = (_stage: string, error: unknown): void => void errors.push(error)
  const writes = createWrites(store, pubsub, onError)
  const chat = createChat({
    ...writes,
    counts: createCounts(),
    store,
    wheel,
    loadMemberships: createMembershipLoader(store),
    messageEditHours,
    presenceGraceMs,
    presenceGroupLimit: 1000,
    groupAdditionsPerDay,
    eventRetentionHours: 24,
    groupsCreatedPerDay,
    registry: createLocalRegistry(),
    relayTyping: (change) => relayed.push(change),
    deliverLocally: (topic, event) => delivered.push({ topic, event }),
    onError,
  })
  let taken = 0

  return {
    chat,
    commits: writes.commits,
    store,
    published,
    relayed,
    delivered,
    errors,
    take() {
      const news = published.slice(taken)
      taken = published.length
      return news
    },
    async users(count) {
      const ids = Array.from({ length: count }, newUserId)
      await store.users.upsert(ids.map((id) => ({ id, name: undefined, avatar: undefined })))
      return ids
    },
    send: (senderId, to, input) =>
      chat.messages.send(senderId, {
        conversationId: null,
        receiverId: null,
        isGroup: null,
        content: 'hi',
        messageType: 'text',
        mediaUrl: null,
        key: null,
        ...to,
        ...input,
      }),
    async group(ownerId, memberIds, info) {
      const { id } = await chat.groups.create(ownerId, { ...GROUP_INFO, ...info }, memberIds)
      return id
    },
    async expectLogPublished() {
      expect(errors).toEqual([])
      const byTopic = new Map<string, Published[]>()
      for (const one of published) if (one.seq !== null) byTopic.set(one.topic, [...(byTopic.get(one.topic) ?? []), one])
      for (const [topic, hints] of byTopic) {
        const entries = await store.log.read({ topic, after: 0, until: Number.MAX_SAFE_INTEGER }, 100_000)
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1))
        const inOrder = hints.toSorted((a, b) => (a.seq as number) - (b.seq as number))
        const messageIds = inOrder.flatMap(({ event }) => (isOfMessage(event) ? event.payload.id : []))
        const messages = await store.messages.byIds(messageIds)
        const asNow = (event: ChatEvent) => (isOfMessage(event) ? { ...event, payload: messages.get(event.payload.id) } : event)
        // Known of a reaction that is read from the log only.
        for (const { event } of entries) delete (event.payload as { messageDeleted?: true }).messageDeleted
        expect(inOrder.map(({ seq, event }) => ({ topic, seq, event: asNow(event) }))).toEqual(entries)
        expect((await store.log.heads([topic])).get(topic)).toBe(entries.length)
      }
    },
    async close() {
      await chat.profileUpdates.stop()
      wheel.stop()
      await chat.messages.idle()
    },
  }
}

/** The code and the message of a refusal. Anything but a ChatError fails. */
export const refusal = async (attempt: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> => {
  const error = await attempt.then(
    (value) => expect.fail(`it was not refused: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof ChatError)) throw error
  return { code: error.code, message: error.message }
}

export const codeOf = async (attempt: Promise<unknown>): Promise<ErrorCode> => (await refusal(attempt)).code

/** A chat for each test, handed to `assign`; at the end of each its log holds what was published. */
export function useChat(on: () => { store: Store }, assign: (node: TestChat) => void): void {
  let node: TestChat
  beforeEach(() => {
    node = createTestChat(on().store)
    assign(node)
  })
  afterEach(async () => {
    await node.expectLogPublished()
    await node.close()
  })
}
