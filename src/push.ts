/**
 * The server-side push API for other processes that share the database and Redis (docs/protocol.md, section 7): the package
 * export `parley/push`. Each function publishes a new event and returns whether that succeeded; none of them throws.
 */
import { randomUUID } from 'node:crypto'
import { createNotifications } from './chat/notifications.ts'
import { createRepublish, type Republish } from './chat/republish.ts'
import { createWrites } from './core.ts'
import { createMemoryPubSub } from './pubsub/memory.ts'
import { createRedisPubSub } from './pubsub/redis.ts'
import { redisPrefixOf } from './pubsub/redis-prefix.ts'
import { openDatabase } from './store/database/client.ts'
import { createStore } from './store/store.ts'

export interface OpenDbOptions {
  /** PostgreSQL, as DATABASE_URL of the servers. */
  databaseUrl: string
  /** Redis, as REDIS_URL of the servers. Without it, the servers find the pushes at their next comparison with the log. */
  redisUrl?: string | undefined
  /** As REDIS_PREFIX of the servers. */
  redisPrefix?: string | undefined
}

/** An open handle on the database and Redis. */
export interface PushDb {
  /** Lets running pushes finish and closes everything. A second call does nothing. */
  close(): Promise<void>
}

const republishers = new WeakMap<PushDb, Republish>()
let lastOpened: PushDb | undefined

/** Opens the database that the servers have migrated. Rejects with what is wrong; an unreachable Redis is tolerated. */
export async function openDb({ databaseUrl, redisUrl, redisPrefix = 'chat:' }: OpenDbOptions): Promise<PushDb> {
  const database = await openDatabase({
    databaseUrl,
    dataDir: 'memory:',
    poolSize: 2,
    acquireTimeoutMs: 3000,
    statementTimeoutMs: 4000,
  })
  const store = createStore(database)
  // Publishes that Redis refuses are found by the servers at their next comparison with the log.
  const ignore = (): void => undefined
  const redis =
    redisUrl === undefined
      ? undefined
      : await createRedisPubSub({
          url: redisUrl,
          prefix: redisPrefixOf(redisPrefix, database.schema),
          nodeId: randomUUID(),
          onError: ignore,
        })
  const { commits } = createWrites(store, redis ?? createMemoryPubSub(), ignore)
  const db: PushDb = {
    async close() {
      if (lastOpened === db) lastOpened = undefined
      await redis?.close()
      await database.close()
    },
  }
  republishers.set(db, createRepublish({ commits, notifications: createNotifications({ store, commits }) }))
  lastOpened = db
  return db
}

async function succeeds(db: PushDb | undefined, push: (republish: Republish) => Promise<void>): Promise<boolean> {
  const found = db && republishers.get(db)
  if (!found) return false
  try {
    await push(found)
    return true
  } catch {
    return false
  }
}

/** Pushes a stored message to its conversation; `isGroup` must match the conversation's kind. */
export const wsPushNewMessage = (db: PushDb, messageId: number, isGroup: boolean): Promise<boolean> =>
  succeeds(db, (push) => push.newMessage(messageId, isGroup))

/** Pushes a group's current info to all members. */
export const wsPushGroupUpdate = (db: PushDb, groupId: number): Promise<boolean> =>
  succeeds(db, (push) => push.groupUpdate(groupId))

/** Pushes to all members, the user included, that the user joined. */
export const wsPushMemberJoined = (db: PushDb, groupId: number, userId: number): Promise<boolean> =>
  succeeds(db, (push) => push.memberJoined(groupId, userId))

/** Pushes to the members and to the user that the user left. */
export const wsPushMemberLeft = (db: PushDb, groupId: number, userId: number): Promise<boolean> =>
  succeeds(db, (push) => push.memberLeft(groupId, userId))

/** Stores and pushes a notification for users; uses the handle opened last. */
export const wsPushSystemNotification = (
  notificationType: string,
  data: Record<string, unknown>,
  userIds: readonly number[],
): Promise<boolean> => succeeds(lastOpened, (push) => push.systemNotification(notificationType, data, userIds))
