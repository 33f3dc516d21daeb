import type { PrismaClient } from './generated/client.ts'
import { createBlockStore } from './blocks.ts'
import { createAuditStore } from './audit.ts'
import { createBanStore } from './bans.ts'
import { ConversationStore } from './conversations.ts'
import { createConversationSettingsStore } from './conversation-settings.ts'
import type { Database } from './database/client.ts'
import type { Db, RawDb } from './database/sql.ts'
import { DirectoryStore } from './directory.ts'
import { createExportStore } from './exports.ts'
import { createErasureStore } from './erasure.ts'
import { appendEvents, EventLog, lockTopics, type LogEntry, type NewEvent } from './event-log.ts'
import { GroupStore } from './groups.ts'
import { HistoryWatch, type HistoryWatchOptions } from './history.ts'
import { ImportStore } from './imports.ts'
import { createInstallationStore, READ_POSITION, toReadPosition, type ReadPosition } from './installation.ts'
import { createMessageStore } from './messages.ts'
import { createNotificationStore } from './notifications.ts'
import { createReactionStore } from './reactions.ts'
import { ReadPointerStore } from './read-pointers.ts'
import { createReceiptStore } from './receipts.ts'
import { createReportStore } from './reports.ts'
import { createRetentionStore } from './retention.ts'
import { createRevocationStore } from './revocations.ts'
import { createSearchStore } from './search.ts'
import { lazily } from '../lib/lazily.ts'
import { translateErrors } from './database/errors.ts'
import { inSpan, SpanKind, tracing } from '../telemetry/tracing.ts'
import { UserStore } from './users.ts'

const createParts = lazily<Db>()({
  users: (db) => new UserStore(db),
  blocks: createBlockStore,
  conversations: (db) => new ConversationStore(db),
  conversationSettings: createConversationSettingsStore,
  messages: createMessageStore,
  groups: (db) => new GroupStore(db),
  receipts: createReceiptStore,
  readPointers: (db) => new ReadPointerStore(db),
  reactions: createReactionStore,
  notifications: createNotificationStore,
  imports: (db) => new ImportStore(db),
  search: createSearchStore,
  audit: createAuditStore,
  bans: createBanStore,
  directory: (db) => new DirectoryStore(db),
  erasure: createErasureStore,
  exports: createExportStore,
  reports: createReportStore,
  retention: createRetentionStore,
  revocations: createRevocationStore,
})

export type StoreParts = ReturnType<typeof createParts>

/** One state of the database: the same reads, and the log's. Writes fail. */
export interface Snapshot extends StoreParts {
  /** The reader's position, which was asked for before everything else. */
  readPosition(): Promise<ReadPosition>
  log: EventLog
}

/** A transaction: the same reads and writes, and the log. */
export interface Transaction extends StoreParts {
  /** Locks topics, in one call for all that the transaction needs; call it before reading what the lock guards. */
  lock(topics: readonly string[]): Promise<void>
  /** The `seq` that the next event appended to a locked topic gets. */
  nextSeq(topic: string): number
  /** Appends an event to locked topics; it is written when the transaction's function has returned. */
  append(event: NewEvent): void
}

/** The result of a transaction: its function's result and the entries it logged, to be published. */
export interface Committed<T> {
  result: T
  entries: LogEntry[]
}

export type Store = ReturnType<typeof createStore>

/** A large log takes a while to read. */
const REPAIR_TIMEOUT_MS = 600_000

/** The client without its raw statements. */
const withRaw = (client: PrismaClient, raw: RawDb): Db =>
  Object.create(client, {
    $queryRaw: { value: (query: Sql, ...values: unknown[]) => translateErrors(() => raw.$queryRaw(query, ...values)) },
    $executeRaw: { value: (query: Sql, ...values: unknown[]) => translateErrors(() => raw.$executeRaw(query, ...values)) },
  }) as Db

/** For reads in a snapshot, which are all raw statements: a query through the client would run outside of it. */
const snapshotDb = (raw: RawDb): Db =>
  new Proxy(raw, {
    get(target, name) {
      if (name === '$queryRaw')
        return (query: Sql, ...values: unknown[]) => translateErrors(() => target.$queryRaw(query, ...values))
      throw new Error(`a snapshot is read by $queryRaw alone, not by ${String(name)}`)
    },
  }) as unknown as Db

type Sql = Parameters<RawDb['$queryRaw']>[0]

export interface StoreOptions extends Partial<HistoryWatchOptions> {
  /** Called with the number of events left out of the log because their messages are gone. */
  onOrphans?: (count: number) => void
}

/** `raw` runs the statements outside of transactions, if the client does not. */
export function createStore(
  { prisma, raw, snapshot, admission }: Pick<Database, 'prisma' | 'raw' | 'snapshot' | 'admission'>,
  { onOrphans, onReplaced = () => undefined, onRepaired = () => undefined }: StoreOptions = {},
) {
  // The one place where a database that does not answer becomes UNAVAILABLE, for every query.
  const client = prisma.$extends({
    query: { $allOperations: ({ args, query }) => translateErrors(() => query(args)) },
  }) as unknown as PrismaClient
  const db = raw ? withRaw(client, raw) : client
  const history = new HistoryWatch({ onReplaced, onRepaired })
  admission.admit = (connection) => history.admit(connection)
  /** Runs `change` in a transaction of the database. */
  const transact = <T>(change: (tx: Transaction) => Promise<T>): Promise<Committed<T>> =>
    translateErrors(() =>
      client.$transaction(async (db) => {
        const heads = new Map<string, number>()
        const pending: NewEvent[] = []
        const log: Pick<Transaction, 'lock' | 'nextSeq' | 'append'> = {
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
        }
        const result = await change(Object.assign(createParts(db), log))
        return { result, entries: await appendEvents(db, heads, pending) }
      }),
    )

  return Object.assign(createParts(db), {
    log: new EventLog(db, onOrphans),
    installation: createInstallationStore(db),

    /** Runs `change` in one transaction and commits it with the events that it appended, all or nothing. */
    async transaction<T>(change: (tx: Transaction) => Promise<T>): Promise<Committed<T>> {
      const run = () => transact(change)
      return await (tracing.isOn ? inSpan({ name: 'transaction', kind: SpanKind.CLIENT }, run) : run())
    },

    /** Reads in one read-only transaction, which sees one state of the database; `read` must not wait for anything else of this store. */
    async snapshot<T>(read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
      return await translateErrors(() =>
        snapshot(READ_POSITION, (rows, raw) => {
          const db = snapshotDb(raw)
          const log = new EventLog(db, onOrphans)
          return read(Object.assign(createParts(db), { log, readPosition: () => rows.then(toReadPosition) }))
        }),
      )
    },

    /**
     * Checks whether the database went back to an earlier state since the last check, and repairs what would be wrong then (`onRepaired`).
     * On PostgreSQL every new connection is checked as well, before it is used.
     */
    async checkHistory(): Promise<void> {
      await translateErrors(() => history.look(db, (change) => client.$transaction(change, { timeout: REPAIR_TIMEOUT_MS })))
    },

    /** Resolves when the database answers and is writable; rejects otherwise. */
    async ping(): Promise<void> {
      // Fails on a read-only server, and locks nothing.
      await db.$queryRaw`SELECT FROM topics WHERE false FOR UPDATE`
    },
  })
}
