import type { Deadline, TimerWheel } from '../lib/timer-wheel.ts'
import type { Store } from '../store/store.ts'
import type { DueAnnouncement } from '../store/users.ts'
import type { Commits } from './commit.ts'
import { changeForContacts } from './contacts.ts'
import type { ProfilePayload } from './events.ts'

/**
 * Tells contacts of changed names and avatars, each user's at most once in 3 s, the last state. That there is something to tell is stored
 * with the change; the node that made it tells of it, or else any node's sweep.
 */
export interface ProfileUpdates {
  /** Tells of changes when they are due. */
  schedule(due: readonly DueAnnouncement[]): void
  /** Announces everything that is due and was not announced yet, as after a node died. */
  sweep(): Promise<void>
  /** Resolves when no announcement is under way. */
  idle(): Promise<void>
  /** What is not due yet is left to the other nodes. */
  stop(): Promise<void>
}

export interface ProfileUpdatesOptions {
  store: Store
  commits: Commits
  wheel: TimerWheel
  onError: (error: unknown) => void
}

/** Clocks of node and database may differ a little in how long a moment is. */
const MARGIN_MS = 20
const SWEEP_LIMIT = 100
/** What is more is left to the sweep. */
const QUEUE_LIMIT = 10_000

export function createProfileUpdates({ store, commits, wheel, onError }: ProfileUpdatesOptions): ProfileUpdates {
  const waiting = new Map<number, Deadline>()
  const queue = new Set<number>()
  let working: Promise<void> | undefined
  let isStopped = false

  async function announce(userId: number): Promise<void> {
    await changeForContacts({ store, commits }, userId, async (tx, topics) => {
      const user = await tx.users.takeAnnouncement(userId)
      // Another node was faster, or it is not due any more.
      if (!user) return
      const payload: ProfilePayload = { user }
      tx.append({ topics, kind: 'user_updated', payload })
    })
  }

  /** One after the other: a storm of changes must not take the connections of everything else. */
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
