import { badInput, forbidden, notFound, type ChatError } from '../errors.ts'
import { excerpt, LIMITS } from '../limits.ts'
import type { NewMessage } from '../store/messages.ts'
import type { SendRefusal } from '../store/sql/send-messages.ts'

/** The same text for both users of a block, so that it does not reveal who blocked whom. */
export const BLOCKED = 'messages between you two are blocked'

/** Why the user can't post to a conversation, as an error for the client. */
export function refusalError(
  refusal: SendRefusal,
  about: Pick<NewMessage, 'senderId' | 'receiverId' | 'conversationId' | 'replyToId'>,
): ChatError {
  switch (refusal) {
    case 'no_sender':
      return notFound(`there is no user ${about.senderId}`)
    case 'no_receiver':
      return notFound(`there is no user ${about.receiverId}`)
    case 'no_group':
      return notFound(`there is no group conversation ${excerpt(about.conversationId ?? '')}`)
    case 'not_member':
      return forbidden('only members may send to this group')
    case 'closed_to_members':
      return forbidden('only owner and admins may send to this group now')
    case 'muted':
      return forbidden('you are muted in this group')
    case 'blocked':
      return forbidden(BLOCKED)
    case 'no_reply_target':
      return notFound(`there is no message ${about.replyToId} to answer in this conversation`)
    case 'not_mentionable':
      return badInput('mentionIds has somebody who is no member of this conversation, expected members only')
    case 'not_all_mentionable':
      return forbidden('only owner and admins of a group may mention everybody')
  }
}

/** What is wrong with a list of mentions; null if nothing. */
export const problemWithMentions = (mentionIds: readonly number[] | null | undefined): string | null =>
  mentionIds != null && mentionIds.length > LIMITS.mentions
    ? `mentionIds has ${mentionIds.length} users, expected at most ${LIMITS.mentions}`
    : null

/** Whether two lists without duplicates hold the same ids. */
export const isSameSet = (a: readonly number[] = [], b: readonly number[] = []): boolean =>
  a.length === b.length && a.every((id) => b.includes(id))
