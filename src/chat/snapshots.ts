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
  cursor: string
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

  async function attempt<T>(read: (snapshot: SnapshotReads) => Promise<T>): Promise<{ result: T } | undefined> {
    return await store.snapshot(async (snapshot: Snapshot) => {
      const cursor = encodeCursor(snapshot.position, snapshot.key)
      if (cursor === undefined) return undefined
      const { log } = snapshot
      return { result: await read({ cursor, access: createAccess(snapshot), reads: createReads(snapshot), log }) }
    })
  }

  async function attempts<T>(read: (snapshot: SnapshotReads) => Promise<T>): Promise<T> {
    for (let count = 1; count <= ATTEMPTS; count++) {
      const done = await attempt(read)
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
