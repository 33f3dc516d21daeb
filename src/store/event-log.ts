import { Prisma as Sql } from './generated/client.ts'
import type { EventCursor, SnapshotPosition } from '../ids.ts'
import type { TraceParent } from '../telemetry/tracing.ts'
import { epochMs, recordset, type Db } from './database/sql.ts'
import { messageColumns, messageOf, type MessageRecord, type MessageRow } from './message-rows.ts'

/** How many ids below an event that committed there may be of transactions that were still running then. */
export const UNDER_WAY = 1000

/** A durable event. `id` is the resume cursor; `at` is in milliseconds since the epoch. */
export interface StoredEvent {
  id: number
  at: number
  kind: string
  /** A message event carries the message as stored; every other kind its logged payload. */
  payload: unknown
}

/** One event in one topic. In each topic `seq` counts from 1 without gaps, in the order of commits. */
export interface LogEntry {
  topic: string
  seq: number
  event: StoredEvent
  /** The span that wrote it, if traced. */
  trace?: TraceParent | undefined
}

/** An event's position in a topic. */
export interface LogPosition {
  topic: string
  seq: number
  id: number
  at: number
  /** The transaction that wrote it. */
  xid: number
}

/** Where reading a topic continues after a cursor. */
export interface TopicPosition {
  /** The `seq` up to which everything was delivered. */
  seq: number
  /** The last event that retention removed; 0 if none. */
  sweptSeq: number
  /** Whether retention removed something that comes after the cursor. */
  isSwept: boolean
}

export interface CursorPositions {
  /**
   * False for a cursor that this log did not issue, or not in its present history, or so long ago that memberships which ended
   * since are forgotten.
   */
  known: boolean
  positions: Map<string, TopicPosition>
}

/** A range of a topic: events with `after < seq <= until`. */
export interface TopicRange {
  topic: string
  after: number
  until: number
}

export interface NewEvent {
  topics: readonly string[]
  kind: string
  payload: unknown
  /** The message that a message event refers to; its payload is then read from the message. */
  message?: MessageRecord
  /** Whether permissions in its topics change: a send that read before it must check again. */
  changesAccess?: boolean
}

/** The rest of ranges after entries that were read from them in order. */
export function rangesAfter(ranges: readonly TopicRange[], read: readonly { topic: string; seq: number }[]): TopicRange[] {
  return ranges.map((range) => {
    const last = read.findLast(({ topic, seq }) => topic === range.topic && seq > range.after && seq <= range.until)
    return last ? { ...range, after: last.seq } : range
  })
}

interface EventRow {
  topic: string
  seq: number
  event_id: number
  event_at: number
  kind: string
  payload: unknown
  message_id: number | null
  /** For a reaction's event: whether the message has been deleted since. */
  message_deleted: boolean | null
}
/** The columns of the message are null if the event has none, or if it is gone. */
type EntryRow = EventRow & (MessageRow | { [Column in keyof MessageRow]: null })

const hasMessage = (row: EntryRow): row is EventRow & MessageRow => row.conversation_id !== null

const toEntry = (row: EntryRow): LogEntry => ({
  topic: row.topic,
  seq: row.seq,
  event: { id: row.event_id, at: row.event_at, kind: row.kind, payload: hasMessage(row) ? messageOf(row) : payloadOf(row) },
})

const payloadOf = ({ payload, message_deleted: isDeleted }: EventRow): unknown =>
  isDeleted ? { ...(payload as object), messageDeleted: true } : payload

const entryColumns = Sql.sql`
  e.topic, e.seq::float8 AS seq, e.id::float8 AS event_id, ${epochMs('e.created_at')} AS event_at, e.kind, e.payload,
  e.message_id::float8 AS message_id,
  CASE WHEN e.kind IN ('reaction_added', 'reaction_removed') THEN (
    SELECT a.deleted_at IS NOT NULL FROM messages a WHERE a.id = (e.payload->>'messageId')::bigint
  ) END AS message_deleted, ${messageColumns}`

const entryJoins = Sql.sql`
  LEFT JOIN messages m ON m.id = e.message_id
  LEFT JOIN conversations c ON c.id = m.conversation_id
  LEFT JOIN groups g ON g.conversation_id = m.conversation_id
  LEFT JOIN users u ON u.id = m.sender_id`

/**
 * Locks topics until the transaction ends, always in the same order so that writers can't deadlock, and returns their heads.
 * Appending requires these locks.
 */
export async function lockTopics(tx: Db, topics: readonly string[]): Promise<Map<string, number>> {
  const rows = await tx.$queryRaw<{ name: string; seq: number }[]>`
    SELECT name, seq::float8 AS seq FROM topics WHERE name = ANY(${[...topics]}::text[]) ORDER BY name COLLATE "C" FOR UPDATE`
  return new Map(rows.map((row) => [row.name, row.seq]))
}

/** Writes events into topics whose locks the transaction holds; `heads` are the positions before. */
export async function appendEvents(tx: Db, heads: Map<string, number>, events: readonly NewEvent[]): Promise<LogEntry[]> {
  const next = new Map(heads)
  const rows = events.flatMap(({ topics, kind, payload, message, changesAccess = false }, ord) =>
    topics.map((topic) => {
      const head = next.get(topic)
      if (head === undefined) throw new Error(`topic ${topic} is not locked by this transaction`)
      next.set(topic, head + 1)
      return {
        ord,
        topic,
        seq: head + 1,
        kind,
        message: message?.id ?? null,
        payload: message ? null : payload,
        access: changesAccess,
      }
    }),
  )
  if (rows.length === 0) return []
  const written = await tx.$queryRaw<{ ord: number; id: number; at: number }[]>`
    WITH input AS MATERIALIZED (
      SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::json)
        AS i(ord int, topic text, seq bigint, kind text, message bigint, payload jsonb, access boolean)
    ), numbered AS MATERIALIZED (
      SELECT ord, nextval('events_id_seq') AS id FROM (SELECT DISTINCT ord FROM input ORDER BY ord) o
    ), logged AS (
      INSERT INTO events (topic, seq, id, kind, message_id, payload, created_at, xid, snapshot)
      SELECT i.topic, i.seq, n.id, i.kind, i.message, i.payload, date_trunc('milliseconds', statement_timestamp()),
        pg_current_xact_id()::text::bigint, pg_current_snapshot()::text
      FROM input i JOIN numbered n USING (ord)
    ), advanced AS (
      UPDATE topics t SET seq = h.seq, access_seq = coalesce(h.access_seq, t.access_seq)
      FROM (SELECT topic, max(seq) AS seq, max(seq) FILTER (WHERE access) AS access_seq FROM input GROUP BY topic) h
      WHERE t.name = ANY(ARRAY[h.topic])
    )
    SELECT ord, id::float8 AS id, ${epochMs("date_trunc('milliseconds', statement_timestamp())")} AS at FROM numbered`
  const byOrd = new Map(written.map((row) => [row.ord, row]))
  const shared = events.map(({ kind, payload, message }, ord): StoredEvent => {
    const { id, at } = byOrd.get(ord) as { id: number; at: number }
    return { id, at, kind, payload: message ?? payload }
  })
  return rows.map(({ ord, topic, seq }) => ({ topic, seq, event: shared[ord] as StoredEvent }))
}

/**
 * After an event: one with a lower id whose transaction was still running when the event's was written may not have been
 * delivered, and counts as missed. Where the event is of another cluster (transaction 0), nobody knows any more: what is a
 * little lower counts as missed, too, and may be repeated.
 */
async function positionsAfterEvent(db: Db, cursor: number, topics: readonly string[]): Promise<CursorPositions> {
  const rows = await db.$queryRaw<{ known: boolean; topic: string; seq: number; swept_seq: number; swept_id: number }[]>`
    WITH cursor_event AS MATERIALIZED (
      SELECT xid, snapshot::pg_snapshot FROM events WHERE topic = ANY(${[...topics]}::text[]) AND id = ${cursor} LIMIT 1
    )
    SELECT ${cursor}::bigint <= (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq)
        AND NOT EXISTS (SELECT FROM lost_events WHERE after_id < ${cursor} AND until_id >= ${cursor}) AS known,
      t.name AS topic, t.swept_seq::float8 AS swept_seq, t.swept_id::float8 AS swept_id,
      coalesce(done.seq, t.swept_seq)::float8 AS seq
    FROM topics t
    LEFT JOIN LATERAL (
      -- In one topic ids are in the order of commits: what the cursor's transaction did not see is the end of it.
      SELECT e.seq FROM events e LEFT JOIN cursor_event c ON true
      WHERE e.topic = t.name AND e.id <= ${cursor}
        AND (c.xid IS NULL OR e.id = ${cursor} OR CASE
          WHEN c.xid = 0 THEN e.id <= ${cursor}::bigint - ${UNDER_WAY}::int
          ELSE e.xid = c.xid OR pg_visible_in_snapshot(e.xid::text::xid8, c.snapshot)
        END)
      ORDER BY e.id DESC LIMIT 1
    ) done ON true
    WHERE t.name = ANY(${[...topics]}::text[])`
  return {
    known: rows[0]?.known ?? cursor === 0,
    positions: new Map(rows.map((row) => [row.topic, { seq: row.seq, sweptSeq: row.swept_seq, isSwept: row.swept_id > cursor }])),
  }
}

/**
 * After a snapshot: it shows the beginning of each topic, since a writer holds the topic's lock until the commit. A snapshot
 * from the future belongs to a log that has lost its end since.
 */
async function positionsAfterSnapshot(
  db: Db,
  { snapshot, lastId, at, epoch }: SnapshotPosition,
  topics: readonly string[],
): Promise<CursorPositions> {
  const rows = await db.$queryRaw<{ known: boolean; topic: string | null; seq: number; swept_seq: number; is_swept: boolean }[]>`
    SELECT i.known, t.name AS topic, t.swept_seq::float8 AS swept_seq, coalesce(done.seq, t.swept_seq)::float8 AS seq,
      NOT pg_visible_in_snapshot(t.swept_xid::text::xid8, s.snapshot) AS is_swept
    FROM (SELECT ${snapshot}::pg_snapshot AS snapshot) s
    CROSS JOIN LATERAL (
      SELECT epoch::text = ${epoch} AND coalesce(swept_before <= to_timestamp(${at}::float8 / 1000), true)
        AND pg_snapshot_xmax(s.snapshot) <= pg_snapshot_xmax(pg_current_snapshot()) AS known
      FROM installation
    ) i
    LEFT JOIN topics t ON t.name = ANY(${[...topics]}::text[])
    LEFT JOIN LATERAL (
      SELECT e.seq FROM events e
      WHERE e.topic = t.name AND e.id <= ${lastId} AND pg_visible_in_snapshot(e.xid::text::xid8, s.snapshot)
      ORDER BY e.id DESC LIMIT 1
    ) done ON true`
  return {
    known: rows[0]?.known ?? false,
    positions: new Map(
      rows.flatMap(({ topic, seq, swept_seq: sweptSeq, is_swept: isSwept }) =>
        topic === null ? [] : [[topic, { seq, sweptSeq, isSwept }]],
      ),
    ),
  }
}

/** Whether its message is gone, so that it can't be delivered. */
const isOrphan = (row: EntryRow): boolean => row.message_id !== null && !hasMessage(row)

/**
 * Reads of the event log. Writing goes through `Store.transaction` and the message batches. An event whose message is gone is
 * left out, and `onOrphans` is called with their number.
 */
export class EventLog {
  readonly #db: Db
  readonly #onOrphans: (count: number) => void

  constructor(db: Db, onOrphans: (count: number) => void = () => undefined) {
    this.#db = db
    this.#onOrphans = onOrphans
  }

  /** The highest `seq` of each topic; 0 for an unknown topic. */
  async heads(topics: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#db.$queryRaw<{ name: string; seq: number }[]>`
        SELECT name, seq::float8 AS seq FROM topics WHERE name = ANY(${[...topics]}::text[])`
    const heads = new Map(topics.map((topic) => [topic, 0]))
    for (const { name, seq } of rows) heads.set(name, seq)
    return heads
  }

  /** The highest assigned event id; 0 before the first. */
  async lastId(): Promise<number> {
    const [row] = await this.#db.$queryRaw<{ id: number }[]>`
        SELECT (CASE WHEN is_called THEN last_value ELSE 0 END)::float8 AS id FROM events_id_seq`
    return row?.id ?? 0
  }

  /** The entries of one topic with `after < seq <= until`, in order, at most `limit`; empty if there are no more. */
  async read({ topic, after, until }: TopicRange, limit: number): Promise<LogEntry[]> {
    for (let from = after; ;) {
      const rows = await this.#db.$queryRaw<EntryRow[]>`
          SELECT ${entryColumns} FROM events e ${entryJoins}
          WHERE e.topic = ${topic} AND e.seq > ${from} AND e.seq <= ${until} ORDER BY e.seq LIMIT ${limit}`
      const entries = this.#entriesOf(rows)
      if (entries.length > 0 || rows.length < limit) return entries
      from = (rows.at(-1) as EntryRow).seq
    }
  }

  /** The positions of the newest entries of all ranges together, by event id, at most `limit`, oldest first. */
  async newest(ranges: readonly TopicRange[], limit: number): Promise<LogPosition[]> {
    return await this.#db.$queryRaw<LogPosition[]>`
        SELECT e.topic, e.seq::float8 AS seq, e.id::float8 AS id, ${epochMs('e.created_at')} AS at, e.xid::float8 AS xid FROM (
          SELECT e.* FROM ${recordset(ranges, 'r', 'topic text, after bigint, until bigint')}
          CROSS JOIN LATERAL (
            SELECT topic, seq, id, created_at, xid FROM events
            -- One bound as a row: of two plain bounds that it does not know the planner expects next to nothing between them.
            WHERE topic = r.topic AND seq <= r.until AND (topic, seq) > (r.topic, r.after) ORDER BY seq DESC LIMIT ${limit}
          ) e ORDER BY e.id DESC LIMIT ${limit}
        ) e ORDER BY e.id, e.topic`
  }

  /** The oldest entries of all ranges together by event id, at most about `limit`; `isLast` if there are no more. */
  async oldest(ranges: readonly TopicRange[], limit: number): Promise<{ entries: LogEntry[]; isLast: boolean }> {
    for (let rest = ranges; ;) {
      const rows = await this.#db.$queryRaw<EntryRow[]>`
          SELECT ${entryColumns} FROM (
            SELECT e.* FROM ${recordset(rest, 'r', 'topic text, after bigint, until bigint')}
            CROSS JOIN LATERAL (
              SELECT * FROM events WHERE topic = r.topic AND seq > r.after AND (topic, seq) <= (r.topic, r.until)
              ORDER BY seq LIMIT ${limit}
            ) e ORDER BY e.id, e.topic LIMIT ${limit}
          ) e ${entryJoins} ORDER BY e.id, e.topic`
      const entries = this.#entriesOf(rows)
      const isLast = rows.length < limit
      if (entries.length > 0 || isLast) return { entries, isLast }
      rest = rangesAfter(rest, rows)
    }
  }

  /** Where reading continues after the cursor, for each topic. */
  async positionsAfter(cursor: EventCursor, topics: readonly string[]): Promise<CursorPositions> {
    if (typeof cursor === 'object') return await positionsAfterSnapshot(this.#db, cursor, topics)
    if (!Number.isSafeInteger(cursor)) return { known: false, positions: new Map() }
    return await positionsAfterEvent(this.#db, cursor, topics)
  }

  /** Deletes events older than `hours` from the log, at most `limit`; returns how many entries were deleted. */
  async sweep(hours: number, limit: number): Promise<number> {
    const [row] = await this.#db.$queryRaw<{ count: number }[]>`
        WITH old AS MATERIALIZED (
          SELECT topic, seq FROM events WHERE created_at < now() - make_interval(hours => ${hours}::int)
          ORDER BY created_at LIMIT ${limit}
        ), locked AS MATERIALIZED (
          SELECT name FROM topics WHERE name IN (SELECT topic FROM old) ORDER BY name COLLATE "C" FOR UPDATE
        ), gone AS (
          DELETE FROM events e USING old JOIN locked ON locked.name = old.topic WHERE e.topic = old.topic AND e.seq = old.seq
          RETURNING e.topic, e.seq, e.id, e.xid
        ), marked AS (
          UPDATE topics t SET swept_seq = greatest(t.swept_seq, g.seq), swept_id = greatest(t.swept_id, g.id),
            swept_xid = CASE WHEN g.seq > t.swept_seq THEN g.xid ELSE t.swept_xid END
          FROM (
            SELECT topic, max(seq) AS seq, max(id) AS id, (array_agg(xid ORDER BY seq DESC))[1] AS xid FROM gone GROUP BY topic
          ) g WHERE t.name = g.topic
        ), past AS (
          -- Their time is when their transaction began: a cursor from before its commit must be from before the retention.
          DELETE FROM past_memberships WHERE created_at < now() - make_interval(hours => ${hours}::int + 1)
        ), noted AS (
          UPDATE installation SET swept_before = greatest(swept_before, now() - make_interval(hours => ${hours}::int))
        )
        SELECT count(*)::int AS count FROM gone`
    return row?.count ?? 0
  }

  #entriesOf(rows: readonly EntryRow[]): LogEntry[] {
    const entries = rows.filter((row) => !isOrphan(row)).map(toEntry)
    if (entries.length < rows.length) this.#onOrphans(rows.length - entries.length)
    return entries
  }
}
