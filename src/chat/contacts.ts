import type { StoreParts, Transaction } from '../store/store.ts'
import type { Commits } from './commit.ts'
import { userTopic } from './events.ts'

/** The topics of a user and their contacts; a subscriber to several of them gets an event once (see `goesToContacts`). */
async function contactTopics({ conversations }: Pick<StoreParts, 'conversations'>, userId: number): Promise<string[]> {
  const memberships = (await conversations.memberships([userId])).get(userId)
  return [userTopic(userId), ...(memberships?.contacts ?? []), ...(memberships?.groups ?? []).map(({ topic }) => topic)]
}

/**
 * Runs a change whose event goes to a user's contacts in one transaction that holds the locks of `topics`: those of the user
 * and of everyone who shares a conversation with them while the locks are held.
 */
export async function changeForContacts<T>(
  { store, commits }: { store: Pick<StoreParts, 'conversations'>; commits: Commits },
  userId: number,
  change: (tx: Transaction, topics: readonly string[]) => Promise<T>,
): Promise<T> {
  for (let locked = await contactTopics(store, userId); ;) {
    const outcome = await commits.run(async (tx) => {
      await tx.lock(locked)
      // Conversations begin and end under the lock of the user's topic or the group's. If one began before the lock was
      // acquired, all topics are locked again together, since locks are always taken in the same order.
      const topics = await contactTopics(tx, userId)
      return topics.every((topic) => locked.includes(topic)) ? { result: await change(tx, topics) } : { topics }
    })
    if ('result' in outcome) return outcome.result
    locked = outcome.topics
  }
}
