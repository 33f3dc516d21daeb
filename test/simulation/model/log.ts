/** The event log in the store's model: appended in transactions, read by topic, swept by age. */
import type { EventCursor, SnapshotPosition } from '../../../src/ids.ts'
import type { Db } from '../../../src/store/database/sql.ts'
import { Prisma } from '../../../src/store/generated/client.ts'
import {
  rangesAfter,
  type CursorPositions,
  type LogEntry,
  type LogPosition,
  type TopicRange,
} from '../../../src/store/event-log.ts'
import { isVisible, type ModelDatabase, type ModelTransaction } from './database.ts'
import { recordOf, type Run } from './messages.ts'
import type { EventRow } from './tables.ts'

export const EPOCH_ID = '00000000-0000-4000-8000-000000000001'

interface AppendedRow {
  ord: number
  topic: string
  seq: number
  kind: string
  message: number | null
  payload: unknown
  access: boolean
}

/** As the product's `appendEvents` asks the database. */
export const appendingDb = (run: Run): Db =>
  ({
    $queryRaw: (query: TemplateStringsArray, ...values: unknown[]) =>
      run((tx) => {
        const rows = JSON.parse(Prisma.sql(query, ...values).values[0] as string) as AppendedRow[]
        const snapshot = tx.database.snapshot()
        const at = tx.database.now()
        const ids = new Map<number, number>()
        for (const { ord } of rows) if (!ids.has(ord)) ids.set(ord, tx.database.next('events'))
        for (const { ord, topic, seq, kind, message, payload, access } of rows) {
          const id = ids.get(ord) as number
          tx.events.push({ topic, seq, id, kind, messageId: message, payload, at, xid: tx.write(), snapshot })
          tx.update(tx.database.tables.topics, topic, access ? { seq, accessSeq: seq } : { seq })
        }
        return [...ids].map(([ord, id]) => ({ ord, id, at }))
      }),
  }) as unknown as Db

/** Undefined where its message is gone. */
function entryOf(tx: ModelTransaction, { topic, seq, id, at, kind, messageId, payload }: EventRow): LogEntry | undefined {
  if (messageId === null) {
    const about = payload as { messageId?: number }
    const isReaction = kind === 'reaction_added' || kind === 'reaction_removed'
    const message = isReaction ? tx.get(tx.database.tables.messages, String(about.messageId)) : undefined
    const isDeleted = message !== undefined && message.deletedAt !== null
    return { topic, seq, event: { id, at, kind, payload: isDeleted ? { ...about, messageDeleted: true } : payload } }
  }
  const message = tx.get(tx.database.tables.messages, String(messageId))
  return message && { topic, seq, event: { id, at, kind, payload: recordOf(tx, message) } }
}

const inRange = (database: ModelDatabase, { topic, after, until }: TopicRange): EventRow[] =>
  (database.log.get(topic) ?? []).filter(({ seq }) => seq > after && seq <= until)

const byId = (a: EventRow, b: EventRow): number => a.id - b.id || (a.topic < b.topic ? -1 : 1)

/** After an event: what its transaction did not see, though its id is lower, counts as missed. */
function positionsAfterEvent(tx: ModelTransaction, cursor: number, topics: readonly string[]): CursorPositions {
  const { log, tables, sequences } = tx.database
  const event = topics.flatMap((topic) => log.get(topic)?.find(({ id }) => id === cursor) ?? [])[0]
  const known = topics.flatMap((name) => tx.get(tables.topics, name) ?? [])
  const wasSeen = ({ id, xid }: EventRow): boolean =>
    id <= cursor && (!event || id === cursor || xid === event.xid || isVisible(xid, event.snapshot))
  return {
    known: known.length === 0 ? cursor === 0 : cursor <= sequences.events,
    positions: new Map(
      known.map(({ name, sweptSeq, sweptId }) => {
        const seq = log.get(name)?.findLast(wasSeen)?.seq ?? sweptSeq
        return [name, { seq, sweptSeq, isSwept: sweptId > cursor }]
      }),
    ),
  }
}

function positionsAfterSnapshot(tx: ModelTransaction, cursor: SnapshotPosition, topics: readonly string[]): CursorPositions {
  const { log, tables, sweptBefore, nextXid } = tx.database
  const { snapshot, lastId, at, epoch } = cursor
  const rows = topics.flatMap((name) => tx.get(tables.topics, name) ?? [])
  const wasSeen = ({ id, xid }: EventRow): boolean => id <= lastId && isVisible(xid, snapshot)
  return {
    known: epoch === EPOCH_ID && sweptBefore <= at && Number(snapshot.split(':')[1]) <= nextXid,
    positions: new Map(
      rows.map(({ name, sweptSeq, sweptXid }) => {
        const seq = log.get(name)?.findLast(wasSeen)?.seq ?? sweptSeq
        return [name, { seq, sweptSeq, isSwept: !isVisible(sweptXid, snapshot) }]
      }),
    ),
  }
}

async function sweep(tx: ModelTransaction, before: number): Promise<number> {
  const { log, tables } = tx.database
  const old = [...log].filter(([, events]) => events.some(({ at }) => at < before)).map(([topic]) => topic)
  for (const topic of old.toSorted()) await tx.lock(`topics:${topic}`)
  let count = 0
  for (const topic of old) {
    const gone = (log.get(topic) ?? []).filter(({ at }) => at < before)
    const last = gone.at(-1)
    if (!last) continue
    count += gone.length
    const ids = gone.map(({ id }) => id)
    tx.update(tables.topics, topic, { sweptSeq: last.seq, sweptId: Math.max(...ids), sweptXid: last.xid })
    const isGone = new Set(gone)
    tx.atCommit(() =>
      log.set(
        topic,
        (log.get(topic) ?? []).filter((event) => !isGone.has(event)),
      ),
    )
  }
  for (const [key, { at }] of tables.past) if (at < before - 3_600_000) tx.set(tables.past, key, undefined)
  tx.atCommit(() => (tx.database.sweptBefore = Math.max(tx.database.sweptBefore, before)))
  return count
}

export const createModelLog = (run: Run) => ({
  heads: (topics: readonly string[]) =>
    run((tx) => new Map(topics.map((topic) => [topic, tx.get(tx.database.tables.topics, topic)?.seq ?? 0]))),

  lastId: () => run((tx) => tx.database.sequences.events),

  read: (range: TopicRange, limit: number) =>
    run((tx) =>
      inRange(tx.database, range)
        .flatMap((row) => entryOf(tx, row) ?? [])
        .slice(0, limit),
    ),

  newest: (ranges: readonly TopicRange[], limit: number) =>
    run((tx): LogPosition[] =>
      ranges
        .flatMap((range) => inRange(tx.database, range))
        .toSorted(byId)
        .slice(-limit)
        .map(({ topic, seq, id, at, xid }) => ({ topic, seq, id, at, xid })),
    ),

  oldest: (ranges: readonly TopicRange[], limit: number) =>
    run((tx) => {
      for (let rest = ranges; ;) {
        const rows = rest
          .flatMap((range) => inRange(tx.database, range))
          .toSorted(byId)
          .slice(0, limit)
        const entries = rows.flatMap((row) => entryOf(tx, row) ?? [])
        const isLast = rows.length < limit
        if (entries.length > 0 || isLast) return { entries, isLast }
        rest = rangesAfter(rest, rows)
      }
    }),

  positionsAfter: (cursor: EventCursor, topics: readonly string[]): Promise<CursorPositions> => {
    if (typeof cursor === 'object') return run((tx) => positionsAfterSnapshot(tx, cursor, topics))
    if (!Number.isSafeInteger(cursor)) return Promise.resolve({ known: false, positions: new Map() })
    return run((tx) => positionsAfterEvent(tx, cursor, topics))
  },

  sweep: (hours: number) => run((tx) => sweep(tx, tx.database.now() - hours * 3_600_000)),
})
