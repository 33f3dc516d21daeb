import type { ServerResponse } from 'node:http'
import { ChatError } from '../../errors.ts'

/** How many answers of one user may be open: being made, or not read to their end. */
const ANSWERS_LIMIT = 100

/** How much of them may wait to be read before there are no more; what Node counts are bytes, or characters of a text. */
const UNREAD_LIMIT = 8 * 1_048_576

/** The answers over HTTP that users have asked for and not read to their end. */
export interface PendingResponses {
  /**
   * Takes one in until it is closed, or until what is returned is called: a stream has limits of its own. Throws RATE_LIMITED where the
   * user has too many, or leaves too much unread.
   */
  acquire(userId: number, response: ServerResponse): () => void
  /** Resolves when one of the user's answers was read to its end; undefined where little of them is unread. */
  ready(userId: number): Promise<void> | undefined
}

/** One answer may be large; who asks for the next without reading it would fill the memory. */
export function createPendingResponses(): PendingResponses {
  const byUser = new Map<number, Set<ServerResponse>>()
  return {
    acquire(userId, response) {
      const open = byUser.get(userId) ?? new Set()
      let unread = 0
      for (const { writableLength } of open) unread += writableLength
      if (open.size >= ANSWERS_LIMIT || unread > UNREAD_LIMIT)
        throw new ChatError('RATE_LIMITED', 'too many answers are not read yet: read them, then ask again')
      const release = (): void => {
        open.delete(response)
        if (open.size === 0 && byUser.get(userId) === open) byUser.delete(userId)
      }
      if (response.closed) return release
      byUser.set(userId, open.add(response))
      response.once('close', release)
      return release
    },

    ready(userId) {
      const unread = [...(byUser.get(userId) ?? [])].filter(({ writableLength }) => writableLength > 0)
      if (unread.reduce((sum, { writableLength }) => sum + writableLength, 0) < UNREAD_LIMIT / 2) return undefined
      return new Promise((resolve) => {
        for (const response of unread) response.once('close', resolve)
      })
    },
  }
}
