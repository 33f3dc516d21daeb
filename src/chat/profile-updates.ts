import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import type { Store } from '../store/store.ts'
import type { DueAnnouncement } from '../store/users.ts'
import type { Commits } from './commit.ts'
import { changeForContacts } from './contacts.ts'
import type { ProfilePayload } from './events.ts'

/**
 * Announces changed names and avatars to contacts, for each user at most once in 3 s with the latest state. The pending
 * announcement is stored with the change; the node that made it announces it, or else any node's sweep.
 */
export interface ProfileUpdates {
  /** Announces changes when they are due. */
  schedule(due: readonly DueAnnouncement[]): void
  /** Announces everything due that has not been announced, as after a node died. */
  sweep(): Promise<void>
  /** Resolves when no announcement is in progress. */
  idle(): Promise<void>
  /** Announcements not due yet are left to the other nodes. */
  stop(): Promise<void>
}

export interface ProfileUpdatesOptions {
  store: Store
  commits: Commits
  wheel: TimerWheel
  onError: (error: unknown) => void
}

/** Tolerance for the difference between the clocks of node and database. */
const MARGIN_MS = 20
const SWEEP_LIMIT = 100
/** Beyond this the sweep does it. */
const QUEUE_LIMIT = 10_000

export function createProfileUpdates({ store, commits, wheel, onError }: ProfileUpdatesOptions): ProfileUpdates {
  const waiting = new Map<number, Deadline>()
  const queue = new Set<number>()
  let working: Promise<void> | undefined
  let isStopped = false

  async function announce(userId: number): Promise<void> {
    await changeForContacts({ store, commits }, userId, async (tx, topics) => {
      const user = await tx.users.claimAnnouncement(userId)
      // Another node has announced it, or it is no longer due.
      if (!user) return
      const payload: ProfilePayload = { user }
      tx.append({ topics, kind: 'user_updated', payload })
    })
  }

  /** One after the other: a burst of changes must not use up the connections. */
  async function work(): Promise<void> {
    for (let next; (next = queue.values().next().value) !== undefined;) {
      queue.delete(next)
      await announce(next).catch(onError)
    }
    working = undefined
  }

  function enqueue(userId: number): void {
    if (isStopped || queue.size >= QUEUE_LIMIT) return
    queue.add(userId)
    working ??= work()
  }

  return {
    schedule(due) {
      for (const { id, inMs } of due) {
        if (inMs <= 0) enqueue(id)
        else if (!waiting.has(id) && waiting.size < QUEUE_LIMIT && !isStopped) {
          const later = (): void => {
            waiting.delete(id)
            enqueue(id)
          }
          waiting.set(id, wheel.at(Date.now() + inMs + MARGIN_MS, later))
        }
      }
    },

    async sweep() {
      let due: number[]
      do {
        due = await store.users.dueAnnouncements(SWEEP_LIMIT)
        for (const id of due) enqueue(id)
        await working
      } while (due.length === SWEEP_LIMIT && !isStopped)
    },

    idle: () => working ?? Promise.resolve(),

    async stop() {
      isStopped = true
      for (const deadline of waiting.values()) deadline.cancel()
      waiting.clear()
      queue.clear()
      await working
    },
  }
}
