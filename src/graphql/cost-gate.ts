/** Operations that may resolve no more fields than this never wait, unless another limit is given. */
const CHEAP = 1000

interface User {
  /** Of what runs. */
  cost: number
  waiting: { cost: number; resolve: () => void }[]
}

/**
 * Bounds what the operations of one user that run at once may resolve together, and so what their unfinished results hold in memory.
 * The others wait for them, in their order.
 */
export class CostGate {
  readonly #limit: number
  readonly #cheap: number
  readonly #users = new Map<number, User>()

  constructor(limit: number, cheap = CHEAP) {
    this.#limit = limit
    this.#cheap = cheap
  }

  /** Runs it, at once where there is room; `execute` must not throw or reject. */
  run<R extends object>(userId: number, cost: number, execute: () => R | Promise<R>): R | Promise<R> {
    return cost <= this.#cheap ? execute() : this.#runExpensive(userId, cost, execute)
  }

  async #runExpensive<R>(userId: number, cost: number, execute: () => R | Promise<R>): Promise<R> {
    let user = this.#users.get(userId)
    if (!user) this.#users.set(userId, (user = { cost: 0, waiting: [] }))
    const { waiting } = user
    if (waiting.length === 0 && this.#hasRoom(user, cost)) user.cost += cost
    else await new Promise<void>((resolve) => waiting.push({ cost, resolve }))
    try {
      return await execute()
    } finally {
      user.cost -= cost
      this.#startWaiting(user)
      if (user.cost === 0) this.#users.delete(userId)
    }
  }

  #startWaiting(user: User): void {
    for (let next = user.waiting[0]; next && this.#hasRoom(user, next.cost); next = user.waiting[0]) {
      user.waiting.shift()
      user.cost += next.cost
      next.resolve()
    }
  }

  #hasRoom({ cost: running }: User, cost: number): boolean {
    return running === 0 || running + cost <= this.#limit
  }
}
