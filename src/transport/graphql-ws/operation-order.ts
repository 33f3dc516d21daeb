import { within } from '../../lib/within.ts'

/** How long a subscription may take to attach. */
export const ATTACH_MS = 5000

const ignore = (): void => undefined

/**
 * The order in which the operations of one socket take effect: each waits until the subscriptions before it are attached, and
 * mutations run one after the other. Nothing waits for a query. Sends don't wait for each other, since the write queue keeps
 * their order.
 */
export class OperationOrder {
  /** Settles when all subscriptions so far are attached or have failed; undefined if they have. The other two work alike. */
  #subscriptions: Promise<unknown> | undefined
  /** The sends since the last other mutation; undefined if there are none. */
  #sends: Sends | undefined
  /** The last mutation that is not a send; undefined if it has ended. */
  #otherMutation: Promise<unknown> | undefined

  /**
   * Attaches a subscription; one that takes too long rejects with UNAVAILABLE, and is passed to `discard` when it is attached.
   */
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
    const earlier = this.#earlier(isSend)
    const result = earlier ? earlier.then(execute) : execute()
    if (!(result instanceof Promise)) return result
    if (isSend) return (this.#sends ??= new Sends()).add(result)
    const done = result.then(() => {
      if (this.#otherMutation === done) this.#otherMutation = undefined
    })
    this.#otherMutation = done
    return result
  }

  /** What a mutation has to wait for; undefined if nothing. */
  #earlier(isSend: boolean): Promise<unknown> | undefined {
    const earlier = both(this.#subscriptions, this.#otherMutation)
    const sends = this.#sends
    if (isSend || !sends) return earlier
    // Later operations wait for this mutation.
    this.#sends = undefined
    return sends.running > 0 ? both(earlier, sends.ended()) : earlier
  }
}

const both = (one: Promise<unknown> | undefined, other: Promise<unknown> | undefined): Promise<unknown> | undefined =>
  one && other ? Promise.all([one, other]) : (one ?? other)

/** A group of concurrent sends. */
class Sends {
  running = 0
  #resolve: (() => void) | undefined

  add<T>(result: Promise<T>): Promise<T> {
    this.running++
    return result.then((sent) => {
      if (--this.running === 0) this.#resolve?.()
      return sent
    })
  }

  /** Resolves when all that were added have ended; call it once, while some are running. */
  ended(): Promise<void> {
    return new Promise((resolve) => (this.#resolve = resolve))
  }
}
