import { ChatError, forbidden } from '../errors.ts'
import type { Publisher } from '../pubsub/publisher.ts'
import type { Store } from '../store/store.ts'
import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import { refuseBlocked, type Access } from './access.ts'
import { groupTopic, userTopic, type EphemeralEvent, type TypingPayload } from './events.ts'

export interface Typing {
  /**
   * Sets whether the user is typing in a conversation (docs/protocol.md, section 3.2). `connectionId` is the connection it came
   * over, whose closing ends it; null for none.
   */
  set(userId: number, connectionId: string | null, conversationId: string, typing: boolean): Promise<void>
  /**
   * Ends the user's typing in the conversation, on whichever node it started: a message was sent, or the user may no longer
   * post there.
   */
  stop(userId: number, conversationId: string): void
  /** Ends the typing states that this connection set last. */
  connectionClosed(connectionId: string): void
  /** Applies a change on another node: the node that received the last `true` owns the state of a user and conversation. */
  onRemoteChange(change: TypingChange): void
}

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

export function createTyping({ store, access, publisher, wheel, relay, deliverLocally }: TypingOptions): Typing {
  const states = new Map<string, State>()
  const byConnection = new Map<string, Set<string>>()
  /** For each key the latest request still being looked up; a newer request replaces it. */
  const lookups = new Map<string, { connectionId: string | null }>()

  /** State owned by other nodes: when they last pushed `true`, and how long they are assumed to live. */
  const remote = new Map<string, { pushedAt: number; place: Place | undefined; deadline: Deadline }>()
  const known = new Map<string, Place>()

  /** The conversation that the user may type in; the cached one while the database is down. */
  async function lookUp(key: string, userId: number, conversationId: string): Promise<Place> {
    try {
      const conversation = await access.conversation(userId, conversationId, 'say')
      await refuseBlocked(store, conversation)
      const user = (await store.users.byIds([userId])).get(userId)
      if (
        conversation.groupId !== null &&
        (await store.groups.mutes([{ groupId: conversation.groupId, userId }]))[0] !== undefined
      )
        throw forbidden('you are muted in this group')
      if (!user) throw new Error(`user ${userId} is not stored`)
      const { id, isGroup, groupId, pair } = conversation
      const topic = groupId === null ? userTopic(pair?.find((other) => other !== userId) as number) : groupTopic(groupId)
      const about = { conversationId: id, isGroup, user: { id: userId, name: user.name, avatar: user.avatar } }
      const place = { topic, about }
      known.delete(key)
      if (known.size >= KNOWN_LIMIT) known.delete(known.keys().next().value as string)
      known.set(key, place)
      return place
    } catch (error) {
      const place = known.get(key)
      if (place && error instanceof ChatError && error.code === 'UNAVAILABLE') return place
      known.delete(key)
      throw error
    }
  }

  /** Resolves with the result of `look`, or with undefined if a newer request replaced it. */
  async function unlessOvertaken<T>(key: string, connectionId: string | null, look: () => Promise<T>): Promise<T | undefined> {
    const lookup = { connectionId }
    lookups.set(key, lookup)
    try {
      const found = await look()
      return lookups.get(key) === lookup ? found : undefined
    } finally {
      if (lookups.get(key) === lookup) lookups.delete(key)
    }
  }

  const eventOf = ({ about }: Place, typing: boolean): EphemeralEvent => ({
    id: null,
    at: Date.now(),
    kind: 'typing',
    payload: { ...about, typing },
  })
  const push = (place: Place, typing: boolean): void => publisher.ephemeral(place.topic, eventOf(place, typing))

  function setState(key: string, state: State, connectionId: string | null): void {
    drop(key, state)
    state.connectionId = connectionId
    if (connectionId === null) return
    const keys = byConnection.get(connectionId)
    if (keys) keys.add(key)
    else byConnection.set(connectionId, new Set([key]))
  }

  function drop(key: string, { connectionId }: State): void {
    if (connectionId === null) return
    const keys = byConnection.get(connectionId)
    if (keys?.delete(key) && keys.size === 0) byConnection.delete(connectionId)
  }

  /** Removes the state silently; undefined if there is none here. */
  function take(key: string): State | undefined {
    const state = states.get(key)
    if (!state) return undefined
    states.delete(key)
    state.deadline.cancel()
    drop(key, state)
    return state
  }

  /** Removes another node's state; undefined if there is none. */
  function removeRemote(key: string): { pushedAt: number; place: Place | undefined } | undefined {
    const other = remote.get(key)
    other?.deadline.cancel()
    remote.delete(key)
    return other
  }

  /** Ends the state, whichever node owns it. Pushed from here, since the owning node may have died. */
  function end(key: string): void {
    const here = take(key)
    const other = removeRemote(key)
    if (!here && !other) return
    const place = here?.place ?? other?.place
    if (place) push(place, false)
    relay({ key, typing: false, at: Date.now(), pushedAt: 0, isPushed: place !== undefined })
  }

  /** Ends a state whose owning node has been silent too long, for this node's clients; every other node does the same. */
  function forget(key: string): void {
    const place = removeRemote(key)?.place
    if (place) deliverLocally(place.topic, eventOf(place, false))
  }

  return {
    async set(userId, connectionId, conversationId, typing) {
      const key = `${userId} ${conversationId}`
      const place = await unlessOvertaken(key, connectionId, () => lookUp(key, userId, conversationId))
      if (!place) return
      if (!typing) return end(key)
      const now = Date.now()
      const deadline = wheel.at(now + TYPING_MS, () => end(key))
      let state = states.get(key)
      if (state) state.deadline.cancel()
      else {
        const pushedAt = removeRemote(key)?.pushedAt ?? 0
        states.set(key, (state = { place, connectionId: null, sentAt: now, pushedAt, deadline }))
      }
      state.deadline = deadline
      state.sentAt = now
      setState(key, state, connectionId)
      if (now - state.pushedAt >= REPEAT_MS) {
        state.pushedAt = now
        push(state.place, true)
      }
      relay({ key, typing: true, at: now, pushedAt: state.pushedAt, place: state.place })
    },

    stop(userId, conversationId) {
      if (states.size === 0 && lookups.size === 0 && remote.size === 0) return
      const key = `${userId} ${conversationId}`
      lookups.delete(key)
      end(key)
    },

    connectionClosed(connectionId) {
      for (const [key, lookup] of lookups) if (lookup.connectionId === connectionId) lookups.delete(key)
      for (const key of byConnection.get(connectionId) ?? []) end(key)
    },

    onRemoteChange({ key, typing, at, pushedAt, place, isPushed }) {
      const state = states.get(key)
      // Older than the local state: the other node will receive ours too.
      if (state && state.sentAt > at) return
      take(key)
      removeRemote(key)
      if (typing) {
        const deadline = wheel.at(Date.now() + FORGOTTEN_MS, () => forget(key))
        remote.set(key, { pushedAt, place, deadline })
      } else if (state && !isPushed) push(state.place, false)
    },
  }
}
