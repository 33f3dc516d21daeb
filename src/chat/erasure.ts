import { badInput, notFound } from '../errors.ts'
import type { BanRecord } from '../store/bans.ts'
import type { Store } from '../store/store.ts'
import type { Also, Commits } from './commit.ts'
import { changeForContacts } from './contacts.ts'
import { emptyMessages } from './deletions.ts'
import { userTopic, type ErasurePayload } from './events.ts'
import type { Groups } from './groups.ts'

export interface Erasure {
  /**
   * Erases everything of a user except ids and the places of messages; resolves with the number of emptied messages. A repeat
   * continues an interrupted erasure. `enforce` shuts the user out once that is stored. Throws NOT_FOUND, and BAD_USER_INPUT
   * for oneself.
   */
  erase(adminId: number, userId: number, enforce: (ban: BanRecord) => Promise<void>, also: Also): Promise<number>
}

/** Messages emptied in one transaction; their conversations wait for it. */
const MESSAGES_AT_ONCE = 100
const ROWS_AT_ONCE = 5000
/** The log is processed in this many parts, or hour by hour. */
const PARTS = 200
const HOUR_MS = 3_600_000

export function createErasure(options: { store: Store; commits: Commits; groups: Pick<Groups, 'expelErased'> }): Erasure {
  const { store, commits, groups } = options

  async function emptyAll(adminId: number, userId: number): Promise<number> {
    const ids = await store.erasure.messageIds(userId)
    let count = 0
    for (let start = 0; start < ids.length; start += MESSAGES_AT_ONCE) {
      const some = ids.slice(start, start + MESSAGES_AT_ONCE)
      count += await commits.run(async (tx) => {
        const emptied = await emptyMessages(tx, some, adminId)
        await tx.erasure.keys(some)
        return emptied.length
      })
    }
    return count
  }

  async function eraseFromLog(userId: number): Promise<void> {
    const end = Date.now() + HOUR_MS
    const begin = (await store.erasure.firstEventAt()) ?? end
    const step = Math.max(HOUR_MS, (end - begin) / PARTS)
    for (let from = begin; from < end; from += step) await store.erasure.events(userId, from, from + step)
    await store.erasure.ownTopic(userTopic(userId))
  }

  return {
    async erase(adminId, userId, enforce, also) {
      if (userId === adminId) throw badInput('userId is yourself, expected another user')
      if (!(await store.users.byIds([userId])).has(userId)) throw notFound(`there is no user ${userId}`)
      // First, so that nothing new is added after the erasure.
      const ban = await commits.run((tx) => tx.bans.setErased(userId, true), also)
      if (ban) await enforce(ban)
      const count = await emptyAll(adminId, userId)
      while ((await store.erasure.traces(userId, ROWS_AT_ONCE)) > 0);
      await store.erasure.belongings(userId)
      await changeForContacts({ store, commits }, userId, async (tx, topics) => {
        if (!(await tx.erasure.profile(userId)) && !ban) return
        const payload: ErasurePayload = { userId }
        tx.append({ topics, kind: 'user_erased', payload })
      })
      const { groups: memberships = [] } = (await store.conversations.memberships([userId])).get(userId) ?? {}
      for (const { topic } of memberships) await groups.expelErased(userId, Number(topic.slice('group:'.length)))
      // Again, for the memberships that just ended.
      await store.erasure.belongings(userId)
      await eraseFromLog(userId)
      return count
    },
  }
}
