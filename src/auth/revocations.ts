import type { Store, Transaction } from '../store/store.ts'
import type { Viewer } from './verify.ts'

/** Which tokens an administrator has revoked: those of a user that were issued before a time. */
export interface Revocations {
  isRevoked(viewer: Pick<Viewer, 'userId' | 'issuedAt'>): boolean
  /** Stores that the user's tokens from before `before`, in milliseconds since the epoch, are no longer good, and in the same transaction what `also` writes. */
  revoke(userId: number, before: number, also?: (tx: Transaction) => Promise<void>): Promise<void>
  /** Takes note of what was stored by another node. */
  learn(userId: number, before: number): void
  /** Reads what was stored since the last time; resolves with the users whose revocation this node did not know. */
  refresh(): Promise<number[]>
}

/** Kept in the database and, since there are few, in the memory of each node. */
export function createRevocations(store: Store): Revocations {
  const byUser = new Map<number, number>()
  let readUntil = 0

  function learn(userId: number, before: number): boolean {
    if ((byUser.get(userId) ?? 0) >= before) return false
    byUser.set(userId, before)
    return true
  }

  return {
    // Tokens count in whole seconds: one of the second in which it was revoked is from before.
    isRevoked: ({ userId, issuedAt }) => issuedAt < (byUser.get(userId) ?? 0),
    learn: (userId, before) => void learn(userId, before),

    async revoke(userId, before, also) {
      await store.transaction(async (tx) => {
        await tx.revocations.add(userId, before)
        await also?.(tx)
      })
      learn(userId, before)
    },

    async refresh() {
      const { revocations, readAt } = await store.revocations.since(readUntil)
      readUntil = readAt
      return revocations.filter(({ userId, before }) => learn(userId, before)).map(({ userId }) => userId)
    },
  }
}
