import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExecutionResult } from 'graphql'
import type { PreparedRequest } from './requests.ts'

/** Operations that resolve at most this many fields have small answers. */
export const SMALL_COST = 100

/** Instead of a result: its client has to read first. */
const NOT_NOW: ExecutionResult = {}

/**
 * Builds the large answers of each user one after the other, each when the client has read most of the previous one, so that
 * few are in memory.
 */
export class LargeAnswers {
  /** Settles when a user's last queued answer is built. */
  readonly #lastOf = new Map<number, Promise<void>>()

  /** `execute` must not throw or reject. */
  async make(
    { viewer: { userId }, reader }: Pick<PreparedRequest, 'viewer' | 'reader'>,
    execute: () => ExecutionResult | Promise<ExecutionResult>,
  ): Promise<ExecutionResult> {
    for (;;) {
      for (let room = reader?.ready(); room; room = reader?.ready()) await room
      const result = await this.#inTurn(userId, async () => {
        // The previous answer is on its way to its transport, which then reports what is unread there.
        await nextTurn()
        return reader?.ready() ? NOT_NOW : execute()
      })
      if (result !== NOT_NOW) return result
    }
  }

  #inTurn(userId: number, execute: () => Promise<ExecutionResult>): Promise<ExecutionResult> {
    const before = this.#lastOf.get(userId)
    const result = before ? before.then(execute) : execute()
    const made = result.then(() => {
      if (this.#lastOf.get(userId) === made) this.#lastOf.delete(userId)
    })
    this.#lastOf.set(userId, made)
    return result
  }
}
