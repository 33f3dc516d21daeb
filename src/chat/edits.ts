import { badInput, ChatError, forbidden, notFound } from '../errors.ts'
import type { ConversationRecord } from '../store/conversations.ts'
import type { MessageRecord } from '../store/messages.ts'
import type { Transaction } from '../store/store.ts'
import { problemWithContent } from '../limits.ts'
import { topicsOf, type Access } from './access.ts'
import type { Commits } from './commit.ts'
import { isSameSet, problemWithMentions, refusalError } from './refusals.ts'
import { indexed } from './search-index.ts'

export interface EditInput {
  messageId: number
  content: string
  /** Members of the conversation; null or absent: unchanged. */
  mentionIds?: readonly number[] | null | undefined
  /** If given, must match the message's conversation. */
  isGroup?: boolean | null | undefined
}

export interface Edits {
  /**
   * Edits one of the user's own messages by the rules of sending; returns its new state. If nothing changes, nothing is pushed.
   * Throws NOT_FOUND for a deleted message, FORBIDDEN for someone else's or one that is too old.
   */
  edit(userId: number, input: EditInput): Promise<MessageRecord>
}

const HOUR_MS = 3_600_000

/** `editHours`: how long after sending a message may be edited; 0: no limit. */
export function createEdits(options: { access: Access; commits: Commits; editHours: number }): Edits {
  const { access, commits, editHours } = options

  /** The message as read under the lock. Throws if the user may not edit it. */
  async function ownMessage(tx: Transaction, userId: number, messageId: number): Promise<MessageRecord> {
    const message = (await tx.messages.byIds([messageId])).get(messageId)
    if (!message) throw notFound(`there is no message ${messageId}`)
    if (message.senderId !== userId) throw forbidden('only its sender may edit a message')
    if (message.deletedAt !== undefined) throw notFound(`message ${messageId} is deleted`)
    const refusal = await tx.messages.postRefusal(userId, message.conversationId)
    if (refusal !== null) {
      throw refusalError(refusal, { senderId: userId, receiverId: null, conversationId: message.conversationId })
    }
    if (editHours > 0 && Date.now() > message.at + editHours * HOUR_MS) {
      throw new ChatError('FORBIDDEN', `a message may be edited for ${editHours} hours after it was sent, and this one is older`)
    }
    return message
  }

  return {
    async edit(userId, { messageId, content, mentionIds: given, isGroup }) {
      const mentionIds = given == null ? undefined : [...new Set(given)]
      // Whether content may be empty depends on the message; other problems are reported first.
      const problem = problemWithContent(content, true) ?? problemWithMentions(mentionIds)
      if (problem !== null) throw badInput(problem)
      const { conversation } = await access.message(userId, messageId, isGroup)
      const topics = topicsOf(conversation)
      return await commits.run(async (tx) => {
        await tx.lock(topics)
        const message = await ownMessage(tx, userId, messageId)
        const contentProblem = problemWithContent(content, message.mediaUrl !== null)
        if (contentProblem !== null) throw badInput(contentProblem)
        const sameMentions = mentionIds === undefined || isSameSet(mentionIds, message.mentionIds)
        if (message.content === content && sameMentions) return message
        if (!sameMentions && !(await areMembers(tx, conversation, mentionIds))) {
          throw refusalError('not_mentionable', { senderId: userId, receiverId: null, conversationId: conversation.id })
        }
        await tx.messages.edit(messageId, { content, mentionIds: sameMentions ? undefined : mentionIds })
        const edited = (await tx.messages.byIds([messageId])).get(messageId) as MessageRecord
        await tx.search.replace(indexed(edited))
        tx.append({ topics, kind: 'message_edited', payload: null, message: edited })
        return edited
      })
    },
  }
}

async function areMembers(tx: Transaction, { id, pair }: ConversationRecord, userIds: readonly number[]): Promise<boolean> {
  if (pair) return userIds.every((userId) => pair.includes(userId))
  return (await tx.conversations.membersAmong(id, userIds)).size === userIds.length
}
