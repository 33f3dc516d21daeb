import { LRUCache } from 'lru-cache'
import { badInput } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { DueAnnouncement, UserProfile, UserRecord } from '../store/users.ts'
import type { Also, Commits } from './commit.ts'
import { createBatchLoader } from '../lib/batch-loader.ts'
import type { Viewer } from '../auth/verify.ts'
import { problemWithName, problemWithUrl } from '../limits.ts'

export interface Users {
  /**
   * Creates the viewer's user from the token's claims, or updates name and avatar, unless a token issued later or an admin has
   * set them.
   */
  ensure(viewer: Viewer): Promise<void>
  /** Creates or changes a user, as an admin. An undefined avatar stays, null removes it. */
  upsert(profile: { id: number; name: string; avatar: string | null | undefined }, also?: Also): Promise<UserRecord>
  /** Takes nothing for stored any more: the database may have lost it. */
  forget(): void
}

/** For how many users the stored claims are cached, so that not every connection queries the database. */
const KNOWN_LIMIT = 50_000

/** What this node knows to be stored for a user, or to be older than what is stored. */
interface Known {
  claims: string
  /** Tokens issued up to this time bring nothing new for name and avatar. */
  nameAt: number
  avatarAt: number
}

export interface UsersOptions {
  store: Store
  commits: Commits
  /** Called with the users whose changes are to be announced. */
  onChanged: (due: readonly DueAnnouncement[]) => void
}

export function createUsers({ store, commits, onChanged }: UsersOptions): Users {
  // By size: `max` would allocate the whole cache at once.
  const known = new LRUCache<number, Known>({ maxSize: KNOWN_LIMIT, sizeCalculation: () => 1 })
  const upsert = createBatchLoader<UserProfile, void>(async (profiles) => {
    for (const round of rounds(profiles)) onChanged(await store.users.upsert(round))
    return profiles.map(() => undefined)
  })

  function remember(userId: number, { claims, nameAt, avatarAt }: Known): void {
    const before = known.get(userId)
    known.set(userId, {
      claims,
      nameAt: Math.max(nameAt, before?.nameAt ?? 0),
      avatarAt: Math.max(avatarAt, before?.avatarAt ?? 0),
    })
  }

  return {
    async ensure({ userId, name, avatar, issuedAt }) {
      // A token issued in the future counts as issued now.
      const at = Math.min(issuedAt, Date.now())
      const claims = JSON.stringify([name, avatar])
      const before = known.get(userId)
      if (before) {
        const isOld = (since: number): boolean => (at === 0 ? since > 0 || before.claims === claims : at <= since)
        if ((name === undefined || isOld(before.nameAt)) && (avatar === undefined || isOld(before.avatarAt))) return
      }
      await upsert({ id: userId, name, avatar, statedAt: at === 0 ? undefined : at })
      remember(userId, { claims, nameAt: name === undefined ? 0 : at, avatarAt: avatar === undefined ? 0 : at })
    },

    async upsert({ id, name, avatar }, also) {
      const problem = problemWithName(name) ?? (avatar == null ? null : problemWithUrl(avatar, 'avatar'))
      if (problem !== null) throw badInput(problem)
      onChanged(await commits.run((tx) => tx.users.upsert([{ id, name, avatar, statedAt: 'now' }]), also))
      // The next token of this user is compared with what is stored now.
      known.delete(id)
      return (await store.users.byIds([id])).get(id) as UserRecord
    },

    forget: () => known.clear(),
  }
}

/** The profiles without duplicates, in as few rounds as possible so that no user is in a round twice. */
function rounds(profiles: readonly UserProfile[]): UserProfile[][] {
  const found: UserProfile[][] = []
  const next = new Map<number, number>()
  for (const profile of new Map(profiles.map((each) => [JSON.stringify(each), each])).values()) {
    const round = next.get(profile.id) ?? 0
    next.set(profile.id, round + 1)
    ;(found[round] ??= []).push(profile)
  }
  return found
}
