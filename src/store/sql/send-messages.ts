import { Prisma as Sql } from '../generated/client.ts'
import { epochMs, named } from '../database/sql.ts'

/** The outcome of one input; the columns from `message_id` on are null unless it was stored. */
export interface SendRow {
  ord: number
  status: 'ok' | 'stale' | 'repeat' | 'wrong_conversation' | SendRefusal
  /** Where the message went, or would have gone. */
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

export type SendRefusal =
  | 'no_sender'
  | 'no_receiver'
  | 'no_group'
  | 'not_member'
  | 'closed_to_members'
  | 'muted'
  | 'blocked'
  | 'no_reply_target'
  | 'not_mentionable'
  | 'not_all_mentionable'

/** A message as the statement takes it: what it has nothing of is left out. `ord` is its index in the batch. */
export interface SendInput {
  ord: number
  senderId: number
  /** Of a direct message; a message to a group has none. */
  receiverId?: number | undefined
  conversationId?: string | undefined
  content: string
  messageType: string
  mediaUrl?: string | undefined
  key?: string | undefined
  replyToId?: number | undefined
  mentionIds?: readonly number[] | undefined
  mentionsAll?: true | undefined
}

/** What a batch has. PostgreSQL sets up every step of a statement, whether there is something to do or not. */
interface BatchParts {
  direct: boolean
  group: boolean
  /** Replies or mentions. */
  extras: boolean
}

function partsOf(inputs: readonly SendInput[]): BatchParts & { name: string } {
  const direct = inputs.some(({ receiverId }) => receiverId !== undefined)
  const group = inputs.some(({ receiverId }) => receiverId === undefined)
  const extras = inputs.some(
    ({ replyToId, mentionIds, mentionsAll }) => replyToId !== undefined || mentionIds !== undefined || mentionsAll !== undefined,
  )
  const kind = direct && group ? 'mixed' : direct ? 'direct' : 'group'
  return { direct, group, extras, name: `send_messages_${kind}${extras ? '_extras' : ''}` }
}

const when = (isNeeded: boolean, part: Sql.Sql, otherwise = Sql.empty): Sql.Sql => (isNeeded ? part : otherwise)

/** The direct conversation of sender and receiver, whether it exists or not. */
const DIRECT_ID = Sql.sql`
  coalesce(d.id, format('direct_%s_%s', least(i."senderId", i."receiverId"), greatest(i."senderId", i."receiverId")))`

/** Who may send a direct message. A user who has a direct conversation exists. */
const DIRECT_STATUS = Sql.sql`
        WHEN i."receiverId" IS NOT NULL AND d.id IS NULL AND (SELECT id FROM users WHERE id = i."receiverId" LIMIT 1) IS NULL
        THEN 'no_receiver'
        WHEN i."receiverId" IS NOT NULL THEN
          CASE
            WHEN i."conversationId" <> ${DIRECT_ID} THEN 'wrong_conversation'
            WHEN (SELECT true FROM blocks WHERE blocker_id = i."senderId" AND blocked_id = i."receiverId" LIMIT 1)
              OR (SELECT true FROM blocks WHERE blocker_id = i."receiverId" AND blocked_id = i."senderId" LIMIT 1)
            THEN 'blocked'
            ELSE 'ok'
          END`

const GROUP_STATUS = Sql.sql`
        WHEN g.id IS NULL OR g.closed_at IS NOT NULL THEN 'no_group'
        WHEN g.role IS NULL THEN 'not_member'
        WHEN NOT g.allow_send_messages AND g.role = 'MEMBER' THEN 'closed_to_members'
        WHEN g.role = 'MEMBER' AND EXISTS (
          SELECT FROM group_mutes WHERE group_id = g.group_id AND user_id = i."senderId" AND until > statement_timestamp()
        ) THEN 'muted'`

const DIRECT_TARGET = Sql.sql`
    LEFT JOIN LATERAL (
      SELECT id FROM conversations WHERE i."receiverId" IS NOT NULL
        AND user_low = least(i."senderId", i."receiverId") AND user_high = greatest(i."senderId", i."receiverId") LIMIT 1
    ) d ON true`

const GROUP_TARGET = Sql.sql`
    LEFT JOIN LATERAL (
      SELECT c.id, g.id AS group_id, g.closed_at, g.allow_send_messages, m.role, m.history_after, t.access_seq
      FROM conversations c JOIN groups g ON g.conversation_id = c.id
      LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = i."senderId"
      LEFT JOIN topics t ON t.name = 'group:' || g.id
      WHERE i."receiverId" IS NULL AND c.id = i."conversationId" AND c.is_group LIMIT 1
    ) g ON true`

/** Whether what it answers and mentions is there. */
const EXTRAS_STATUS = Sql.sql`
      CASE
        WHEN status <> 'ok' THEN status
        WHEN "replyToId" IS NOT NULL AND NOT EXISTS (
          SELECT FROM messages a WHERE a.id = f."replyToId" AND a.conversation_id = f.target AND a.deleted_at IS NULL
            AND a.id > coalesce(f.history_after, 0)
        ) THEN 'no_reply_target'
        WHEN "mentionsAll" AND coalesce(role, 'MEMBER') = 'MEMBER' THEN 'not_all_mentionable'
        WHEN "mentionIds" IS NOT NULL AND group_id IS NULL AND NOT "mentionIds" <@ ARRAY["senderId", "receiverId"]
        THEN 'not_mentionable'
        WHEN "mentionIds" IS NOT NULL AND group_id IS NOT NULL AND EXISTS (
          SELECT FROM unnest("mentionIds") AS x(id)
          WHERE NOT EXISTS (SELECT FROM members WHERE conversation_id = f.target AND user_id = x.id)
        ) THEN 'not_mentionable'
        ELSE 'ok'
      END`

/** Direct conversations that there are not yet, with their members. */
const CREATED = Sql.sql`
  ), new_conversations AS (
    INSERT INTO conversations AS c (id, is_group, user_low, user_high, created_at, message_count, low_count)
    SELECT target, false, user_low, user_high, at, total, low FROM totals WHERE is_new
    -- Another statement created it meanwhile.
    ON CONFLICT (id) DO UPDATE SET message_count = c.message_count + excluded.message_count, low_count = c.low_count + excluded.low_count
    RETURNING id, message_count, low_count
  ), new_members AS (
    INSERT INTO members (conversation_id, user_id)
    SELECT DISTINCT n.target, p.user_id FROM numbered n CROSS JOIN LATERAL (VALUES (n."senderId"), (n."receiverId")) p(user_id)
    WHERE n.group_id IS NULL AND n.direct_id IS NULL
    ON CONFLICT DO NOTHING`

/** Of groups each member's messages are counted; of direct conversations those of the user with the lower id. */
const SENDERS = Sql.sql`
  ), senders AS (
    UPDATE members m SET sent_count = m.sent_count + n.total
    FROM (
      SELECT target, "senderId", count(*)::int AS total FROM numbered WHERE group_id IS NOT NULL GROUP BY target, "senderId"
    ) n WHERE m.conversation_id = ANY(ARRAY[n.target]) AND m.user_id = ANY(ARRAY[n."senderId"])
    RETURNING m.conversation_id, m.user_id, m.sent_count - n.total AS sent_count`

const EXTRAS_STORED = Sql.sql`
  ), answered AS (
    UPDATE messages m SET reply_count = m.reply_count + n.total
    FROM (SELECT "replyToId" AS id, count(*)::int AS total FROM numbered WHERE "replyToId" IS NOT NULL GROUP BY "replyToId") n
    WHERE m.id = ANY(ARRAY[n.id])
  ), mentioned AS (
    INSERT INTO mentions (message_id, user_id, conversation_id)
    SELECT DISTINCT message_id, unnest(mention_ids), target FROM numbered WHERE mention_ids IS NOT NULL`

/** By name. Each has one value, the inputs. */
const statements = new Map<string, Sql.Sql>()

/**
 * The statement that sends a batch: who may send is decided, direct conversations are created, messages and their events stored,
 * counters and topics advanced, all or nothing. Rows come in the order of `ord`.
 */
export function sendMessages(inputs: readonly SendInput[]): Sql.Sql {
  const { name, ...parts } = partsOf(inputs)
  let statement = statements.get(name)
  if (!statement) statements.set(name, (statement = statementOf(name, parts)))
  return new Sql.Sql(statement.strings, [JSON.stringify(inputs)])
}

/**
 * Each table is looked into by its key, whatever its statistics say: a batch may be one message as well as hundreds. It must not be
 * joined to anything that grows with the history or the number of members. Topics, conversations and members are updated by `key = ANY(ARRAY[...])`,
 * which can't be hashed: written as `key = ...`, the planner reads a table of some thousand rows as a whole, for each batch.
 */
// oxlint-disable-next-line max-lines-per-function -- one SQL statement
function statementOf(name: string, { direct, group, extras }: BatchParts): Sql.Sql {
  return Sql.sql`
  ${named(name)} WITH input AS MATERIALIZED (
    SELECT * FROM json_to_recordset(${'[]'}::json)
      AS i(ord int, "senderId" int, "receiverId" int, "conversationId" text, content text, "messageType" text,
        "mediaUrl" text, key text, "replyToId" bigint, "mentionIds" int[], "mentionsAll" boolean)
  ), found AS MATERIALIZED (
    -- Contents are joined again where they are stored: each of these steps copies its rows.
    SELECT i.ord, i."senderId", i."receiverId", i."replyToId", i."mentionIds", i."mentionsAll", u.name, u.avatar,
      ${when(direct, Sql.sql`d.id`, Sql.sql`NULL::text`)} AS direct_id,
      ${when(
        group,
        Sql.sql`g.group_id, g.access_seq, g.role, g.history_after`,
        Sql.sql`NULL::int AS group_id, NULL::bigint AS access_seq, NULL::group_role AS role, NULL::bigint AS history_after`,
      )},
      ${direct && group ? Sql.sql`coalesce(g.id, ${DIRECT_ID})` : direct ? DIRECT_ID : Sql.sql`coalesce(g.id, '')`} AS target,
      CASE
        WHEN u.id IS NULL THEN 'no_sender'
        WHEN repeat.id IS NOT NULL THEN 'repeat'
        ${when(direct, DIRECT_STATUS)}
        ${when(group, GROUP_STATUS)}
        ELSE 'ok'
      END AS status
    FROM input i
    LEFT JOIN LATERAL (SELECT id, name, avatar FROM users WHERE id = i."senderId" LIMIT 1) u ON true
    LEFT JOIN LATERAL (
      SELECT id FROM messages WHERE sender_id = i."senderId" AND client_key = i.key LIMIT 1
    ) repeat ON true
    ${when(direct, DIRECT_TARGET)}
    ${when(group, GROUP_TARGET)}
  ), checked AS MATERIALIZED (
    SELECT ord, "senderId", "receiverId", "replyToId",
      coalesce("mentionsAll", false) AS mentions_all, CASE WHEN cardinality("mentionIds") > 0 THEN "mentionIds" END AS mention_ids,
      name, avatar, group_id, direct_id, access_seq, target,
      CASE WHEN group_id IS NULL THEN 'user:' || "senderId" ELSE 'group:' || group_id END AS topic1,
      CASE WHEN group_id IS NULL THEN 'user:' || "receiverId" END AS topic2,
      ${when(extras, EXTRAS_STATUS, Sql.sql`status`)} AS status
    FROM found f
  ), names AS MATERIALIZED (
    SELECT name FROM (
      SELECT topic1 AS name FROM checked WHERE status = 'ok'
      UNION SELECT topic2 FROM checked WHERE status = 'ok' AND topic2 IS NOT NULL
    ) n ORDER BY name COLLATE "C"
  ), locked AS MATERIALIZED (
    SELECT t.* FROM names n CROSS JOIN LATERAL (SELECT name, seq, access_seq FROM topics WHERE name = n.name FOR UPDATE) t
  ), accepted AS MATERIALIZED (
    -- The lock shows the topic as it is now, the checks saw what was before: where access changed meanwhile they don't count.
    SELECT c.* FROM checked c LEFT JOIN locked l ON l.name = c.topic1
    WHERE c.status = 'ok' AND CASE
      WHEN c.group_id IS NOT NULL THEN coalesce(l.access_seq, 0) <= coalesce(c.access_seq, 0)
      -- Of a user's topic the earlier state is read only where there was such a change at all.
      ELSE l.access_seq = 0 OR l.access_seq <= (SELECT access_seq FROM topics WHERE name = c.topic1)
    END
  ), numbered AS MATERIALIZED (
    -- After the locks, so that in each topic the ids grow with seq.
    SELECT c.*, nextval('messages_id_seq') AS message_id, nextval('events_id_seq') AS event_id,
      date_trunc('milliseconds', statement_timestamp()) AS at, group_id IS NULL AND "senderId" < "receiverId" AS is_low
    FROM (SELECT * FROM accepted ORDER BY ord) c, (SELECT count(*) FROM locked) l
  ), totals AS MATERIALIZED (
    SELECT target, group_id IS NULL AND direct_id IS NULL AS is_new, count(*)::int AS total,
      (count(*) FILTER (WHERE is_low))::int AS low, min(least("senderId", "receiverId")) AS user_low,
      min(greatest("senderId", "receiverId")) AS user_high, min(at) AS at
    FROM numbered GROUP BY target, group_id, direct_id
  ${when(direct, CREATED)}
  ), old_conversations AS (
    -- Sees what was committed while the locks were awaited, unlike a plain read in this statement.
    UPDATE conversations c SET message_count = c.message_count + n.total, low_count = c.low_count + n.low
    FROM totals n WHERE NOT n.is_new AND c.id = ANY(ARRAY[n.target])
    RETURNING c.id, c.message_count, c.low_count
  ), before AS MATERIALIZED (
    SELECT n.target, c.message_count - n.total AS message_count, c.low_count - n.low AS low_count
    FROM totals n JOIN (
      ${when(direct, Sql.sql`SELECT * FROM new_conversations UNION ALL`)} SELECT * FROM old_conversations
    ) c ON c.id = n.target
  ${when(group, SENDERS)}
  ), inserted AS (
    INSERT INTO messages (id, conversation_id, sender_id, content, message_type, media_url, client_key, created_at, seq, sender_seq,
      reply_to_id, mention_ids, mentions_all)
    SELECT n.message_id, n.target, n."senderId", i.content, i."messageType", i."mediaUrl", i.key, n.at, n.seq, n.sender_seq,
      n."replyToId", n.mention_ids, n.mentions_all
    FROM (
      SELECT n.*, b.message_count + row_number() OVER (PARTITION BY n.target ORDER BY n.ord) AS seq,
        ${when(group, Sql.sql`coalesce(s.sent_count, `)} CASE WHEN n.is_low THEN b.low_count ELSE b.message_count - b.low_count END ${when(group, Sql.sql`)`)}
          + row_number() OVER (PARTITION BY n.target, n."senderId" ORDER BY n.ord) AS sender_seq
      FROM numbered n JOIN before b ON b.target = n.target
      ${when(group, Sql.sql`LEFT JOIN senders s ON s.conversation_id = n.target AND s.user_id = n."senderId"`)}
    ) n JOIN input i ON i.ord = n.ord
    ORDER BY n.ord
  ${when(extras, EXTRAS_STORED)}
  ), entries AS MATERIALIZED (
    SELECT s.ord, t.side, t.topic, s.message_id, s.event_id, s.at,
      l.seq + row_number() OVER (PARTITION BY t.topic ORDER BY s.ord) AS seq
    FROM numbered s CROSS JOIN LATERAL (VALUES (1, s.topic1), (2, s.topic2)) AS t(side, topic) JOIN locked l ON l.name = t.topic
  ), logged AS (
    INSERT INTO events (topic, seq, id, kind, message_id, created_at, xid, snapshot)
    -- Selected, so that they are made into text once and not for each row.
    SELECT topic, seq, event_id, 'message_sent', message_id, at,
      (SELECT pg_current_xact_id()::text::bigint), (SELECT pg_current_snapshot()::text)
    FROM entries
  ), advanced AS (
    UPDATE topics t SET seq = t.seq + a.count
    FROM (SELECT topic, count(*) AS count FROM entries GROUP BY topic) a WHERE t.name = ANY(ARRAY[a.topic])
  )
  SELECT c.ord, CASE WHEN c.status = 'ok' AND s.ord IS NULL THEN 'stale' ELSE c.status END AS status,
    c.target AS conversation_id, c.group_id, c.name AS sender_name, c.avatar AS sender_avatar,
    s.message_id::float8 AS message_id, s.event_id::float8 AS event_id, ${epochMs('s.at')} AS at,
    e1.topic AS topic1, e1.seq::float8 AS seq1, e2.topic AS topic2, e2.seq::float8 AS seq2
  FROM checked c
  LEFT JOIN numbered s ON s.ord = c.ord
  LEFT JOIN entries e1 ON e1.ord = c.ord AND e1.side = 1
  LEFT JOIN entries e2 ON e2.ord = c.ord AND e2.side = 2
  ORDER BY c.ord`
}
