import { setTimeout as wait } from 'node:timers/promises'
import { ChatError } from '../errors.ts'
import { Slots } from '../lib/slots.ts'
import type { EventLog } from '../store/event-log.ts'
import type { Snapshot, Store } from '../store/store.ts'
import { createAccess, type Access } from './access.ts'
import { encodeCursor } from './cursor.ts'
import { createReads, type Reads } from './reads.ts'

/** One state of the database, and the cursor after which the event stream goes on from it. */
export interface SnapshotReads {
  cursor(): Promise<string>
  access: Access
  reads: Reads
  log: Pick<EventLog, 'heads'>
}

export interface Snapshots {
  /**
   * Reads one state of the database. `read` must use only the store it is passed. Rejects with UNAVAILABLE if too many callers
   * wait, or no cursor for such a state can be made now.
   */
  read<T>(userId: number, read: (snapshot: SnapshotReads) => Promise<T>): Promise<T>
}

/** How often to retry a snapshot whose cursor would be too long: hundreds of transactions are running then. */
const ATTEMPTS = 5
const RETRY_MS = 20
/** How many callers may wait for a slot, and how long. */
const WAITING_LIMIT = 1000
const WAIT_MS = 5000

/**
 * Each holds a connection while it reads, so `limit` of them read at the same time and the rest of the pool serves everything
 * else. The embedded database has one connection: one reads at a time, and writes wait.
 */
export function createSnapshots({ store, limit }: { store: Pick<Store, 'snapshot'>; limit: number }): Snapshots {
  const slots = new Slots({ count: limit, perUser: Math.ceil(limit / 2), waitingLimit: WAITING_LIMIT })

  /** Undefined if the snapshot's cursor is too long. It is read along with everything else, or before it on a retry. */
  async function attempt<T>(
    read: (snapshot: SnapshotReads) => Promise<T>,
    { isRetry }: { isRetry: boolean },
  ): Promise<{ result: T } | undefined> {
    return await store.snapshot(async (snapshot: Snapshot) => {
      const cursor = snapshot.readPosition().then(({ position, key }) => encodeCursor(position, key))
      if (isRetry && (await cursor) === undefined) return undefined
      const { log } = snapshot
      const reading = read({
        // A result without one is discarded.
        cursor: async () => (await cursor) ?? '',
        access: createAccess(snapshot),
        reads: createReads(snapshot),
        log,
      })
      const [text, result] = await Promise.all([cursor, reading])
      return text === undefined ? undefined : { result }
    })
  }

  async function attempts<T>(read: (snapshot: SnapshotReads) => Promise<T>): Promise<T> {
    for (let count = 1; count <= ATTEMPTS; count++) {
      const done = await attempt(read, { isRetry: count > 1 })
      if (done) return done.result
      await wait(count * RETRY_MS)
    }
    throw new ChatError('UNAVAILABLE', 'too many transactions run for a cursor; try again in a second')
  }

  return {
    async read(userId, read) {
      return await slots.run(userId, WAIT_MS, () => attempts(read), 'too many queries with cursor wait; try again in a second')
    },
  }
}
