import type { Store, Transaction } from '../store/store.ts'
import type { Viewer } from './verify.ts'

/** Revoked tokens: all tokens of a user that were issued before a given time. */
export interface Revocations {
  isRevoked(viewer: Pick<Viewer, 'userId' | 'issuedAt'>): boolean
  /**
   * Revokes the user's tokens issued before `before`, in milliseconds since the epoch, and runs `also` in the same transaction.
   */
  revoke(userId: number, before: number, also?: (tx: Transaction) => Promise<void>): Promise<void>
  /** Applies a revocation that another node stored. */
  apply(userId: number, before: number): void
  /** Reads what was stored since the last call; resolves with the users whose revocation is new to this node. */
  refresh(): Promise<number[]>
}

/** Stored in the database; revocations are few, so each node holds all of them in memory. */
export function createRevocations(store: Store): Revocations {
  const byUser = new Map<number, number>()
  let readUntil = 0

  function apply(userId: number, before: number): boolean {
    if ((byUser.get(userId) ?? 0) >= before) return false
    byUser.set(userId, before)
    return true
  }

  return {
    // `iat` is in whole seconds: a token issued in the second of the revocation counts as issued before it.
    isRevoked: ({ userId, issuedAt }) => issuedAt < (byUser.get(userId) ?? 0),
    apply: (userId, before) => void apply(userId, before),

    async revoke(userId, before, also) {
      await store.transaction(async (tx) => {
        await tx.revocations.add(userId, before)
        await also?.(tx)
      })
      apply(userId, before)
    },

    async refresh() {
      const { revocations, readAt } = await store.revocations.since(readUntil)
      readUntil = readAt
      return revocations.filter(({ userId, before }) => apply(userId, before)).map(({ userId }) => userId)
    },
  }
}
