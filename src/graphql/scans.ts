import type { Viewer } from '../auth/verify.ts'
import { ChatError } from '../errors.ts'
import { Slots } from '../lib/slots.ts'

/**
 * How many statements of one user that look at everything they have run at the same time: each holds one of the connections to
 * the database that everybody shares. Others of the user wait this long. Admins have no such limit: theirs are often scripts.
 */
const SCANS_OF_USER = 2
const WAIT_MS = 10_000

/** Runs reads whose time grows with what the user has, such as all of their conversations. */
class Scans {
  readonly #slots = new Slots({ count: Infinity, perUser: SCANS_OF_USER })

  /** Rejects with UNAVAILABLE if too many of the user wait. */
  async run<T>({ userId, isAdmin }: Viewer, read: () => Promise<T>): Promise<T> {
    if (isAdmin) return await read()
    const release = await this.#slots.acquire(userId, WAIT_MS)
    if (!release) throw new ChatError('UNAVAILABLE', 'too many lists of this user are being read; try again in a second')
    try {
      return await read()
    } finally {
      release()
    }
  }
}

/** One for the process, which has one pool of connections. */
export const scans = new Scans()
