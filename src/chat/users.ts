import { badInput } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { UserRecord } from '../store/users.ts'
import { createBatchLoader } from '../batch.ts'
import type { Viewer } from './auth.ts'
import { problemWithName, problemWithUrl } from './limits.ts'

export interface Users {
  /** Creates the viewer's user from the token's claims, or brings name and avatar to what they say. */
  ensure(viewer: Viewer): Promise<void>
  /** Creates or changes a user, as an admin. An undefined avatar stays as it is, null takes it away. */
  upsert(profile: { id: number; name: string; avatar: string | null | undefined }): Promise<UserRecord>
}

/** How many users' claims are remembered as stored, so that not every connection asks the database. */
const KNOWN_LIMIT = 50_000

export function createUsers(store: Store): Users {
  const known = new Map<number, string>()
  const upsert = createBatchLoader<Parameters<Store['users']['upsert']>[0][number], void>(async (profiles) => {
    // The last of several for one user counts.
    await store.users.upsert([...new Map(profiles.map((profile) => [profile.id, profile])).values()])
    return profiles.map(() => undefined)
  })

  return {
    async ensure({ userId, name, avatar }) {
      const claims = JSON.stringify([name, avatar])
      if (known.get(userId) === claims) return
      await upsert({ id: userId, name, avatar })
      if (known.size >= KNOWN_LIMIT) known.delete(known.keys().next().value as number)
      known.set(userId, claims)
    },

    async upsert({ id, name, avatar }) {
      const problem = problemWithName(name) ?? (avatar == null ? null : problemWithUrl(avatar, 'avatar'))
      if (problem !== null) throw badInput(problem)
      await upsert({ id, name, avatar })
      // The next token of this user is compared with what is stored now.
      known.delete(id)
      return (await store.users.byIds([id])).get(id) as UserRecord
    },
  }
}
