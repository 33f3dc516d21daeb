import { badInput, notFound } from '../errors.ts'
import type { ReactionRecord } from '../store/reactions.ts'
import type { Transaction } from '../store/store.ts'
import { refuseBlocked, topicsOf, type Access } from './access.ts'
import type { Commits } from './commit.ts'
import type { ReactionPayload } from './events.ts'
import { LIMITS, problemWithReaction, reactionKey } from '../limits.ts'

export interface Reactions {
  /**
   * Adds a reaction; a repeat changes and pushes nothing. Returns the users who have it now (docs/protocol.md, section 3.4).
   */
  add(userId: number, messageId: number, reaction: string, isGroup?: boolean | null): Promise<ReactionRecord>
  /**
   * Removes a reaction; a repeat changes and pushes nothing. Returns the users who have it now (docs/protocol.md, section 3.5).
   */
  remove(userId: number, messageId: number, reaction: string, isGroup?: boolean | null): Promise<ReactionRecord>
}

const tooMany = `too many reactions, expected at most ${LIMITS.reactionsOfUser} different ones of a user to a message`

/** Adds a reaction; false if the user has added it before. Throws NOT_FOUND if the message is deleted. */
async function add(tx: Transaction, messageId: number, userId: number, reaction: string): Promise<boolean> {
  const outcome = await tx.reactions.add(messageId, userId, reaction)
  if (outcome === 'no_message') throw notFound(`message ${messageId} is deleted`)
  return outcome === 'added'
}

export function createReactions({ access, commits }: { access: Access; commits: Commits }): Reactions {
  async function change(
    kind: 'reaction_added' | 'reaction_removed',
    userId: number,
    messageId: number,
    reaction: string,
    isGroup: boolean | null | undefined,
  ): Promise<ReactionRecord> {
    const problem = problemWithReaction(reaction)
    if (problem !== null) throw badInput(problem)
    const { conversation } = await access.message(userId, messageId, isGroup)
    const topics = topicsOf(conversation)
    return await commits.run(async (tx) => {
      // Under the topic's lock, so that the count is exactly the one after this change.
      await tx.lock(topics)
      // A member removed while this waited for the lock adds nothing.
      const isMember = !conversation.isGroup || (await tx.conversations.memberOf(userId, [conversation.id])).size > 0
      if (!isMember) throw notFound(`there is no message ${messageId}`)
      if (kind === 'reaction_added') await refuseBlocked(tx, conversation)
      const given = await tx.reactions.given(messageId, userId)
      const same = given.find((other) => reactionKey(other.reaction) === reactionKey(reaction))
      // Another spelling of a stored reaction counts as that reaction and is shown with the stored spelling.
      const shown = same?.reaction ?? reaction
      if (kind === 'reaction_added' && !same?.isOwn) {
        const own = given.filter(({ isOwn }) => isOwn).length
        if (own >= LIMITS.reactionsOfUser) throw badInput(tooMany)
      }
      const changed = await (kind === 'reaction_added'
        ? add(tx, messageId, userId, shown)
        : tx.reactions.remove(messageId, userId, shown))
      const userIds = await tx.reactions.users(messageId, shown)
      const payload: ReactionPayload = {
        messageId,
        conversationId: conversation.id,
        isGroup: conversation.isGroup,
        userId,
        reaction: shown,
        userIds,
      }
      if (changed) tx.append({ topics, kind, payload })
      return { messageId, reaction: shown, userIds }
    })
  }

  return {
    add: (userId, messageId, reaction, isGroup) => change('reaction_added', userId, messageId, reaction, isGroup),
    remove: (userId, messageId, reaction, isGroup) => change('reaction_removed', userId, messageId, reaction, isGroup),
  }
}
