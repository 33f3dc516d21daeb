import { badInput, notFound } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { StoreParts, Transaction } from '../store/store.ts'
import type { UserRecord } from '../store/users.ts'
import { directId } from './access.ts'
import type { Commits } from './commit.ts'
import { userTopic, type BlockPayload } from './events.ts'
import type { Typing } from './typing.ts'

export interface Blocks {
  /**
   * Blocks a user: the two can't write, react or type to each other directly, and neither sees the other's presence. A repeat
   * changes nothing. Returns the other user. Throws NOT_FOUND, and BAD_USER_INPUT for oneself or past the limit.
   */
  block(userId: number, otherId: number): Promise<UserRecord>
  /** Removes the user's own block; a repeat changes nothing. Throws as `block` does. */
  unblock(userId: number, otherId: number): Promise<UserRecord>
}

export interface BlocksOptions {
  store: Pick<StoreParts, 'conversations'>
  commits: Commits
  typing: Pick<Typing, 'stop'>
  /** Members of larger groups get no presence events. */
  presenceGroupLimit: number
}

export function createBlocks({ store, commits, typing, presenceGroupLimit }: BlocksOptions): Blocks {
  async function add(tx: Transaction, userId: number, otherId: number): Promise<boolean> {
    if (!(await tx.blocks.add(userId, otherId))) return false
    if ((await tx.blocks.count(userId)) > LIMITS.blocksOfUser)
      throw badInput(`too many blocked users, expected at most ${LIMITS.blocksOfUser}`)
    return true
  }

  /** `isChanged`: whether anything changed. */
  async function change(userId: number, otherId: number, blocked: boolean): Promise<{ user: UserRecord; isChanged: boolean }> {
    if (userId === otherId) throw badInput('userId is yourself, expected another user')
    const topics = [userTopic(userId), userTopic(otherId)]
    return await commits.run(async (tx) => {
      // Lock both topics, so that both users see their blocks in the same order, and a send that waits for the lock checks
      // again.
      await tx.lock(topics)
      const user = (await tx.users.byIds([otherId])).get(otherId)
      if (!user) throw notFound(`there is no user ${otherId}`)
      const isChanged = await (blocked ? add(tx, userId, otherId) : tx.blocks.remove(userId, otherId))
      if (!isChanged) return { user, isChanged }
      const payload: BlockPayload = {
        blockerId: userId,
        user: { id: otherId, name: user.name, avatar: user.avatar },
        blocked,
        isPairBlocked: (await tx.blocks.pairedWith(userId, [otherId])).has(otherId),
        sharePresence: await tx.conversations.sharePresence(userId, otherId, presenceGroupLimit),
      }
      tx.append({ topics, kind: 'block_changed', payload, changesAccess: true })
      return { user, isChanged }
    })
  }

  return {
    async block(userId, otherId) {
      const { user, isChanged } = await change(userId, otherId, true)
      if (isChanged) {
        const stored = await store.conversations.byPair(userId, otherId)
        const conversationId = stored?.id ?? directId(userId, otherId)
        for (const typist of [userId, otherId]) typing.stop(typist, conversationId)
      }
      return user
    },

    async unblock(userId, otherId) {
      return (await change(userId, otherId, false)).user
    },
  }
}
