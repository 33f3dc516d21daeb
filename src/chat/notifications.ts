import { badInput, notFound } from '../errors.ts'
import type { NotificationRecord } from '../store/notifications.ts'
import type { Store } from '../store/store.ts'
import type { Also, Commits } from './commit.ts'
import { isDeeperThan } from '../lib/depth.ts'
import { userTopic } from './events.ts'
import { problemWithText } from '../limits.ts'

export interface Notifications {
  /** Stores a notification for each user and pushes it. Throws BAD_USER_INPUT or NOT_FOUND. */
  send(type: string, data: unknown, userIds: readonly number[], also?: Also): Promise<void>
  /**
   * Marks one of the user's notifications read and notifies the user's connections; a repeat changes nothing. Throws NOT_FOUND.
   */
  markRead(userId: number, id: number): Promise<NotificationRecord>
}

const USERS_AT_ONCE = 1000
const DATA_LENGTH = 65_536
const DATA_DEPTH = 64

export function createNotifications({ store, commits }: { store: Store; commits: Commits }): Notifications {
  return {
    async send(type, data, userIds, also) {
      const ids = [...new Set(userIds)]
      const problem =
        problemWithText(type, 'notificationType', 1, 100) ??
        problemWithData(data) ??
        (ids.length === 0 || ids.length > USERS_AT_ONCE
          ? `userIds has ${ids.length} users, expected 1 to ${USERS_AT_ONCE}`
          : null)
      if (problem !== null) throw badInput(problem)
      // jsonb does not preserve the order of members; a live push keeps the order it was sent in.
      const given: unknown = JSON.parse(JSON.stringify(data))
      await commits.run(async (tx) => {
        const users = await tx.users.byIds(ids)
        const unknown = ids.filter((id) => !users.has(id))
        if (unknown.length > 0) throw notFound(`there is no user ${unknown.slice(0, 5).join(', ')}`)
        await tx.lock(ids.map(userTopic))
        for (const notification of await tx.notifications.add(ids, type, data)) {
          tx.append({ topics: [userTopic(notification.userId)], kind: 'notification', payload: { ...notification, data: given } })
        }
      }, also)
    },

    async markRead(userId, id) {
      const stored = await store.notifications.find(userId, id)
      if (!stored) throw notFound(`there is no notification ${id}`)
      if (stored.readAt !== null) return stored
      return await commits.run(async (tx) => {
        await tx.lock([userTopic(userId)])
        const changed = await tx.notifications.markRead(userId, id)
        if (changed) tx.append({ topics: [userTopic(userId)], kind: 'notification_read', payload: changed })
        return changed ?? (await tx.notifications.find(userId, id)) ?? stored
      })
    },
  }
}

function problemWithData(data: unknown): string | null {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'data is not a JSON object'
  // Before anything recursive: both JSON.stringify and the database's parser recurse.
  if (isDeeperThan(data, DATA_DEPTH)) return `data is nested more than ${DATA_DEPTH} levels deep`
  const text = JSON.stringify(data)
  // jsonb can hold neither; JSON.stringify escapes only lone surrogates and NUL this way.
  if (/(^|[^\\])(\\\\)*\\u(0000|d[89a-f])/.test(text))
    return 'data has a NUL character or a lone surrogate, expected Unicode text without'
  return text.length > DATA_LENGTH ? `data is longer than ${DATA_LENGTH} characters of JSON` : null
}
