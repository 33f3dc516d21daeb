/**
 * A model of the store, for what the simulation exercises of it: each statement runs at one instant, or waits for locks in between, and takes
 * time on its way there and back. `store-contract.test.ts` holds it to the answers of PostgreSQL and of the embedded database.
 */
import { appendEvents, type NewEvent } from '../../../src/store/event-log.ts'
import type { Committed, Snapshot, Store, StoreParts, Transaction } from '../../../src/store/store.ts'
import type { UserProfile, UserRecord } from '../../../src/store/users.ts'
import type { Owner } from '../world.ts'
import { Connection, ModelTransaction, type ModelDatabase } from './database.ts'
import { createModelConversations, createModelGroups } from './groups.ts'
import { appendingDb, createModelLog, EPOCH_ID } from './log.ts'
import { createModelMessages, type Begin, type Run } from './messages.ts'
import { createModelReactions, createModelReadPointers, createModelReceipts } from './reading.ts'
import { pairKey } from './tables.ts'

const KEY = Buffer.alloc(32, 7)

function upsert(tx: ModelTransaction, profiles: readonly UserProfile[]): [] {
  const { users, topics } = tx.database.tables
  for (const { id, name, avatar } of profiles) {
    const before = tx.get(users, String(id))
    const row = { id, name: name ?? before?.name ?? `user${id}`, avatar: avatar ?? before?.avatar ?? null }
    tx.set(users, String(id), { ...row, lastActive: before?.lastActive ?? null })
    const topic = `user:${id}`
    if (!tx.get(topics, topic)) tx.set(topics, topic, { name: topic, seq: 0, accessSeq: 0, sweptSeq: 0, sweptId: 0, sweptXid: 0 })
  }
  return []
}

const createModelUsers = (run: Run) => ({
  byIds: (ids: readonly number[]) =>
    run((tx): Map<number, UserRecord> => {
      const rows = ids.flatMap((id) => tx.get(tx.database.tables.users, String(id)) ?? [])
      return new Map(rows.map((row) => [row.id, row]))
    }),
  upsert: (profiles: readonly UserProfile[]) => run((tx) => upsert(tx, profiles)),
  countGroupAdditions: () => Promise.resolve([]),
  countGroupCreated: () => Promise.resolve(true),
  touch: (lastActive: ReadonlyMap<number, number>) =>
    run((tx) => {
      for (const [id, at] of lastActive) tx.update(tx.database.tables.users, String(id), { lastActive: at })
    }),
})

const createModelBlocks = (run: Run) => ({
  add: (blockerId: number, blockedId: number) =>
    run((tx) => {
      const key = pairKey(blockerId, blockedId)
      const isNew = !tx.get(tx.database.tables.blocks, key)
      if (isNew) tx.set(tx.database.tables.blocks, key, { blockerId, blockedId, at: tx.now })
      return isNew
    }),
  remove: (blockerId: number, blockedId: number) =>
    run((tx) => {
      const key = pairKey(blockerId, blockedId)
      const wasThere = tx.get(tx.database.tables.blocks, key) !== undefined
      if (wasThere) tx.set(tx.database.tables.blocks, key, undefined)
      return wasThere
    }),
  count: (blockerId: number) =>
    run((tx) => tx.all(tx.database.tables.blocks).filter((row) => row.blockerId === blockerId).length),
  pairedWith: (userId: number, ids: readonly number[]) =>
    run((tx) => {
      const rows = tx.all(tx.database.tables.blocks)
      const isPaired = (id: number): boolean =>
        rows.some(
          ({ blockerId, blockedId }) => (blockerId === userId && blockedId === id) || (blockerId === id && blockedId === userId),
        )
      return new Set(ids.filter(isPaired))
    }),
})

/** A part of the store; what the model does not have fails when it is called, and names itself. */
const part = (name: string, has: object = {}): object =>
  new Proxy(has, {
    get: (target, method) =>
      (Reflect.get(target, method) as unknown) ??
      (() => Promise.reject(new Error(`the store's model has no ${name}.${String(method)}`))),
  })

const createParts = (run: Run, begin?: Begin) => ({
  users: part('users', createModelUsers(run)),
  blocks: part('blocks', createModelBlocks(run)),
  conversations: part('conversations', createModelConversations(run)),
  conversationSettings: part('conversationSettings', { byIds: () => Promise.resolve(new Map()) }),
  messages: part('messages', createModelMessages(run, begin)),
  groups: part('groups', createModelGroups(run)),
  receipts: part('receipts', createModelReceipts(run)),
  readPointers: part('readPointers', createModelReadPointers(run)),
  reactions: part('reactions', createModelReactions(run)),
  // What a message is found by is no part of what is promised here.
  search: part('search', { add: () => Promise.resolve(), replace: () => Promise.resolve() }),
  directory: part('directory', { noteActive: () => Promise.resolve(), forgetActive: () => Promise.resolve() }),
  notifications: part('notifications'),
  bans: part('bans'),
  reports: part('reports'),
  audit: part('audit'),
})

/** A transaction's statements: each on its way there and back, and refused once it was rolled back. */
function runIn(connection: Connection, tx: ModelTransaction): Run {
  return async (statement) => {
    await connection.travel()
    tx.check()
    const result = await statement(tx)
    tx.check()
    await connection.travel()
    return result
  }
}

async function transact<T>(connection: Connection, change: (tx: Transaction) => Promise<T>): Promise<Committed<T>> {
  await connection.reach()
  const tx = new ModelTransaction(connection.database, connection.node)
  const run = runIn(connection, tx)
  const heads = new Map<string, number>()
  const pending: NewEvent[] = []
  let committed: Committed<T>
  try {
    const result = await change({
      ...(createParts(run) as unknown as StoreParts),
      lock: async (topics) => {
        const found = await run(async () => {
          for (const topic of [...new Set(topics)].toSorted()) await tx.lock(`topics:${topic}`)
          return topics.map((topic) => [topic, tx.get(connection.database.tables.topics, topic)?.seq] as const)
        })
        for (const [topic, seq] of found) if (seq !== undefined) heads.set(topic, seq)
      },
      nextSeq(topic) {
        const head = heads.get(topic)
        if (head === undefined) throw new Error(`topic ${topic} is not locked by this transaction`)
        return head + 1 + pending.filter((event) => event.topics.includes(topic)).length
      },
      append: (event) => void pending.push(event),
    })
    committed = { result, entries: await appendEvents(appendingDb(run), heads, pending) }
    // It may stand still, or the connection may break, before the commit.
    await connection.reach()
    tx.check()
  } catch (error) {
    tx.abort()
    throw error
  }
  tx.commit()
  await connection.answer()
  return committed
}

/** A transaction of statements alone. */
const beginOn =
  (connection: Connection): Begin =>
  async (work) => {
    await connection.reach()
    const tx = new ModelTransaction(connection.database, connection.node)
    let result: Awaited<ReturnType<typeof work>>
    try {
      result = await work(runIn(connection, tx))
      await connection.reach()
      tx.check()
    } catch (error) {
      tx.abort()
      throw error
    }
    tx.commit()
    await connection.answer()
    return result
  }

/** Reads one state: nothing is committed into it while it is read. */
async function snapshotOf<T>(connection: Connection, read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const { database } = connection
  await connection.reach()
  const frozen = database.freeze()
  const tx = new ModelTransaction(frozen, connection.node)
  const run = runIn(connection, tx)
  const position = { snapshot: database.snapshot(), at: database.now(), epoch: EPOCH_ID, lastId: database.sequences.events }
  try {
    const parts = { ...createParts(run), log: createModelLog(run) } as unknown as Omit<Snapshot, 'readPosition'>
    return await read({ ...parts, readPosition: () => Promise.resolve({ position, key: KEY }) })
  } finally {
    tx.abort()
  }
}

/** The store of one node. */
export function createModelStore(database: ModelDatabase, node: Owner): Store {
  const connection = new Connection(database, node)
  const run: Run = (statement) => connection.statement(statement)
  const position = () =>
    run(() => ({
      position: { snapshot: database.snapshot(), at: database.now(), epoch: EPOCH_ID, lastId: database.sequences.events },
      key: KEY,
    }))
  return {
    ...createParts(run, beginOn(connection)),
    log: createModelLog(run),
    installation: { position },
    transaction: <T>(change: (tx: Transaction) => Promise<T>) => transact(connection, change),
    snapshot: <T>(read: (snapshot: Snapshot) => Promise<T>) => snapshotOf(connection, read),
    ping: () => run(() => undefined),
  } as unknown as Store
}
