import { within } from '../../lib/within.ts'

/** How long a subscription may take to attach. */
export const ATTACH_MS = 5000

const ignore = (): void => undefined

/**
 * The order in which the operations of one socket take effect: each waits until the subscriptions before it are attached,
 * and mutations run one after the other. Nothing waits for a query. Sends don't wait for each other, since the write queue
 * keeps their order.
 */
export class OperationOrder {
  /** Settles when all subscriptions so far are attached or have failed; undefined where they have. The others are alike. */
  #subscriptions: Promise<unknown> | undefined
  /** The sends since the last other mutation, and that one. */
  #mutations: Promise<unknown> | undefined
  #otherMutation: Promise<unknown> | undefined

  /** Attaches a subscription; one that takes too long rejects with UNAVAILABLE, and is passed to `discard` when it comes. */
  subscribe<T>(attach: () => Promise<T>, discard: (late: T) => void): Promise<T> {
    const attachInTime = (): Promise<T> => within(ATTACH_MS, 'attaching the subscription', attach(), discard)
    const attached = this.#subscriptions ? this.#subscriptions.then(attachInTime) : attachInTime()
    const done = attached.then(ignore, ignore).then(() => {
      if (this.#subscriptions === done) this.#subscriptions = undefined
    })
    this.#subscriptions = done
    return attached
  }

  query<T>(execute: () => Promise<T> | T): Promise<T> | T {
    return this.#subscriptions ? this.#subscriptions.then(execute) : execute()
  }

  /** `execute` must not reject. */
  mutate<T>(execute: () => Promise<T> | T, { isSend }: { isSend: boolean }): Promise<T> | T {
    const mutation = isSend ? this.#otherMutation : this.#mutations
    const earlier = this.#subscriptions && mutation ? this.#subscriptions.then(() => mutation) : (this.#subscriptions ?? mutation)
    const result = earlier ? earlier.then(execute) : execute()
    if (!(result instanceof Promise)) return result
    const done = (isSend && this.#mutations ? Promise.all([this.#mutations, result]) : result).then(() => {
      if (this.#mutations === done) this.#mutations = undefined
      if (this.#otherMutation === done) this.#otherMutation = undefined
    })
    this.#mutations = done
    if (!isSend) this.#otherMutation = done
    return result
  }
}
