import type { PrismaClient } from './generated/client.ts'
import { createConversationStore } from './conversations.ts'
import type { Db } from './db.ts'
import { appendEvents, createEventLog, lockTopics, type LogEntry, type NewEvent } from './event-log.ts'
import { createGroupStore } from './groups.ts'
import { createMessageStore } from './messages.ts'
import { createNotificationStore } from './notifications.ts'
import { createReactionStore } from './reactions.ts'
import { createReceiptStore } from './receipts.ts'
import { translateErrors } from './errors.ts'
import { createUserStore } from './users.ts'

const createParts = (db: Db) => ({
  users: createUserStore(db),
  conversations: createConversationStore(db),
  messages: createMessageStore(db),
  groups: createGroupStore(db),
  receipts: createReceiptStore(db),
  reactions: createReactionStore(db),
  notifications: createNotificationStore(db),
})

type Parts = ReturnType<typeof createParts>

/** A transaction: the same reads and writes, and the log. */
export interface Transaction extends Parts {
  /** Locks topics, in one call for all that the transaction needs; must come before what the lock guards is read. */
  lock(topics: readonly string[]): Promise<void>
  /** The `seq` that the next event appended to a locked topic gets. */
  nextSeq(topic: string): number
  /** Appends an event to locked topics; it is written when the transaction's function has returned. */
  append(event: NewEvent): void
}

/** What a transaction did: its function's result and the entries it logged, to be published. */
export interface Committed<T> {
  result: T
  entries: LogEntry[]
}

export type Store = ReturnType<typeof createStore>

export function createStore(prisma: PrismaClient) {
  // One place where a database that does not answer becomes UNAVAILABLE, whatever query found out.
  const client = prisma.$extends({
    query: { $allOperations: ({ args, query }) => translateErrors(() => query(args)) },
  }) as unknown as PrismaClient
  return {
    ...createParts(client),
    log: createEventLog(client),

    /** Runs `change` in one transaction and commits it with the events that it appended, all or nothing. */
    async transaction<T>(change: (tx: Transaction) => Promise<T>): Promise<Committed<T>> {
      return await translateErrors(() =>
        client.$transaction(async (db) => {
          const heads = new Map<string, number>()
          const pending: NewEvent[] = []
          const result = await change({
            ...createParts(db),
            async lock(topics) {
              for (const [topic, seq] of await lockTopics(db, topics)) heads.set(topic, seq)
            },
            nextSeq(topic) {
              const head = heads.get(topic)
              if (head === undefined) throw new Error(`topic ${topic} is not locked by this transaction`)
              return head + 1 + pending.filter((event) => event.topics.includes(topic)).length
            },
            append(event) {
              pending.push(event)
            },
          })
          return { result, entries: await appendEvents(db, heads, pending) }
        }),
      )
    },

    /** Resolves when the database answers a query; rejects otherwise. */
    async ping(): Promise<void> {
      await client.$queryRaw`SELECT 1`
    },
  }
}
