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
   * Reads one state of the database. `read` must read by what it is given alone. Rejects with UNAVAILABLE where too many wait for the
   * same, or no cursor of such a state can be made now.
   */
  read<T>(userId: number, read: (snapshot: SnapshotReads) => Promise<T>): Promise<T>
}

/** How often a snapshot is taken that no cursor has room for: hundreds of transactions run then. */
const ATTEMPTS = 5
const RETRY_MS = 20
/** How many may wait for a slot, and how long. */
const WAITING_LIMIT = 1000
const WAIT_MS = 5000

const unavailable = (reason: string): ChatError => new ChatError('UNAVAILABLE', `${reason}; try again in a second`)

/**
 * Each holds a connection for as long as it reads, so `limit` of them read at once and the rest of the pool is for everything else. The
 * embedded database has one connection: there one reads at a time, and a write waits for it.
 */
export function createSnapshots({ store, limit }: { store: Pick<Store, 'snapshot'>; limit: number }): Snapshots {
  const slots = new Slots(limit, WAITING_LIMIT)

  async function attempt<T>(read: (snapshot: SnapshotReads) => Promise<T>): Promise<{ result: T } | undefined> {
    return await store.snapshot(async (snapshot: Snapshot) => {
      const cursor = encodeCursor(snapshot.position, snapshot.key)
      if (cursor === undefined) return undefined
      const { log } = snapshot
      return { result: await read({ cursor, access: createAccess(snapshot), reads: createReads(snapshot), log }) }
    })
  }

  return {
    async read(userId, read) {
      const release = await slots.acquire(userId, WAIT_MS)
      if (!release) throw unavailable('too many queries with cursor wait')
      try {
        for (let count = 1; count <= ATTEMPTS; count++) {
          const done = await attempt(read)
          if (done) return done.result
          await wait(count * RETRY_MS)
        }
      } finally {
        release()
      }
      throw unavailable('too many transactions run for a cursor')
    },
  }
}
