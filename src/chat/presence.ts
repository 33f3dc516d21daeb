import { createBatchLoader } from '../lib/batch-loader.ts'
import type { Publisher } from '../pubsub/publisher.ts'
import type { PresenceRegistry } from '../cluster/presence-registry.ts'
import type { Circle } from '../store/conversations.ts'
import type { Store } from '../store/store.ts'
import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import { userTopic } from './events.ts'

export interface Presence {
  /** A live connection of the user opened on this node. */
  opened(userId: number): void
  /** It closed; the last one starts the grace. */
  closed(userId: number): void
  /** Those of the users who are online, on any node. */
  online(userIds: readonly number[]): Promise<Set<number>>
  /** How a user is now; `lastActive` in milliseconds since the epoch, null for one who never connected. */
  stateOf(userId: number): Promise<{ online: boolean; lastActive: number | null }>
  /** All users who are online, on any node. */
  everyone(): Promise<number[]>
  /** The users who are online on this node. */
  here(): number[]
  /** Notes that the users on this node were active on this day. */
  noteActive(): Promise<void>
  /** Tells again of users on this node whom the other nodes took for offline. */
  returned(userIds: readonly number[]): void
  /** Tells that a user is offline whose node died; `lastSeen` in milliseconds since the epoch. */
  lost(userId: number, lastSeen: number): void
  /** Brings to the registry what it could not be told before. */
  resync(): void
  /** Writes what is still to be written. Who does not come back elsewhere goes offline when the other nodes miss this one. */
  stop(): Promise<void>
}

export interface PresenceOptions {
  store: Store
  publisher: Publisher
  registry: PresenceRegistry
  wheel: TimerWheel
  loadCircle: (userId: number) => Promise<Circle>
  /** How long a user stays online after the last connection closed, in milliseconds. */
  graceMs: number
  /** Groups with more members are not told. */
  groupLimit: number
  onError: (error: unknown) => void
}

interface State {
  connections: number
  lastActive: number
  /** Runs while there is no connection: the grace. */
  offline: Deadline | undefined
}

/** Who is online (docs/protocol.md, section 1): told to those who share a conversation, when it changes. */
export function createPresence(options: PresenceOptions): Presence {
  const { store, publisher, registry, wheel, loadCircle, graceMs, groupLimit, onError } = options
  const states = new Map<number, State>()
  /** What is done for each user, one after the other, so that the last one told is the last that happened. */
  const running = new Map<number, Promise<void>>()
  /** Users of whom the registry could not be told. */
  const unsettled = new Set<number>()

  /** The calls of one user come one after the other, so that none is twice in a batch. */
  const touch = createBatchLoader<readonly [userId: number, lastActive: number], void>(async (active) => {
    await Promise.all([store.users.touch(new Map(active)), store.directory.noteActive(new Map(active))])
    return active.map(() => undefined)
  })

  function inTurn(userId: number, step: () => Promise<void>): void {
    const now = (running.get(userId) ?? Promise.resolve())
      .then(step)
      .catch(onError)
      .finally(() => {
        if (running.get(userId) === now) running.delete(userId)
      })
    running.set(userId, now)
  }

  async function announce(userId: number, online: boolean, lastActive: number): Promise<void> {
    const [{ groups, partners }] = await Promise.all([loadCircle(userId), touch([userId, lastActive])])
    const told = groups.filter(({ memberCount }) => memberCount <= groupLimit).map(({ topic }) => topic)
    const topics = [...partners, ...told].filter((topic) => topic !== userTopic(userId))
    if (topics.length === 0) return
    publisher.audience(topics, { id: null, at: Date.now(), kind: 'presence', payload: { userId, online, lastActive } })
  }

  /** Enters or leaves, and tells where that changed something for the others. */
  function register(userId: number, isHere: boolean, lastActive: number): void {
    inTurn(userId, async () => {
      let isChange: boolean
      try {
        isChange = isHere ? await registry.enter(userId) : await registry.leave(userId)
      } catch (error) {
        unsettled.add(userId)
        throw error
      }
      if (isChange) await announce(userId, isHere, lastActive)
    })
  }

  function goOffline(userId: number, state: State): void {
    states.delete(userId)
    register(userId, false, state.lastActive)
  }

  async function online(userIds: readonly number[]): Promise<Set<number>> {
    try {
      return await registry.online(userIds)
    } catch (error) {
      onError(error)
      return new Set(userIds.filter((userId) => states.has(userId)))
    }
  }

  return {
    opened(userId) {
      const state = states.get(userId)
      if (state) {
        state.connections++
        state.offline?.cancel()
        state.offline = undefined
        return
      }
      const lastActive = Date.now()
      states.set(userId, { connections: 1, lastActive, offline: undefined })
      register(userId, true, lastActive)
    },

    closed(userId) {
      const state = states.get(userId)
      if (!state || --state.connections > 0) return
      state.lastActive = Date.now()
      if (graceMs === 0) goOffline(userId, state)
      else state.offline = wheel.at(state.lastActive + graceMs, () => goOffline(userId, state))
    },

    online,

    async stateOf(userId) {
      const [users, found] = await Promise.all([store.users.byIds([userId]), online([userId])])
      return { online: found.has(userId), lastActive: users.get(userId)?.lastActive ?? null }
    },

    async everyone() {
      try {
        return await registry.everyone()
      } catch (error) {
        onError(error)
        return [...states.keys()]
      }
    },

    here: () => [...states.keys()],

    async noteActive() {
      const now = Date.now()
      await store.directory.noteActive(new Map([...states.keys()].map((userId) => [userId, now])))
    },

    returned(userIds) {
      for (const userId of userIds) if (states.has(userId)) inTurn(userId, () => announce(userId, true, Date.now()))
    },

    lost(userId, lastSeen) {
      inTurn(userId, async () => {
        // Meanwhile the user may have come here.
        if (!states.has(userId)) await announce(userId, false, lastSeen)
      })
    },

    resync() {
      for (const userId of unsettled) register(userId, states.has(userId), states.get(userId)?.lastActive ?? Date.now())
      unsettled.clear()
    },

    async stop() {
      await Promise.all(running.values())
      if (states.size === 0) return
      const now = Date.now()
      await store.users.touch(
        new Map([...states].map(([id, { connections, lastActive }]) => [id, connections > 0 ? now : lastActive])),
      )
    },
  }
}
