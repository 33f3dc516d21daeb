import { Prisma as Sql } from './generated/client.ts'
import type { TraceParent } from '../telemetry/tracing.ts'
import { byOrd, named, pageBefore, recordset, type Db } from './database/sql.ts'
import { epochMs, type LogEntry } from './event-log.ts'

/** A stored message with what a push shows of its sender and conversation. `at` is in milliseconds since the epoch. */
export interface MessageRecord {
  id: number
  conversationId: string
  isGroup: boolean
  groupId: number | null
  senderId: number
  senderName: string
  senderAvatar: string | null
  content: string
  messageType: string
  mediaUrl: string | null
  at: number
}

/** A message to store: direct where `receiverId` is given, else to the group of `conversationId`. */
export interface NewMessage {
  senderId: number
  receiverId: number | null
  conversationId: string | null
  content: string
  messageType: string
  mediaUrl: string | null
  /** The sender's idempotency key. */
  key: string | null
  /** What it is traced by. */
  trace?: TraceParent | undefined
}

interface Sent {
  status: 'sent'
  message: MessageRecord
  entries: LogEntry[]
}

export type SendOutcome =
  | Sent
  /** The key was used before; `message` is what was stored then, `conversationId` where this one would have gone. */
  | { status: 'repeat'; message: MessageRecord; conversationId: string }
  | { status: 'wrong_conversation'; expected: string }
  | { status: Refusal }
  /** The key was used before, and what was stored then could not be read. */
  | { status: 'failed'; error: unknown }

type Refusal = 'no_sender' | 'no_receiver' | 'no_group' | 'not_member' | 'muted'

/**
 * Told of what a statement has logged as soon as it has, before repeats in the batch are looked up: nobody may be told of a later event
 * first. Must not throw.
 */
type OnStored = (entries: readonly LogEntry[]) => void

interface SendRow {
  ord: number
  status: 'ok' | 'stale' | 'repeat' | 'wrong_conversation' | Refusal
  conversation_id: string
  group_id: number | null
  sender_name: string
  sender_avatar: string | null
  message_id: number | null
  event_id: number
  at: number
  topic1: string
  seq1: number
  topic2: string | null
  seq2: number
}

interface MessageRow {
  id: number
  conversation_id: string
  is_group: boolean
  group_id: number | null
  sender_id: number
  sender_name: string
  sender_avatar: string | null
  content: string
  message_type: string
  media_url: string | null
  at: number
}

const toRecord = (row: MessageRow): MessageRecord => ({
  id: row.id,
  conversationId: row.conversation_id,
  isGroup: row.is_group,
  groupId: row.group_id,
  senderId: row.sender_id,
  senderName: row.sender_name,
  senderAvatar: row.sender_avatar,
  content: row.content,
  messageType: row.message_type,
  mediaUrl: row.media_url,
  at: row.at,
})

/** The outcome of an input that was stored. */
function sentOf(row: SendRow, input: NewMessage): Sent {
  const message: MessageRecord = {
    id: row.message_id as number,
    conversationId: row.conversation_id,
    isGroup: row.group_id !== null,
    groupId: row.group_id,
    senderId: input.senderId,
    senderName: row.sender_name,
    senderAvatar: row.sender_avatar,
    content: input.content,
    messageType: input.messageType,
    mediaUrl: input.mediaUrl,
    at: row.at,
  }
  const event = { id: row.event_id, at: row.at, kind: 'message_sent', payload: message }
  const { trace } = input
  const entries: LogEntry[] = [{ topic: row.topic1, seq: row.seq1, event, trace }]
  if (row.topic2 !== null) entries.push({ topic: row.topic2, seq: row.seq2, event, trace })
  return { status: 'sent', message, entries }
}

const messageColumns = Sql.sql`
  m.id::float8 AS id, m.conversation_id, c.is_group, g.id AS group_id, m.sender_id, u.name AS sender_name,
  u.avatar AS sender_avatar, m.content, m.message_type, m.media_url, ${epochMs('m.created_at')} AS at`

const messageJoins = Sql.sql`
  JOIN conversations c ON c.id = m.conversation_id LEFT JOIN groups g ON g.conversation_id = m.conversation_id
  JOIN users u ON u.id = m.sender_id`

const messageTables = Sql.sql`messages m ${messageJoins}`

export interface MessagePageKey {
  conversationId: string
  /** Undefined: from the newest on. */
  before: number | undefined
  limit: number
}

export function createMessageStore(db: Db) {
  /** The outcomes of inputs whose keys were used before; each with the conversation where it would have gone. */
  async function earlier(repeats: readonly (readonly [NewMessage, string])[]): Promise<SendOutcome[]> {
    const keys = repeats.map(([{ senderId, key }]) => ({ senderId, key }))
    const rows = await db.$queryRaw<(MessageRow & { client_key: string })[]>`
      SELECT ${messageColumns}, m.client_key FROM ${recordset(keys, 'k', '"senderId" int, key text')}
      JOIN messages mk ON mk.sender_id = k."senderId" AND mk.client_key = k.key
      JOIN ${messageTables} ON m.id = mk.id`
    const byKey = new Map(rows.map((row) => [`${row.sender_id}:${row.client_key}`, toRecord(row)]))
    return repeats.map(([{ senderId, key }, conversationId]) => {
      const message = byKey.get(`${senderId}:${key}`) as MessageRecord
      return { status: 'repeat', message, conversationId }
    })
  }

  /**
   * Sends a batch in one statement: who may send is decided, direct conversations are created, messages and their
   * events stored and the topics advanced, all or nothing. Outcomes come in the order of the input, whose
   * (sender, key) pairs must differ from each other.
   */
  async function sendBatch(batch: readonly NewMessage[], onStored: OnStored = () => undefined): Promise<SendOutcome[]> {
    // Each table is looked into by its key, whatever its statistics say: a batch may be one message as well as hundreds.
    const rows = await db.$queryRaw<SendRow[]>`
      ${named('send_messages')} WITH input AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${JSON.stringify(batch.map((message, ord) => ({ ord, ...message })))}::json)
          AS i(ord int, "senderId" int, "receiverId" int, "conversationId" text, content text, "messageType" text,
            "mediaUrl" text, key text)
      ), checked AS MATERIALIZED (
        SELECT i.*, u.name, u.avatar, g.group_id, d.id AS direct_id, g.access_seq,
          coalesce(g.id, d.id,
            format('direct_%s_%s', least(i."senderId", i."receiverId"), greatest(i."senderId", i."receiverId"))) AS target,
          CASE
            WHEN u.id IS NULL THEN 'no_sender'
            WHEN repeat.id IS NOT NULL THEN 'repeat'
            WHEN i."receiverId" IS NOT NULL AND r.id IS NULL THEN 'no_receiver'
            WHEN i."receiverId" IS NOT NULL THEN
              CASE WHEN i."conversationId" <> coalesce(d.id,
                format('direct_%s_%s', least(i."senderId", i."receiverId"), greatest(i."senderId", i."receiverId")))
              THEN 'wrong_conversation' ELSE 'ok' END
            WHEN g.id IS NULL OR g.closed_at IS NOT NULL THEN 'no_group'
            WHEN g.role IS NULL THEN 'not_member'
            WHEN NOT g.allow_send_messages AND g.role = 'MEMBER' THEN 'muted'
            ELSE 'ok'
          END AS status
        FROM input i
        LEFT JOIN LATERAL (SELECT id, name, avatar FROM users WHERE id = i."senderId" LIMIT 1) u ON true
        LEFT JOIN LATERAL (
          SELECT id FROM messages WHERE sender_id = i."senderId" AND client_key = i.key LIMIT 1
        ) repeat ON true
        LEFT JOIN LATERAL (SELECT id FROM users WHERE id = i."receiverId" LIMIT 1) r ON true
        LEFT JOIN LATERAL (
          SELECT id FROM conversations WHERE i."receiverId" IS NOT NULL
            AND user_low = least(i."senderId", i."receiverId") AND user_high = greatest(i."senderId", i."receiverId") LIMIT 1
        ) d ON true
        LEFT JOIN LATERAL (
          SELECT c.id, g.id AS group_id, g.closed_at, g.allow_send_messages, m.role, t.access_seq
          FROM conversations c JOIN groups g ON g.conversation_id = c.id
          LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = i."senderId"
          LEFT JOIN topics t ON t.name = 'group:' || g.id
          WHERE i."receiverId" IS NULL AND c.id = i."conversationId" AND c.is_group LIMIT 1
        ) g ON true
      ), targeted AS MATERIALIZED (
        SELECT *, status = 'ok' AS ok,
          CASE WHEN group_id IS NULL THEN 'user:' || "senderId" ELSE 'group:' || group_id END AS topic1,
          CASE WHEN group_id IS NULL THEN 'user:' || "receiverId" END AS topic2
        FROM checked
      ), names AS MATERIALIZED (
        SELECT name FROM (
          SELECT topic1 AS name FROM targeted WHERE ok UNION SELECT topic2 FROM targeted WHERE ok AND topic2 IS NOT NULL
        ) n ORDER BY name COLLATE "C"
      ), locked AS MATERIALIZED (
        SELECT t.* FROM names n CROSS JOIN LATERAL (SELECT name, seq, access_seq FROM topics WHERE name = n.name FOR UPDATE) t
      ), accepted AS MATERIALIZED (
        -- The lock shows the topic as it is now, the checks saw what was before: where access changed meanwhile they don't count.
        SELECT c.* FROM targeted c LEFT JOIN locked l ON l.name = c.topic1
        WHERE c.ok AND (c.group_id IS NULL OR coalesce(l.access_seq, 0) <= coalesce(c.access_seq, 0))
      ), numbered AS MATERIALIZED (
        -- After the locks, so that in each topic the ids grow with seq.
        SELECT c.*, nextval('messages_id_seq') AS message_id, nextval('events_id_seq') AS event_id,
          date_trunc('milliseconds', statement_timestamp()) AS at
        FROM (SELECT * FROM accepted ORDER BY ord) c, (SELECT count(*) FROM locked) l
      ), new_conversations AS (
        INSERT INTO conversations (id, is_group, user_low, user_high, created_at)
        SELECT DISTINCT target, false, least("senderId", "receiverId"), greatest("senderId", "receiverId"), at
        FROM numbered WHERE group_id IS NULL AND direct_id IS NULL
        ON CONFLICT DO NOTHING
      ), new_members AS (
        INSERT INTO members (conversation_id, user_id)
        SELECT DISTINCT n.target, p.user_id FROM numbered n CROSS JOIN LATERAL (VALUES (n."senderId"), (n."receiverId")) p(user_id)
        WHERE n.group_id IS NULL AND n.direct_id IS NULL
        ON CONFLICT DO NOTHING
      ), inserted AS (
        INSERT INTO messages (id, conversation_id, sender_id, content, message_type, media_url, client_key, created_at)
        SELECT message_id, target, "senderId", content, "messageType", "mediaUrl", key, at FROM numbered ORDER BY ord
        ON CONFLICT (sender_id, client_key) DO NOTHING
        RETURNING id
      ), stored AS MATERIALIZED (
        SELECT n.* FROM numbered n JOIN inserted i ON i.id = n.message_id
      ), entries AS MATERIALIZED (
        SELECT s.ord, t.side, t.topic, s.message_id, s.event_id, s.at,
          l.seq + row_number() OVER (PARTITION BY t.topic ORDER BY s.ord) AS seq
        FROM stored s CROSS JOIN LATERAL (VALUES (1, s.topic1), (2, s.topic2)) AS t(side, topic) JOIN locked l ON l.name = t.topic
      ), logged AS (
        INSERT INTO events (topic, seq, id, kind, message_id, created_at, xid, snapshot)
        -- Selected, so that they are made into text once and not for each row.
        SELECT topic, seq, event_id, 'message_sent', message_id, at,
          (SELECT pg_current_xact_id()::text::bigint), (SELECT pg_current_snapshot()::text)
        FROM entries
      ), advanced AS (
        UPDATE topics t SET seq = t.seq + a.count
        FROM (SELECT topic, count(*) AS count FROM entries GROUP BY topic) a WHERE t.name = a.topic
      )
      SELECT c.ord, CASE WHEN c.status = 'ok' AND a.ord IS NULL THEN 'stale' ELSE c.status END AS status,
        c.target AS conversation_id, c.group_id, c.name AS sender_name, c.avatar AS sender_avatar,
        s.message_id::float8 AS message_id, s.event_id::float8 AS event_id, ${epochMs('s.at')} AS at,
        e1.topic AS topic1, e1.seq::float8 AS seq1, e2.topic AS topic2, e2.seq::float8 AS seq2
      FROM checked c
      LEFT JOIN accepted a ON a.ord = c.ord
      LEFT JOIN stored s ON s.ord = c.ord
      LEFT JOIN entries e1 ON e1.ord = c.ord AND e1.side = 1
      LEFT JOIN entries e2 ON e2.ord = c.ord AND e2.side = 2
      ORDER BY c.ord`
    const inputOf = ({ ord }: SendRow): NewMessage => batch[ord] as NewMessage
    const stored = rows.filter((row) => row.status === 'ok' && row.message_id !== null)
    const outcomes = new Map<number, SendOutcome>(stored.map((row) => [row.ord, sentOf(row, inputOf(row))]))
    onStored(stored.flatMap(({ ord }) => (outcomes.get(ord) as Sent).entries))
    // Messages are stored by now: what fails from here on must not look like a failure of the whole batch.
    async function settle(some: readonly SendRow[], run: (some: readonly SendRow[]) => Promise<SendOutcome[]>): Promise<void> {
      if (some.length === 0) return
      const settled = await run(some).catch((error: unknown) => some.map(() => ({ status: 'failed' as const, error })))
      some.forEach(({ ord }, index) => outcomes.set(ord, settled[index] as SendOutcome))
    }
    // A key that another statement stored meanwhile shows as accepted, but not stored.
    const isRepeat = (row: SendRow): boolean => row.status === 'repeat' || (row.status === 'ok' && row.message_id === null)
    await settle(rows.filter(isRepeat), (repeats) => earlier(repeats.map((row) => [inputOf(row), row.conversation_id])))
    await settle(
      rows.filter(({ status }) => status === 'stale'),
      (stale) => sendBatch(stale.map(inputOf), onStored),
    )
    return rows.map((row): SendOutcome => {
      const settled = outcomes.get(row.ord)
      if (settled) return settled
      if (row.status === 'wrong_conversation') return { status: 'wrong_conversation', expected: row.conversation_id }
      return { status: row.status as Refusal }
    })
  }

  /** For each key the conversation's messages with an id below `before`, newest first. */
  async function pages(keys: readonly MessagePageKey[]): Promise<MessageRecord[][]> {
    const rows = await db.$queryRaw<(MessageRow & { ord: number })[]>`
      SELECT k.ord, ${messageColumns} FROM ${recordset(keys, 'k', '"conversationId" text, before bigint, "limit" int')}
      CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT * FROM messages
          WHERE ${pageBefore('conversation_id', 'id', 'k."conversationId"', `coalesce(k.before, ${Number.MAX_SAFE_INTEGER})`)}
          -- Known to the planner, unlike each key's own: it decides how the rest is looked up.
          LIMIT ${Math.max(0, ...keys.map(({ limit: each }) => each))}
        ) longest LIMIT k."limit"
      ) m ${messageJoins} ORDER BY k.ord, m.id DESC`
    return byOrd(keys, rows, toRecord)
  }

  return {
    sendBatch,

    async byIds(ids: readonly number[]): Promise<Map<number, MessageRecord>> {
      const rows = await db.$queryRaw<MessageRow[]>`
        SELECT ${messageColumns} FROM ${messageTables} WHERE m.id = ANY(${[...ids]}::bigint[])`
      return new Map(rows.map((row) => [row.id, toRecord(row)]))
    },

    pages,

    /** A conversation's messages with an id below `before`, newest first. */
    page: async (conversationId: string, before: number | undefined, limit: number): Promise<MessageRecord[]> =>
      (await pages([{ conversationId, before, limit }]))[0] ?? [],

    /** The latest message of each conversation that has one. */
    async latest(conversationIds: readonly string[]): Promise<Map<string, MessageRecord>> {
      const rows = await db.$queryRaw<MessageRow[]>`
        SELECT ${messageColumns} FROM unnest(${[...conversationIds]}::text[]) AS k(id)
        CROSS JOIN LATERAL (
          SELECT * FROM messages WHERE ${pageBefore('conversation_id', 'id', 'k.id')} LIMIT 1
        ) m ${messageJoins}`
      return new Map(rows.map((row) => [row.conversation_id, toRecord(row)]))
    },
  }
}
