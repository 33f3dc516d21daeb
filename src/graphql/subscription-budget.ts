import { ChatError } from '../errors.ts'

/** How many fields one event may resolve: for all open subscriptions of a connection, and of a user on this node. */
export const SUBSCRIPTION_LIMITS = { connection: 5000, user: 20_000 } as const

/** What an event costs for the open subscriptions of each connection and user: the cost recurs with each event. */
export class SubscriptionBudget {
  readonly #ofConnections = new Map<string, number>()
  readonly #ofUsers = new Map<number, number>()

  /** Adds a subscription. Throws BAD_USER_INPUT if it costs too much by itself, RATE_LIMITED if all together do. */
  acquire(userId: number, connectionId: string | null, cost: number): void {
    const { connection, user } = SUBSCRIPTION_LIMITS
    if (cost > connection) {
      const message = `each event may resolve ${cost} fields, expected at most ${connection}: ask for smaller pages`
      throw new ChatError('BAD_USER_INPUT', message)
    }
    const refuse = (of: string, limit: number): never => {
      const message = `the open subscriptions of this ${of} may resolve more than ${limit} fields for each event`
      throw new ChatError('RATE_LIMITED', `${message}: complete another one first, or ask for less`)
    }
    if (connectionId !== null && (this.#ofConnections.get(connectionId) ?? 0) + cost > connection)
      refuse('connection', connection)
    if ((this.#ofUsers.get(userId) ?? 0) + cost > user) refuse('user', user)
    if (connectionId !== null) add(this.#ofConnections, connectionId, cost)
    add(this.#ofUsers, userId, cost)
  }

  release(userId: number, connectionId: string | null, cost: number): void {
    if (connectionId !== null) add(this.#ofConnections, connectionId, -cost)
    add(this.#ofUsers, userId, -cost)
  }
}

function add<K>(sums: Map<K, number>, key: K, cost: number): void {
  const sum = (sums.get(key) ?? 0) + cost
  if (sum > 0) sums.set(key, sum)
  else sums.delete(key)
}
