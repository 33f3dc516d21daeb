import { isDeepStrictEqual } from 'node:util'
import { ChatError } from '../errors.ts'
import { LAST_TIME } from '../ids.ts'
import type { BanRecord } from '../store/bans.ts'
import type { Store } from '../store/store.ts'

/** A user who may not connect, whatever token they have. The message says until when, and never why. */
export class BannedError extends ChatError {
  constructor(text: string) {
    super('FORBIDDEN', text)
  }
}

/** Which users may not connect: those who are banned, and those who were erased. */
export interface Bans {
  /** The text for the user, `banned` or `banned until <time>`; undefined if not banned now. */
  textOf(userId: number): string | undefined
  /** Applies a record stored here or by another node; a record older than the known one is ignored. */
  apply(ban: BanRecord): void
  /** Reads what was stored since the last call; resolves with the users it bans. */
  refresh(): Promise<number[]>
}

/** Stored in the database; bans are few, so each node holds all of them in memory. */
export function createBans(store: Pick<Store, 'bans'>): Bans {
  const byUser = new Map<number, BanRecord>()
  let readUntil = 0

  function textOf(userId: number): string | undefined {
    const ban = byUser.get(userId)
    if (!ban) return undefined
    if (ban.isErased || ban.until === LAST_TIME) return 'banned'
    return ban.until !== null && ban.until > Date.now() ? `banned until ${new Date(ban.until).toISOString()}` : undefined
  }

  function apply(ban: BanRecord): boolean {
    const known = byUser.get(ban.userId)
    if (known && (known.changedAt > ban.changedAt || isDeepStrictEqual(known, ban))) return false
    byUser.set(ban.userId, ban)
    return true
  }

  return {
    textOf,
    apply: (ban) => void apply(ban),
    async refresh() {
      const { bans, readAt } = await store.bans.since(readUntil)
      readUntil = readAt
      const changed = bans.filter(apply).map(({ userId }) => userId)
      return changed.filter((userId) => textOf(userId) !== undefined)
    },
  }
}
