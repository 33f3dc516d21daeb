import type { Viewer } from '../auth/verify.ts'
import { Slots } from '../lib/slots.ts'

/**
 * How many statements of one user that look at everything they have run at the same time: each holds one of the connections to
 * the database that everybody shares. Others of the user wait this long. Admins have no such limit: theirs are often scripts.
 */
const SCANS_OF_USER = 2
const WAIT_MS = 10_000
const TOO_MANY = 'too many lists of this user are being read; try again in a second'

/** Runs a read whose time grows with what the user has, such as all of their conversations. Rejects with UNAVAILABLE if too many wait. */
export type Scan = <T>(viewer: Viewer, read: () => Promise<T>) => Promise<T>

/** For one node, which has one pool of connections. */
export function createScan(): Scan {
  const slots = new Slots({ count: Infinity, perUser: SCANS_OF_USER })
  return async ({ userId, isAdmin }, read) => (isAdmin ? await read() : await slots.run(userId, WAIT_MS, read, TOO_MANY))
}
