import { createBatchLoader } from '../lib/batch-loader.ts'
import type { Publisher } from '../pubsub/publisher.ts'
import type { PresenceRegistry } from '../cluster/presence-registry.ts'
import type { Memberships } from '../store/conversations.ts'
import type { Store } from '../store/store.ts'
import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import { userTopic } from './events.ts'

export interface PresenceOptions {
  store: Store
  publisher: Publisher
  registry: PresenceRegistry
  wheel: TimerWheel
  loadMemberships: (userId: number) => Promise<Pick<Memberships, 'groups'>>
  loadContacts: (userId: number) => Promise<number[]>
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
export class Presence {
  readonly #store: Pick<Store, 'users' | 'directory'>
  readonly #publisher: Publisher
  readonly #registry: PresenceRegistry
  readonly #wheel: TimerWheel
  readonly #loadMemberships: PresenceOptions['loadMemberships']
  readonly #loadContacts: PresenceOptions['loadContacts']
  readonly #graceMs: number
  readonly #groupLimit: number
  readonly #onError: (error: unknown) => void
  readonly #states = new Map<number, State>()
  /** Per user one operation at a time, so that the last announcement matches the last change. */
  readonly #running = new Map<number, Promise<void>>()
  /** Users whose registry update failed. */
  readonly #unsettled = new Set<number>()
  /** Calls of one user never overlap, so no user is in a batch twice. */
  readonly #touch: (key: readonly [userId: number, lastActive: number]) => Promise<void>

  constructor(options: PresenceOptions) {
    const { store, publisher, registry, wheel, loadMemberships, loadContacts, graceMs, groupLimit, onError } = options
    this.#store = store
    this.#publisher = publisher
    this.#registry = registry
    this.#wheel = wheel
    this.#loadMemberships = loadMemberships
    this.#loadContacts = loadContacts
    this.#graceMs = graceMs
    this.#groupLimit = groupLimit
    this.#onError = onError
    this.#touch = createBatchLoader<readonly [userId: number, lastActive: number], void>(async (active) => {
      await Promise.all([this.#store.users.touch(new Map(active)), this.#store.directory.noteActive(new Map(active))])
      return active.map(() => undefined)
    })
  }

  /** A live connection of the user opened on this node. */
  opened(userId: number): void {
    const state = this.#states.get(userId)
    if (state) {
      state.connections++
      state.offline?.cancel()
      state.offline = undefined
      return
    }
    const lastActive = Date.now()
    this.#states.set(userId, { connections: 1, lastActive, offline: undefined })
    this.#register(userId, true, lastActive)
  }

  /** A connection closed; the user's last one starts the grace period. */
  closed(userId: number): void {
    const state = this.#states.get(userId)
    if (!state || --state.connections > 0) return
    state.lastActive = Date.now()
    if (this.#graceMs === 0) this.#goOffline(userId, state)
    else state.offline = this.#wheel.at(state.lastActive + this.#graceMs, () => this.#goOffline(userId, state))
  }

  /** Those of the users who are online on any node. */
  async online(userIds: readonly number[]): Promise<Set<number>> {
    try {
      return await this.#registry.online(userIds)
    } catch (error) {
      this.#onError(error)
      return new Set(userIds.filter((userId) => this.#states.has(userId)))
    }
  }

  /** A user's current presence; `lastActive` in milliseconds since the epoch, null if they never connected. */
  async stateOf(userId: number): Promise<{ online: boolean; lastActive: number | null }> {
    const [users, found] = await Promise.all([this.#store.users.byIds([userId]), this.online([userId])])
    return { online: found.has(userId), lastActive: users.get(userId)?.lastActive ?? null }
  }

  /** All users online on any node. */
  async everyone(): Promise<number[]> {
    try {
      return await this.#registry.everyone()
    } catch (error) {
      this.#onError(error)
      return [...this.#states.keys()]
    }
  }

  /** Users online on this node. */
  here(): number[] {
    return [...this.#states.keys()]
  }

  /** Records today as a day of activity for the users on this node. */
  async noteActive(): Promise<void> {
    const now = Date.now()
    await this.#store.directory.noteActive(new Map([...this.#states.keys()].map((userId) => [userId, now])))
  }

  /** Announces again users of this node whom the other nodes took for offline. */
  returned(userIds: readonly number[]): void {
    for (const userId of userIds)
      if (this.#states.has(userId)) this.#inTurn(userId, () => this.#announce(userId, true, Date.now()))
  }

  /** Announces that a user of a dead node is offline; `lastSeen` in milliseconds since the epoch. */
  lost(userId: number, lastSeen: number): void {
    this.#inTurn(userId, async () => {
      // The user may have connected here meanwhile.
      if (!this.#states.has(userId)) await this.#announce(userId, false, lastSeen)
    })
  }

  /** Retries registry updates that failed. */
  resync(): void {
    for (const userId of this.#unsettled)
      this.#register(userId, this.#states.has(userId), this.#states.get(userId)?.lastActive ?? Date.now())
    this.#unsettled.clear()
  }

  /** Flushes pending writes. The other nodes announce users who do not reconnect elsewhere once this node is gone. */
  async stop(): Promise<void> {
    await Promise.all(this.#running.values())
    if (this.#states.size === 0) return
    const now = Date.now()
    await this.#store.users.touch(
      new Map([...this.#states].map(([id, { connections, lastActive }]) => [id, connections > 0 ? now : lastActive])),
    )
  }

  #inTurn(userId: number, step: () => Promise<void>): void {
    const now = (this.#running.get(userId) ?? Promise.resolve())
      .then(step)
      .catch(this.#onError)
      .finally(() => {
        if (this.#running.get(userId) === now) this.#running.delete(userId)
      })
    this.#running.set(userId, now)
  }

  async #announce(userId: number, online: boolean, lastActive: number): Promise<void> {
    const [{ groups }, contacts] = await Promise.all([
      this.#loadMemberships(userId),
      this.#loadContacts(userId),
      this.#touch([userId, lastActive]),
    ])
    const shownIn = groups.filter(({ memberCount }) => memberCount <= this.#groupLimit).map(({ topic }) => topic)
    const topics = [...contacts.map(userTopic), ...shownIn]
    if (topics.length === 0) return
    this.#publisher.audience(topics, { id: null, at: Date.now(), kind: 'presence', payload: { userId, online, lastActive } })
  }

  /** Enters or leaves the registry, and announces the change if others can see one. */
  #register(userId: number, isHere: boolean, lastActive: number): void {
    this.#inTurn(userId, async () => {
      let isChange: boolean
      try {
        isChange = isHere ? await this.#registry.enter(userId) : await this.#registry.leave(userId)
      } catch (error) {
        this.#unsettled.add(userId)
        throw error
      }
      if (isChange) await this.#announce(userId, isHere, lastActive)
    })
  }

  #goOffline(userId: number, state: State): void {
    this.#states.delete(userId)
    this.#register(userId, false, state.lastActive)
  }
}
