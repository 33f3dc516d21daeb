import { ChatError } from '../errors.ts'

export interface ReplayRate {
  /** Events that a user may have replayed in a second; 0 for either disables the limit. */
  perSecond: number
  burst: number
}

interface UserReplays {
  /** The last one that is running or queued. */
  last: Promise<void> | undefined
  level: number
  at: number
}

/** The replays of each user on this node: one after the other, at a bounded rate of events. */
export class Replays {
  readonly #rate: ReplayRate
  readonly #now: () => number
  readonly #users = new Map<number, UserReplays>()
  #sweepAt = 0

  constructor(rate: ReplayRate, now: () => number = Date.now) {
    this.#rate = rate
    this.#now = now
  }

  /** Resolves with a function that ends the turn, once the user's earlier replays have ended theirs. */
  async acquire(userId: number): Promise<() => void> {
    const user = this.#of(userId)
    const before = user.last
    let release: () => void = () => undefined
    const turn = new Promise<void>((resolve) => (release = resolve))
    const last = before ? before.then(() => turn) : turn
    user.last = last
    await before
    return () => {
      if (user.last === last) user.last = undefined
      release()
    }
  }

  /** Throws RATE_LIMITED, with the wait, if the user has had as many events replayed as the rate allows. */
  check(userId: number): void {
    const { perSecond } = this.#rate
    if (this.#isOff()) return
    const { level } = this.#of(userId)
    if (level >= 0) return
    const retryAfterMs = Math.ceil((-level / perSecond) * 1000)
    const message = `too many events replayed: at most ${perSecond} a second; try again in ${retryAfterMs} ms`
    throw new ChatError('RATE_LIMITED', message, { retryAfterMs })
  }

  /** Charges a replay of this many events, which limits only the next one. */
  charge(userId: number, events: number): void {
    if (!this.#isOff()) this.#of(userId).level -= events
  }

  #isOff(): boolean {
    return this.#rate.perSecond === 0 || this.#rate.burst === 0
  }

  #of(userId: number): UserReplays {
    const { perSecond, burst } = this.#rate
    const now = this.#now()
    if (now >= this.#sweepAt) this.#sweep(now)
    let user = this.#users.get(userId)
    if (!user) this.#users.set(userId, (user = { last: undefined, level: burst, at: now }))
    user.level = Math.min(burst, user.level + (Math.max(0, now - user.at) / 1000) * perSecond)
    user.at = now
    return user
  }

  /** Forgets users whose burst is full again. */
  #sweep(now: number): void {
    const { perSecond, burst } = this.#rate
    for (const [userId, { last, level, at }] of this.#users) {
      const isFull = this.#isOff() || level + ((now - at) / 1000) * perSecond >= burst
      if (isFull && !last) this.#users.delete(userId)
    }
    this.#sweepAt = now + 10_000
  }
}
