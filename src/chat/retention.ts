import type { Store } from '../store/store.ts'
import type { Commits } from './commit.ts'
import { emptyMessages } from './deletions.ts'

export interface Retention {
  /**
   * Deletes messages older than `days` for good, with everything that belongs to them, in transactions of a few milliseconds;
   * resolves with their number. There is no event: counts shrink. A message preceded by younger ones of its conversation, as an
   * import may create, is emptied and deleted after them. A concurrent call resolves with the result of the running one.
   */
  sweep(days: number): Promise<number>
}

const MESSAGES_AT_ONCE = 200
const MEMBERS_AT_ONCE = 200
const DAY_MS = 86_400_000

export function createRetention({ store, commits }: { store: Store; commits: Commits }): Retention {
  /** Pointers first, in their own transaction: senders wait at most for the row of their membership. */
  async function movePointers(conversationId: string, messageId: number): Promise<void> {
    for (;;) {
      const moved = await commits.run(async (tx) => {
        const userIds = await tx.retention.lockBehind(conversationId, messageId, MEMBERS_AT_ONCE)
        if (userIds.length > 0) await tx.retention.moveTo(conversationId, messageId, userIds)
        return userIds.length
      })
      if (moved < MEMBERS_AT_ONCE) return
    }
  }

  /** Deletes a conversation's messages from its beginning as far as they are old. */
  async function removeBeginning(conversationId: string, before: number): Promise<number> {
    for (let count = 0; ;) {
      const ids = await store.retention.beginning(conversationId, before, MESSAGES_AT_ONCE)
      const last = ids.at(-1)
      if (last === undefined) return count
      await movePointers(conversationId, last)
      count += await commits.run((tx) => tx.retention.remove(ids))
      if (ids.length < MESSAGES_AT_ONCE) return count
    }
  }

  async function sweepAll(days: number): Promise<number> {
    const before = Date.now() - days * DAY_MS
    for (let count = 0; ;) {
      const expired = await store.retention.expired(before, MESSAGES_AT_ONCE)
      for (const conversationId of new Set(expired.map((message) => message.conversationId)))
        count += await removeBeginning(conversationId, before)
      const left = [...(await store.messages.byIds(expired.map(({ id }) => id))).keys()]
      if (left.length > 0) {
        await commits.run(async (tx) => {
          await emptyMessages(tx, left, null)
          await tx.retention.wait(left)
        })
      }
      if (expired.length < MESSAGES_AT_ONCE) return count
    }
  }

  let running: Promise<number> | undefined
  return {
    sweep: (days) => (running ??= sweepAll(days).finally(() => (running = undefined))),
  }
}
