import { isDeepStrictEqual } from 'node:util'
import { ChatError } from '../errors.ts'
import { LAST_TIME } from '../ids.ts'
import type { BanRecord } from '../store/bans.ts'
import type { Store } from '../store/store.ts'

/** A user who may not come in, whatever token they have. The message tells until when, and nothing of why. */
export class BannedError extends ChatError {
  constructor(text: string) {
    super('FORBIDDEN', text)
  }
}

/** Which users may not come in: those who are banned, and those who were erased. */
export interface Bans {
  /** The text for the user, `banned` or `banned until <time>`; undefined for one who is not banned now. */
  textOf(userId: number): string | undefined
  /** Takes note of what was stored, here or by another node; what is older than what is known changes nothing. */
  learn(ban: BanRecord): void
  /** Reads what was stored since the last time; resolves with the users who are banned by it. */
  refresh(): Promise<number[]>
}

/** Kept in the database and, since there are few, in the memory of each node. */
export function createBans(store: Pick<Store, 'bans'>): Bans {
  const byUser = new Map<number, BanRecord>()
  let readUntil = 0

  function textOf(userId: number): string | undefined {
    const ban = byUser.get(userId)
    if (!ban) return undefined
    if (ban.isErased || ban.until === LAST_TIME) return 'banned'
    return ban.until !== null && ban.until > Date.now() ? `banned until ${new Date(ban.until).toISOString()}` : undefined
  }

  function learn(ban: BanRecord): boolean {
    const known = byUser.get(ban.userId)
    if (known && (known.changedAt > ban.changedAt || isDeepStrictEqual(known, ban))) return false
    byUser.set(ban.userId, ban)
    return true
  }

  return {
    textOf,
    learn: (ban) => void learn(ban),
    async refresh() {
      const { bans, readAt } = await store.bans.since(readUntil)
      readUntil = readAt
      const changed = bans.filter(learn).map(({ userId }) => userId)
      return changed.filter((userId) => textOf(userId) !== undefined)
    },
  }
}
