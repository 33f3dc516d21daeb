/**
 * The engine of the store's model: rows that are never changed but replaced, transactions with READ COMMITTED reads, row locks that are
 * waited for in turn, transaction ids and snapshots as PostgreSQL has them, and the ways in which a database lets one down.
 */
import { ChatError } from '../../../src/errors.ts'
import type { CommittedEvent } from '../history.ts'
import { currentWorld, owner, type Owner } from '../world.ts'
import { createTables, type EventRow, type Table, type Tables } from './tables.ts'

/** What may go wrong with a statement or a commit, each a probability. */
export interface StoreFaults {
  /** It never reached the database. */
  refused: number
  /** It was carried out, and the answer is lost. */
  lostAnswer: number
  /** It stands still for up to this long, in milliseconds. */
  stall: number
  stallMs: number
}

export const NO_FAULTS: StoreFaults = { refused: 0, lostAnswer: 0, stall: 0, stallMs: 0 }

const TIMEOUT_MS = 1000

const unavailable = (reason = 'the database is not reachable'): ChatError => new ChatError('UNAVAILABLE', `${reason}; try again`)

/** As the driver tells it. */
export class UniqueViolation extends Error {
  readonly code = '23505'
}

interface Lock {
  holder: ModelTransaction
  waiting: { by: ModelTransaction; go: () => void }[]
}

/** One database, of which every node has connections. */
export class ModelDatabase {
  readonly owner: Owner = owner('database')
  readonly tables: Tables = createTables()
  /** The event log by topic, in the order of `seq`. */
  readonly log = new Map<string, EventRow[]>()
  /** All that was ever committed, in the order of the commits. */
  readonly committed: CommittedEvent[] = []
  readonly locks = new Map<string, Lock>()
  readonly running = new Set<ModelTransaction>()
  readonly sequences = { messages: 0, events: 0, groups: 0, notifications: 0 }
  nextXid = 1000
  isAway = false
  faults: StoreFaults = NO_FAULTS
  /** How long a statement is on its way, at least and at most. */
  latency: readonly [number, number] = [0.1, 2]
  /** How long the statement that sends takes at most between its snapshot and its locks. */
  sendMs = 0
  sweptBefore = 0

  now(): number {
    return currentWorld().as(this.owner, () => Date.now())
  }

  next(name: keyof ModelDatabase['sequences']): number {
    return ++this.sequences[name]
  }

  /** `pg_current_snapshot()`: what began to write and has not ended is not visible. */
  snapshot(): string {
    const xids = [...this.running].flatMap(({ xid }) => xid ?? []).toSorted((a, b) => a - b)
    return `${xids[0] ?? this.nextXid}:${this.nextXid}:${xids.join(',')}`
  }

  /** The state as it is now, for who reads nothing else. */
  freeze(): ModelDatabase {
    const frozen = new ModelDatabase()
    for (const [name, table] of Object.entries(this.tables))
      Object.assign(frozen.tables, { [name]: new Map<string, unknown>(table as Map<string, unknown>) })
    for (const [topic, events] of this.log) frozen.log.set(topic, [...events])
    Object.assign(frozen.sequences, this.sequences)
    return frozen
  }

  /** The connections of a node that died are closed: what was not committed is rolled back. */
  disconnect(node: Owner): void {
    for (const transaction of [...this.running]) if (transaction.node === node) transaction.abort()
  }
}

/** `pg_visible_in_snapshot`. */
export function isVisible(xid: number, snapshot: string): boolean {
  const [xmin = '', xmax = '', running = ''] = snapshot.split(':')
  if (xid < Number(xmin)) return true
  return xid < Number(xmax) && !running.split(',').includes(String(xid))
}

export class ModelTransaction {
  readonly database: ModelDatabase
  readonly node: Owner
  /** When it began, by the database's clock. */
  readonly now: number
  xid: number | undefined
  isOver = false
  readonly events: EventRow[] = []
  readonly #changes = new Map<Table<unknown>, Map<string, unknown>>()
  readonly #held = new Set<string>()
  readonly #atCommit: (() => void)[] = []
  #wake: (() => void) | undefined

  constructor(database: ModelDatabase, node: Owner) {
    this.database = database
    this.node = node
    this.now = database.now()
    database.running.add(this)
  }

  get<R>(table: Table<R>, key: string): R | undefined {
    const changes = this.#changes.get(table as Table<unknown>)
    return changes?.has(key) ? (changes.get(key) as R | undefined) : table.get(key)
  }

  /** All rows as this transaction sees them now, in the order of their keys' creation. */
  all<R>(table: Table<R>): R[] {
    const changes = this.#changes.get(table as Table<unknown>)
    if (!changes) return [...table.values()]
    const rows: R[] = []
    for (const [key, row] of table) if (!changes.has(key)) rows.push(row)
    for (const row of changes.values()) if (row !== undefined) rows.push(row as R)
    return rows
  }

  set<R>(table: Table<R>, key: string, row: R | undefined): void {
    this.write()
    let changes = this.#changes.get(table as Table<unknown>)
    if (!changes) this.#changes.set(table as Table<unknown>, (changes = new Map()))
    changes.set(key, row)
  }

  update<R>(table: Table<R>, key: string, change: Partial<R>): void {
    const row = this.get(table, key)
    if (row !== undefined) this.set(table, key, { ...row, ...change })
  }

  write(): number {
    return (this.xid ??= this.database.nextXid++)
  }

  atCommit(step: () => void): void {
    this.#atCommit.push(step)
  }

  /** Locks a row until the end; what is read afterwards is what was committed meanwhile. */
  async lock(key: string): Promise<void> {
    this.check()
    this.write()
    if (this.#held.has(key)) return
    const { locks } = this.database
    const lock = locks.get(key)
    if (!lock) locks.set(key, { holder: this, waiting: [] })
    else await this.#wait(lock)
    this.#held.add(key)
  }

  async #wait(lock: Lock): Promise<void> {
    const world = currentWorld()
    await new Promise<void>((resolve) => {
      const entry = { by: this, go: resolve }
      lock.waiting.push(entry)
      this.#wake = resolve
      world.after(TIMEOUT_MS, this.node, () => {
        const at = lock.waiting.indexOf(entry)
        if (at < 0) return
        lock.waiting.splice(at, 1)
        this.abort()
      })
    })
    this.#wake = undefined
    this.check('the database took too long')
  }

  /** Throws where it was rolled back. */
  check(reason?: string): void {
    if (this.isOver) throw unavailable(reason)
    if (this.database.now() - this.now > TIMEOUT_MS + 500) {
      this.abort()
      throw unavailable('the database took too long')
    }
  }

  commit(): void {
    for (const step of this.#atCommit) step()
    for (const [table, changes] of this.#changes)
      for (const [key, row] of changes) {
        if (row === undefined) table.delete(key)
        else table.set(key, row)
      }
    const { log } = this.database
    for (const event of this.events) {
      this.database.committed.push({ ...event, committedAt: currentWorld().now })
      const entries = log.get(event.topic)
      if (entries) entries.push(event)
      else log.set(event.topic, [event])
    }
    this.#end()
  }

  abort(): void {
    if (this.isOver) return
    this.#end()
    this.#wake?.()
  }

  #end(): void {
    this.isOver = true
    const { running, locks } = this.database
    running.delete(this)
    for (const key of this.#held) {
      const lock = locks.get(key) as Lock
      let next = lock.waiting.shift()
      while (next?.by.isOver) next = lock.waiting.shift()
      if (next) {
        lock.holder = next.by
        next.by.#held.add(key)
        // As the one that waited, whose statement goes on.
        currentWorld().after(0, next.by.node, next.go)
      } else locks.delete(key)
    }
  }
}

/** A node's way to the database. */
export class Connection {
  readonly database: ModelDatabase
  readonly node: Owner

  constructor(database: ModelDatabase, node: Owner) {
    this.database = database
    this.node = node
  }

  /** The way there, or back; a database that is away is not reached. */
  async travel(): Promise<void> {
    const world = currentWorld()
    const [from, to] = this.database.latency
    await world.sleep(from + world.random() * (to - from), this.node)
  }

  async reach(): Promise<void> {
    const { database } = this
    await this.travel()
    const world = currentWorld()
    if (database.faults.stall > 0 && world.chance(database.faults.stall))
      await world.sleep(world.random() * database.faults.stallMs, this.node)
    if (database.isAway || (database.faults.refused > 0 && world.chance(database.faults.refused))) throw unavailable()
  }

  /** The answer's way; it may be lost, whatever was done. */
  async answer(): Promise<void> {
    const { faults } = this.database
    const isLost = this.database.isAway || (faults.lostAnswer > 0 && currentWorld().chance(faults.lostAnswer))
    await this.travel()
    if (isLost) throw unavailable()
  }

  /** One statement in a transaction of its own. */
  async statement<T>(run: (tx: ModelTransaction) => T | Promise<T>): Promise<T> {
    await this.reach()
    const tx = new ModelTransaction(this.database, this.node)
    let result: T
    try {
      result = await run(tx)
      tx.check()
    } catch (error) {
      tx.abort()
      throw error
    }
    tx.commit()
    await this.answer()
    return result
  }
}
