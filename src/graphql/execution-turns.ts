/**
 * How many fields the executions of one user, and of all users, may resolve in one turn of the event loop. A field takes about
 * 10 us.
 */
const USER_TURN = 1000
const ALL_TURN = 4000
/** How many executions of one user may wait for the database. */
const RUNNING_LIMIT = 8
/** How many executions of one user may be queued. */
const WAITING_LIMIT = 5000

/** A queued execution. */
export class WaitingExecution<T> {
  readonly cost: number
  readonly result: Promise<T>
  isStarted = false
  readonly #execute: () => T | Promise<T>
  #resolve: (result: T | Promise<T>) => void = () => undefined

  constructor(cost: number, execute: () => T | Promise<T>) {
    this.cost = cost
    this.#execute = execute
    this.result = new Promise((resolve) => (this.#resolve = resolve))
  }

  start(): T | Promise<T> {
    this.isStarted = true
    const result = this.#execute()
    this.#resolve(result)
    return result
  }
}

type Waiting = Pick<WaitingExecution<object>, 'cost' | 'isStarted' | 'start'>

interface User {
  id: number
  /** The cost of what was started in this turn, and of what still runs. */
  spent: number
  running: number
  waiting: Waiting[]
}

/**
 * Spreads the executions of subscriptions over turns of the event loop, so that one user's expensive ones do not delay other
 * users. Within the bounds, which is nearly always, an execution starts at once.
 */
export class ExecutionTurns {
  readonly #users = new Map<number, User>()
  /** Users with queued executions, next first. */
  readonly #queue = new Set<User>()
  /** The cost of what was started in this turn, and what is released at its end. */
  #spent = 0
  #finished: { user: User; cost: number }[] = []
  #isScheduled = false

  /** The result, or a promise of it; undefined if too many of the user's executions are queued. `execute` must not throw. */
  run<T extends object>(
    userId: number,
    cost: number,
    execute: () => T | Promise<T>,
  ): T | Promise<T> | WaitingExecution<T> | undefined {
    const user = this.#userOf(userId)
    if (user.waiting.length === 0 && this.#hasRoom(user, cost)) return this.#start(user, cost, execute)
    if (user.waiting.length >= WAITING_LIMIT) return undefined
    const execution = new WaitingExecution(cost, execute)
    user.waiting.push(execution)
    this.#queue.add(user)
    this.#schedule()
    return execution
  }

  /** Starts an execution queued for another user if this user, who wants the same result, has room for it. */
  promote<T extends object>(execution: WaitingExecution<T>, userId: number): void {
    if (execution.isStarted) return
    const user = this.#userOf(userId)
    if (user.waiting.length > 0 || !this.#hasRoom(user, execution.cost)) this.#forget(user)
    else void this.#start(user, execution.cost, () => execution.start())
  }

  /** How many users it keeps something of. */
  get users(): number {
    return this.#users.size
  }

  #userOf(id: number): User {
    let user = this.#users.get(id)
    if (!user) this.#users.set(id, (user = { id, spent: 0, running: 0, waiting: [] }))
    return user
  }

  #hasRoom({ spent, running }: User, cost: number): boolean {
    return running < RUNNING_LIMIT && isWithin(spent, cost, USER_TURN) && isWithin(this.#spent, cost, ALL_TURN)
  }

  #start<T extends object>(user: User, cost: number, execute: () => T | Promise<T>): T | Promise<T> {
    user.spent += cost
    this.#spent += cost
    const result = execute()
    if ('then' in result) {
      user.running++
      void this.#finish(user, cost, result)
    } else this.#finished.push({ user, cost })
    this.#schedule()
    return result
  }

  async #finish(user: User, cost: number, result: Promise<unknown>): Promise<void> {
    try {
      await result
    } finally {
      user.running--
      this.#finished.push({ user, cost })
      this.#schedule()
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#isScheduled = false
    this.#spent = 0
    const finished = this.#finished
    this.#finished = []
    for (const { user, cost } of finished) user.spent -= cost
    for (const user of [...this.#queue]) {
      const before = user.waiting.length
      this.#startWaiting(user)
      if (user.waiting.length === before) continue
      // To the end: those for whom there was no room are next.
      this.#queue.delete(user)
      if (user.waiting.length > 0) this.#queue.add(user)
      // What waited may all have been started for others.
      else this.#forget(user)
    }
    for (const { user } of finished) this.#forget(user)
  }

  /** Keeps nothing of a user who has nothing here any more. */
  #forget({ id, spent, running, waiting }: User): void {
    if (spent === 0 && running === 0 && waiting.length === 0) this.#users.delete(id)
  }

  #startWaiting(user: User): void {
    for (let next = user.waiting[0]; next; next = user.waiting[0]) {
      if (!next.isStarted && !this.#hasRoom(user, next.cost)) return
      user.waiting.shift()
      if (!next.isStarted) void this.#start(user, next.cost, next.start.bind(next))
    }
  }
}

/** An execution that exceeds the bound alone has a turn of its own. */
const isWithin = (spent: number, cost: number, limit: number): boolean => spent === 0 || spent + cost <= limit
