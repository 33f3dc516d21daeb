import { LRUCache } from 'lru-cache'
import { ChatError, forbidden } from '../errors.ts'
import type { Publisher } from '../pubsub/publisher.ts'
import type { Store } from '../store/store.ts'
import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import { refuseBlocked, type Access } from './access.ts'
import { groupTopic, userTopic, type EphemeralEvent, type TypingPayload } from './events.ts'

/** What nodes send each other: a user started typing, was announced again, or stopped. */
export interface TypingChange {
  /** Of user and conversation. */
  key: string
  typing: boolean
  /** When the client sent it, in milliseconds since the epoch. */
  at: number
  /** When `true` was pushed last. */
  pushedAt: number
  /** With `true`: what to push when it ends, in case the owning node dies. Older nodes omit it. */
  place?: Place
  /** With `false`: whether it was pushed. */
  isPushed?: boolean
}

/** Who types in which conversation, and the topic of those who see it. */
interface Place {
  topic: string
  about: Omit<TypingPayload, 'typing'>
}

/** Typing ends by itself this long after the last `true`. */
const TYPING_MS = 10_000
/** When other nodes that know of the last `true` assume that the owning node is dead; docs/protocol.md allows 15 s. */
const FORGOTTEN_MS = 13_000
/** A repeated `true` is pushed at most this often. */
const REPEAT_MS = 3_000

/** How many typing targets are cached, so that typing works while the database is down. */
const KNOWN_LIMIT = 10_000

interface State {
  place: Place
  connectionId: string | null
  /** When the last `true` arrived. */
  sentAt: number
  pushedAt: number
  deadline: Deadline
}

export interface TypingOptions {
  store: Store
  access: Access
  publisher: Publisher
  wheel: TimerWheel
  /** Relays to the other nodes, if there are any. */
  relay: (change: TypingChange) => void
  /** Delivers an event to this node's own clients. */
  deliverLocally: (topic: string, event: EphemeralEvent) => void
}

export class Typing {
  readonly #store: Store
  readonly #access: Access
  readonly #publisher: Publisher
  readonly #wheel: TimerWheel
  readonly #relay: (change: TypingChange) => void
  readonly #deliverLocally: (topic: string, event: EphemeralEvent) => void
  readonly #states = new Map<string, State>()
  readonly #byConnection = new Map<string, Set<string>>()
  /** For each key the latest request still being looked up; a newer request replaces it. */
  readonly #lookups = new Map<string, { connectionId: string | null }>()
  /** State owned by other nodes: when they last pushed `true`, and how long they are assumed to live. */
  readonly #remote = new Map<string, { pushedAt: number; place: Place | undefined; deadline: Deadline }>()
  // By size: `max` would allocate the whole cache at once.
  readonly #known = new LRUCache<string, Place>({ maxSize: KNOWN_LIMIT, sizeCalculation: () => 1 })

  constructor({ store, access, publisher, wheel, relay, deliverLocally }: TypingOptions) {
    this.#store = store
    this.#access = access
    this.#publisher = publisher
    this.#wheel = wheel
    this.#relay = relay
    this.#deliverLocally = deliverLocally
  }

  /**
   * Sets whether the user is typing in a conversation (docs/protocol.md, section 3.2). `connectionId` is the connection it came
   * over, whose closing ends it; null for none.
   */
  async set(userId: number, connectionId: string | null, conversationId: string, typing: boolean): Promise<void> {
    const key = `${userId} ${conversationId}`
    const place = await this.#unlessOvertaken(key, connectionId, () => this.#lookUp(key, userId, conversationId))
    if (!place) return
    if (!typing) return this.#end(key)
    const now = Date.now()
    const deadline = this.#wheel.at(now + TYPING_MS, () => this.#end(key))
    let state = this.#states.get(key)
    if (state) state.deadline.cancel()
    else {
      const pushedAt = this.#removeRemote(key)?.pushedAt ?? 0
      this.#states.set(key, (state = { place, connectionId: null, sentAt: now, pushedAt, deadline }))
    }
    state.deadline = deadline
    state.sentAt = now
    this.#setState(key, state, connectionId)
    if (now - state.pushedAt >= REPEAT_MS) {
      state.pushedAt = now
      this.#push(state.place, true)
    }
    this.#relay({ key, typing: true, at: now, pushedAt: state.pushedAt, place: state.place })
  }

  /**
   * Ends the user's typing in the conversation, on whichever node it started: a message was sent, or the user may no longer
   * post there.
   */
  stop(userId: number, conversationId: string): void {
    if (this.#states.size === 0 && this.#lookups.size === 0 && this.#remote.size === 0) return
    const key = `${userId} ${conversationId}`
    this.#lookups.delete(key)
    this.#end(key)
  }

  /** Ends the typing states that this connection set last. */
  connectionClosed(connectionId: string): void {
    for (const [key, lookup] of this.#lookups) if (lookup.connectionId === connectionId) this.#lookups.delete(key)
    for (const key of this.#byConnection.get(connectionId) ?? []) this.#end(key)
  }

  /** Applies a change on another node: the node that received the last `true` owns the state of a user and conversation. */
  onRemoteChange({ key, typing, at, pushedAt, place, isPushed }: TypingChange): void {
    const state = this.#states.get(key)
    // Older than the local state: the other node will receive ours too.
    if (state && state.sentAt > at) return
    this.#take(key)
    this.#removeRemote(key)
    if (typing) {
      const deadline = this.#wheel.at(Date.now() + FORGOTTEN_MS, () => this.#forget(key))
      this.#remote.set(key, { pushedAt, place, deadline })
    } else if (state && !isPushed) this.#push(state.place, false)
  }

  /** The conversation that the user may type in; the cached one while the database is down. */
  async #lookUp(key: string, userId: number, conversationId: string): Promise<Place> {
    try {
      const conversation = await this.#access.conversation(userId, conversationId, 'post')
      await refuseBlocked(this.#store, conversation)
      const user = (await this.#store.users.byIds([userId])).get(userId)
      if (
        conversation.groupId !== null &&
        (await this.#store.groups.mutes([{ groupId: conversation.groupId, userId }]))[0] !== undefined
      )
        throw forbidden('you are muted in this group')
      if (!user) throw new Error(`user ${userId} is not stored`)
      const { id, isGroup, groupId, pair } = conversation
      const topic = groupId === null ? userTopic(pair?.find((other) => other !== userId) as number) : groupTopic(groupId)
      const about = { conversationId: id, isGroup, user: { id: userId, name: user.name, avatar: user.avatar } }
      const place = { topic, about }
      this.#known.set(key, place)
      return place
    } catch (error) {
      const place = this.#known.get(key)
      if (place && error instanceof ChatError && error.code === 'UNAVAILABLE') return place
      this.#known.delete(key)
      throw error
    }
  }

  /** Resolves with the result of `look`, or with undefined if a newer request replaced it. */
  async #unlessOvertaken<T>(key: string, connectionId: string | null, look: () => Promise<T>): Promise<T | undefined> {
    const lookup = { connectionId }
    this.#lookups.set(key, lookup)
    try {
      const found = await look()
      return this.#lookups.get(key) === lookup ? found : undefined
    } finally {
      if (this.#lookups.get(key) === lookup) this.#lookups.delete(key)
    }
  }

  #push(place: Place, typing: boolean): void {
    return this.#publisher.ephemeral(place.topic, eventOf(place, typing))
  }

  #setState(key: string, state: State, connectionId: string | null): void {
    this.#drop(key, state)
    state.connectionId = connectionId
    if (connectionId === null) return
    const keys = this.#byConnection.get(connectionId)
    if (keys) keys.add(key)
    else this.#byConnection.set(connectionId, new Set([key]))
  }

  #drop(key: string, { connectionId }: State): void {
    if (connectionId === null) return
    const keys = this.#byConnection.get(connectionId)
    if (keys?.delete(key) && keys.size === 0) this.#byConnection.delete(connectionId)
  }

  /** Removes the state silently; undefined if there is none here. */
  #take(key: string): State | undefined {
    const state = this.#states.get(key)
    if (!state) return undefined
    this.#states.delete(key)
    state.deadline.cancel()
    this.#drop(key, state)
    return state
  }

  /** Removes another node's state; undefined if there is none. */
  #removeRemote(key: string): { pushedAt: number; place: Place | undefined } | undefined {
    const other = this.#remote.get(key)
    other?.deadline.cancel()
    this.#remote.delete(key)
    return other
  }

  /** Ends the state, whichever node owns it. Pushed from here, since the owning node may have died. */
  #end(key: string): void {
    const here = this.#take(key)
    const other = this.#removeRemote(key)
    if (!here && !other) return
    const place = here?.place ?? other?.place
    if (place) this.#push(place, false)
    this.#relay({ key, typing: false, at: Date.now(), pushedAt: 0, isPushed: place !== undefined })
  }

  /** Ends a state whose owning node has been silent too long, for this node's clients; every other node does the same. */
  #forget(key: string): void {
    const place = this.#removeRemote(key)?.place
    if (place) this.#deliverLocally(place.topic, eventOf(place, false))
  }
}

const eventOf = ({ about }: Place, typing: boolean): EphemeralEvent => ({
  id: null,
  at: Date.now(),
  kind: 'typing',
  payload: { ...about, typing },
})
