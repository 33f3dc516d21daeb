import type { BlockPayload, DurableEvent, EphemeralEvent } from '../chat/events.ts'

type BlockChange = Extract<DurableEvent, { kind: 'block_changed' }>

/** A user's current presence; `lastActive` in milliseconds since the epoch. */
export interface PresenceState {
  online: boolean
  lastActive: number | null
}

export interface BlockedPresenceOptions {
  userId: number
  loadPresence: (userId: number) => Promise<PresenceState>
  /** Delivers an event that is created here. */
  deliver: (event: EphemeralEvent) => void
}

/**
 * Hides from a feed the presence of users with whom its user has a block, and emits their presence when a block begins or ends.
 * It follows the block events of the user's own topic, so it is as current as the feed.
 */
export class BlockedPresence {
  readonly #options: BlockedPresenceOptions
  /** Undefined while there is no block, as for nearly everybody. */
  #blocked: Set<number> | undefined
  /** Users whose current presence is being looked up. */
  #asked: Set<number> | undefined

  constructor(options: BlockedPresenceOptions) {
    this.#options = options
  }

  /** Those with whom there is a block when the feed opens. */
  begin(userIds: readonly number[]): void {
    if (userIds.length > 0) this.#blocked = new Set(userIds)
  }

  /** With how many users there is a block. */
  get size(): number {
    return this.#blocked?.size ?? 0
  }

  hides(event: EphemeralEvent): boolean {
    if (event.kind !== 'presence') return false
    const { userId } = event.payload
    if (this.#blocked?.has(userId)) return true
    // A live event is newer than the look-up in progress.
    this.#asked?.delete(userId)
    return false
  }

  onBlockChanged({ at, payload }: BlockChange): void {
    const other = this.#otherOf(payload)
    const { isPairBlocked } = payload
    if (isPairBlocked === (this.#blocked?.has(other) ?? false)) return
    if (isPairBlocked) (this.#blocked ??= new Set()).add(other)
    else this.#blocked?.delete(other)
    if (payload.sharePresence) void this.#emit(other, at)
  }

  #otherOf({ blockerId, user }: BlockPayload): number {
    return blockerId === this.#options.userId ? user.id : blockerId
  }

  /** Emits that the other user is offline, or, when a block ends, their current presence. */
  async #emit(userId: number, since: number): Promise<void> {
    const asked = (this.#asked ??= new Set())
    asked.add(userId)
    const state = await this.#options.loadPresence(userId).catch(() => undefined)
    if (!asked.delete(userId)) return
    const isBlocked = this.#blocked?.has(userId) ?? false
    if (!state && !isBlocked) return
    const online = state !== undefined && state.online && !isBlocked
    const lastActive = (state?.online && isBlocked ? undefined : state?.lastActive) ?? since
    this.#options.deliver({ id: null, at: Date.now(), kind: 'presence', payload: { userId, online, lastActive } })
  }
}
