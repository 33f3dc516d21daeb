import { createBatchLoader } from '../lib/batch-loader.ts'
import type { Publisher } from '../pubsub/publisher.ts'
import type { PresenceRegistry } from '../cluster/presence-registry.ts'
import type { Memberships } from '../store/conversations.ts'
import type { Store } from '../store/store.ts'
import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import { userTopic } from './events.ts'

export interface Presence {
  /** A live connection of the user opened on this node. */
  opened(userId: number): void
  /** A connection closed; the user's last one starts the grace period. */
  closed(userId: number): void
  /** Those of the users who are online on any node. */
  online(userIds: readonly number[]): Promise<Set<number>>
  /** A user's current presence; `lastActive` in milliseconds since the epoch, null if they never connected. */
  stateOf(userId: number): Promise<{ online: boolean; lastActive: number | null }>
  /** All users online on any node. */
  everyone(): Promise<number[]>
  /** Users online on this node. */
  here(): number[]
  /** Records today as a day of activity for the users on this node. */
  noteActive(): Promise<void>
  /** Announces again users of this node whom the other nodes took for offline. */
  returned(userIds: readonly number[]): void
  /** Announces that a user of a dead node is offline; `lastSeen` in milliseconds since the epoch. */
  lost(userId: number, lastSeen: number): void
  /** Retries registry updates that failed. */
  resync(): void
  /** Flushes pending writes. The other nodes announce users who do not reconnect elsewhere once this node is gone. */
  stop(): Promise<void>
}

export interface PresenceOptions {
  store: Store
  publisher: Publisher
  registry: PresenceRegistry
  wheel: TimerWheel
  loadMemberships: (userId: number) => Promise<Memberships>
  /** How long a user stays online after the last connection closed, in milliseconds. */
  graceMs: number
  /** Members of larger groups get no presence events. */
  groupLimit: number
  onError: (error: unknown) => void
}

interface State {
  connections: number
  lastActive: number
  /** Set while there is no connection: the grace period. */
  offline: Deadline | undefined
}

/** Presence (docs/protocol.md, section 1): changes are announced to everyone who shares a conversation. */
export function createPresence(options: PresenceOptions): Presence {
  const { store, publisher, registry, wheel, loadMemberships, graceMs, groupLimit, onError } = options
  const states = new Map<number, State>()
  /** Per user one operation at a time, so that the last announcement matches the last change. */
  const running = new Map<number, Promise<void>>()
  /** Users whose registry update failed. */
  const unsettled = new Set<number>()

  /** Calls of one user never overlap, so no user is in a batch twice. */
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
    const [{ groups, contacts }] = await Promise.all([loadMemberships(userId), touch([userId, lastActive])])
    const shownIn = groups.filter(({ memberCount }) => memberCount <= groupLimit).map(({ topic }) => topic)
    const topics = [...contacts, ...shownIn].filter((topic) => topic !== userTopic(userId))
    if (topics.length === 0) return
    publisher.audience(topics, { id: null, at: Date.now(), kind: 'presence', payload: { userId, online, lastActive } })
  }

  /** Enters or leaves the registry, and announces the change if others can see one. */
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
        // The user may have connected here meanwhile.
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
