import { createBatchLoader } from '../lib/batch-loader.ts'
import type { ContactPage, ContactPageKey } from '../store/conversations.ts'
import type { StoreParts, Transaction } from '../store/store.ts'
import type { Commits } from './commit.ts'
import { userTopic } from './events.ts'

type Conversations = Pick<StoreParts, 'conversations'>

/** How many conversations one statement looks through for contacts: somebody with many must not hold up the others. */
const PAGE = 500

/** A user's contacts: the others of their direct conversations. */
async function contactsOf(readPage: (key: ContactPageKey) => Promise<ContactPage>, userId: number): Promise<number[]> {
  const found: number[] = []
  for (let after: string | undefined = ''; after !== undefined;) {
    const { contacts, next }: ContactPage = await readPage({ userId, after, limit: PAGE })
    for (const contact of contacts) found.push(contact)
    after = next
  }
  return found
}

/** Loads the contacts of a user; calls of one turn are batched. */
export function createContactsLoader({ conversations }: Conversations): (userId: number) => Promise<number[]> {
  const readPage = createBatchLoader<ContactPageKey, ContactPage>((keys) => conversations.contactPages(keys))
  return (userId) => contactsOf(readPage, userId)
}

/** The topics of a user and their contacts; a subscriber to several of them gets an event once (see `goesToContacts`). */
async function contactTopics({ conversations }: Conversations, userId: number): Promise<string[]> {
  const memberships = (await conversations.memberships([userId])).get(userId)
  const contacts = await contactsOf(async (key) => (await conversations.contactPages([key]))[0] as ContactPage, userId)
  return [userTopic(userId), ...contacts.map(userTopic), ...(memberships?.groups ?? []).map(({ topic }) => topic)]
}

/**
 * Runs a change whose event goes to a user's contacts in one transaction that holds the locks of `topics`: those of the user
 * and of everyone who shares a conversation with them while the locks are held.
 */
export async function changeForContacts<T>(
  { store, commits }: { store: Conversations; commits: Commits },
  userId: number,
  change: (tx: Transaction, topics: readonly string[]) => Promise<T>,
): Promise<T> {
  for (let locked = new Set(await contactTopics(store, userId)); ;) {
    const outcome = await commits.run(async (tx) => {
      await tx.lock([...locked])
      // Conversations begin and end under the lock of the user's topic or the group's. If one began before the lock was
      // acquired, all topics are locked again together, since locks are always taken in the same order.
      const topics = await contactTopics(tx, userId)
      return topics.every((topic) => locked.has(topic)) ? { result: await change(tx, topics) } : { topics }
    })
    if ('result' in outcome) return outcome.result
    locked = new Set(outcome.topics)
  }
}
