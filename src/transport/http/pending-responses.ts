import type { ServerResponse } from 'node:http'
import type { Viewer } from '../../auth/verify.ts'
import { ChatError } from '../../errors.ts'

/** How many responses of one user, who is no admin, may be open: in progress, or not read completely. */
const ANSWERS_LIMIT = 100

/** How much of them may be unread before new ones are refused; Node counts bytes, or characters of a string. */
const UNREAD_LIMIT = 8 * 1_048_576

/** HTTP responses that users have requested and not read completely. */
export interface PendingResponses {
  /**
   * Registers a response until it is closed, or until the returned function is called: a stream has limits of its own. Throws
   * RATE_LIMITED if the user has too many, or leaves too much unread.
   */
  acquire(viewer: Viewer, response: ServerResponse): () => void
  /** Resolves when one of the user's responses was read completely; undefined if little of them is unread. */
  ready(userId: number): Promise<void> | undefined
}

/** One response may be large; a client that requests the next one without reading it would fill the memory. */
export function createPendingResponses(): PendingResponses {
  const byUser = new Map<number, Set<ServerResponse>>()
  return {
    acquire({ userId, isAdmin }, response) {
      const open = byUser.get(userId) ?? new Set()
      let unread = 0
      for (const { writableLength } of open) unread += writableLength
      // An admin may be a whole application that asks for many users at once.
      if (open.size >= ANSWERS_LIMIT && !isAdmin)
        throw new ChatError(
          'RATE_LIMITED',
          `more than ${ANSWERS_LIMIT} requests at the same time: wait for an answer, then ask again`,
        )
      if (unread > UNREAD_LIMIT)
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
