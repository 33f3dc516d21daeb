/** What one user, and all users together, may do in one turn of the event loop. 100 units take about 5 ms. */
const USER_UNITS = 100
const ALL_UNITS = 400
/** So little of each user goes on beside what fills a turn, and so little of all users together: most requests are no more. */
const SMALL_UNITS = 20
const ALL_SMALL_UNITS = 200

/** How much of an expensive document is validated in one unit. */
const BYTES_PER_UNIT = 30

interface User {
  /** Used in this turn. */
  spent: number
  /** Undefined if nothing waits, which is nearly always. */
  waiting: { units: number; resolve: () => void }[] | undefined
}

/**
 * Divides the event loop among users: long work asks before each of its parts, and waits for a later turn if its user has used
 * up this one. A user with little work never waits.
 */
export class FairTurns {
  readonly #users = new Map<unknown, User>()
  #spent = 0
  /** What went on beside a turn that was full. */
  #beside = 0
  #isScheduled = false

  /**
   * Resolves when the user may do this much more; undefined if that is now. Work too large for any turn gets a turn of its own. Work that
   * is nobody's alone has an object instead of a user's id.
   */
  next(userId: number | object, units: number): Promise<void> | undefined {
    let user = this.#users.get(userId)
    if (!user) this.#users.set(userId, (user = { spent: 0, waiting: undefined }))
    this.#schedule()
    if (!user.waiting && this.#hasRoom(user, units)) {
      this.#spend(user, units)
      return undefined
    }
    const waiting = (user.waiting ??= [])
    return new Promise((resolve) => waiting.push({ units, resolve }))
  }

  /** The same for a GraphQL request of this many bytes: its document may be new, and larger ones take longer to validate. */
  nextRequest(userId: number, bytes: number): Promise<void> | undefined {
    return this.next(userId, Math.ceil(bytes / BYTES_PER_UNIT))
  }

  #hasRoom({ spent }: User, units: number): boolean {
    const isFirst = spent === 0 && this.#spent < ALL_UNITS
    const isSmall = spent + units <= SMALL_UNITS && this.#beside + units <= ALL_SMALL_UNITS
    return isFirst || isSmall || (spent + units <= USER_UNITS && this.#spent + units <= ALL_UNITS)
  }

  #spend(user: User, units: number): void {
    user.spent += units
    if (this.#spent < ALL_UNITS) this.#spent += units
    else this.#beside += units
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#isScheduled = false
    this.#spent = 0
    this.#beside = 0
    for (const [userId, user] of this.#users) {
      user.spent = 0
      if (!user.waiting) this.#users.delete(userId)
    }
    for (const [userId, user] of this.#users.size > 0 ? [...this.#users] : NOBODY) {
      const waiting = user.waiting ?? []
      for (let first = waiting[0]; first && this.#hasRoom(user, first.units); first = waiting[0]) {
        waiting.shift()
        this.#spend(user, first.units)
        first.resolve()
      }
      if (waiting.length === 0) user.waiting = undefined
      if (user.spent === 0) continue
      // Behind those whose turn has not come, also where the next part is not asked for yet.
      this.#users.delete(userId)
      this.#users.set(userId, user)
    }
    if (this.#users.size > 0) this.#schedule()
  }
}

const NOBODY: readonly [unknown, User][] = []

/** One for the process, which has one event loop. */
export const fairTurns = new FairTurns()
