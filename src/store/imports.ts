import type { Db } from './database/sql.ts'
import {
  inputsAsJson,
  type ImportedConversation,
  type ImportedGroup,
  type ImportedMessage,
  type ImportedReaction,
  type ImportedReceipt,
  type ImportedUser,
  type ImportProgress,
  type ImportResult,
} from './imported.ts'
import { countReceipts, recountLate, recountReplies } from './imported-counts.ts'
import { updateGroups } from './imported-groups.ts'

/**
 * Stores imported data with its ids and without events: it is history. Each call is one statement for a batch, whose ids must
 * differ; existing rows stay as they are, and an input that can't be stored fails alone. Results are in the order of the
 * inputs.
 */
export class ImportStore {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** `update`: existing ones get name and picture of the input. */
  async users(inputs: readonly ImportedUser[], update: boolean): Promise<ImportResult[]> {
    return inOrder(
      await this.#db.$queryRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${inputsAsJson(inputs)}::json)
            AS i(ord int, id int, name text, avatar text, "lastActive" timestamptz, "createdAt" timestamptz)
        ), topics AS (
          INSERT INTO topics (name) SELECT 'user:' || id FROM input ORDER BY 1 ON CONFLICT DO NOTHING
        ), inserted AS (
          INSERT INTO users (id, name, avatar, last_active, created_at)
          SELECT id, name, avatar, "lastActive", coalesce("createdAt", now()) FROM input ORDER BY id
          ON CONFLICT DO NOTHING RETURNING id
        ), differing AS MATERIALIZED (
          SELECT i.* FROM input i JOIN users u ON u.id = i.id
          WHERE ${update} AND (u.name, u.avatar) IS DISTINCT FROM (i.name, i.avatar) ORDER BY u.id FOR NO KEY UPDATE OF u
        ), changed AS (
          UPDATE users u SET name = d.name, avatar = d.avatar FROM differing d WHERE u.id = d.id
        )
        SELECT i.ord, CASE WHEN n.id IS NOT NULL THEN 'added' WHEN d.id IS NOT NULL THEN 'changed' ELSE 'present' END AS status,
          null AS detail
        FROM input i LEFT JOIN inserted n ON n.id = i.id LEFT JOIN differing d ON d.id = i.id`,
    )
  }

  async conversations(inputs: readonly ImportedConversation[]): Promise<ImportResult[]> {
    return inOrder(
      await this.#db.$queryRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${inputsAsJson(inputs)}::json)
            AS i(ord int, id text, low int, high int, "createdAt" timestamptz)
        ), checked AS MATERIALIZED (
          SELECT i.*, CASE
              WHEN l.id IS NULL OR h.id IS NULL THEN 'no_user'
              WHEN p.id = i.id THEN 'present'
              WHEN p.id IS NOT NULL THEN 'other_id'
              WHEN c.id IS NOT NULL THEN 'taken'
              ELSE 'added'
            END AS status,
            CASE WHEN l.id IS NULL THEN i.low::text WHEN h.id IS NULL THEN i.high::text ELSE p.id END AS detail
          FROM input i
          LEFT JOIN LATERAL (SELECT id FROM users WHERE id = i.low LIMIT 1) l ON true
          LEFT JOIN LATERAL (SELECT id FROM users WHERE id = i.high LIMIT 1) h ON true
          LEFT JOIN LATERAL (SELECT id FROM conversations WHERE id = i.id LIMIT 1) c ON true
          LEFT JOIN LATERAL (SELECT id FROM conversations WHERE user_low = i.low AND user_high = i.high LIMIT 1) p ON true
        ), inserted AS (
          INSERT INTO conversations (id, is_group, user_low, user_high, created_at)
          SELECT id, false, low, high, coalesce("createdAt", now()) FROM checked WHERE status = 'added' ORDER BY ord
        ), members AS (
          INSERT INTO members (conversation_id, user_id, joined_at)
          SELECT c.id, p.user_id, coalesce(c."createdAt", now()) FROM checked c CROSS JOIN LATERAL (VALUES (c.low), (c.high)) p(user_id)
          WHERE c.status = 'added'
        )
        SELECT ord, status, detail FROM checked`,
    )
  }

  async groups(inputs: readonly ImportedGroup[]): Promise<ImportResult[]> {
    const results = inOrder(
      await this.#db.$queryRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${inputsAsJson(inputs)}::json)
            AS i(ord int, id int, "conversationId" text, name text, avatar text, announcement text, "joinApprovalRequired" boolean,
              "allowInvitation" boolean, "allowSendMessages" boolean, "historyVisible" boolean, "createdAt" timestamptz, members json)
        ), people AS MATERIALIZED (
          SELECT i.ord, m.* FROM input i
          CROSS JOIN LATERAL json_to_recordset(i.members) AS m("userId" int, role text, "joinedAt" timestamptz, "historyAfter" bigint)
        ), missing AS MATERIALIZED (
          SELECT ord, min("userId") AS "userId" FROM people p WHERE NOT EXISTS (SELECT FROM users WHERE id = p."userId") GROUP BY ord
        ), checked AS MATERIALIZED (
          SELECT i.*, x."userId", CASE
              WHEN x.ord IS NOT NULL THEN 'no_user'
              WHEN g.conversation_id = i."conversationId" THEN 'present'
              WHEN g.id IS NOT NULL OR c.id IS NOT NULL THEN 'taken'
              ELSE 'added'
            END AS status
          FROM input i LEFT JOIN missing x ON x.ord = i.ord
          LEFT JOIN LATERAL (SELECT id, conversation_id FROM groups WHERE id = i.id LIMIT 1) g ON true
          LEFT JOIN LATERAL (SELECT id FROM conversations WHERE id = i."conversationId" LIMIT 1) c ON true
        ), added AS MATERIALIZED (
          SELECT * FROM checked WHERE status = 'added' ORDER BY ord
        ), conversations AS (
          INSERT INTO conversations (id, is_group, created_at) SELECT "conversationId", true, coalesce("createdAt", now()) FROM added
        ), topics AS (
          INSERT INTO topics (name) SELECT 'group:' || id FROM added ORDER BY 1 ON CONFLICT DO NOTHING
        ), groups AS (
          INSERT INTO groups (id, conversation_id, name, avatar, announcement, join_approval_required, allow_invitation,
            allow_send_messages, history_visible, member_count, created_at)
          SELECT id, "conversationId", name, avatar, announcement, "joinApprovalRequired", "allowInvitation", "allowSendMessages",
            "historyVisible",
            json_array_length(members), coalesce("createdAt", now()) FROM added
        ), members AS (
          INSERT INTO members (conversation_id, user_id, role, joined_at, history_after)
          SELECT a."conversationId", p."userId", p.role::group_role, coalesce(p."joinedAt", a."createdAt", now()), coalesce(p."historyAfter", 0)
          FROM added a JOIN people p ON p.ord = a.ord
        )
        SELECT ord, status, "userId"::text AS detail FROM checked`,
    )
    await this.#raise('groups_id_seq', Math.max(0, ...added(inputs, results).map(({ id }) => id)))
    return results
  }

  /**
   * Updates existing groups to the inputs' info and members; returns for each whether something changed. The transaction
   * holds the locks of their topics.
   */
  updateGroups(inputs: readonly ImportedGroup[]): Promise<boolean[]> {
    return updateGroups(this.#db, inputs)
  }

  /**
   * The topics of the conversations, and of the conversations of the messages. While their locks are held, sends to them
   * wait.
   */
  async topicsOf(conversationIds: readonly string[], messageIds: readonly number[]): Promise<string[]> {
    const rows = await this.#db.$queryRaw<{ topic: string }[]>`
        SELECT DISTINCT t.topic FROM (
          SELECT unnest(${[...conversationIds]}::text[]) AS id
          UNION SELECT conversation_id FROM messages WHERE id = ANY(${[...messageIds]}::bigint[])
        ) k JOIN conversations c ON c.id = k.id LEFT JOIN groups g ON g.conversation_id = c.id
        CROSS JOIN LATERAL (VALUES ('group:' || g.id), ('user:' || c.user_low), ('user:' || c.user_high)) t(topic)
        WHERE t.topic IS NOT NULL`
    return rows.map(({ topic }) => topic)
  }

  async messages(inputs: readonly ImportedMessage[]): Promise<ImportResult[]> {
    const results = inOrder(
      await this.#db.$queryRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${inputsAsJson(inputs)}::json)
            AS i(ord int, id bigint, "conversationId" text, "senderId" int, "isGroup" boolean, content text, "messageType" text,
              "mediaUrl" text, at timestamptz, key text, "editedAt" timestamptz, "deletedAt" timestamptz, "deletedById" int, "replyToId" bigint,
              "mentionIds" int[], "mentionsAll" boolean)
        ), checked AS MATERIALIZED (
          SELECT i.*, CASE
              WHEN u.id IS NULL THEN 'no_user'
              WHEN c.id IS NULL THEN 'no_conversation'
              WHEN c.is_group <> i."isGroup" THEN 'wrong_kind'
              WHEN NOT c.is_group AND i."senderId" NOT IN (c.user_low, c.user_high) THEN 'not_in'
              WHEN m.id IS NULL THEN 'added'
              WHEN (m.conversation_id, m.sender_id, m.content, m.message_type, m.media_url, m.created_at) IS NOT DISTINCT FROM
                (i."conversationId", i."senderId", i.content, i."messageType", i."mediaUrl", i.at) THEN 'present'
              ELSE 'taken'
            END AS status
          FROM input i
          LEFT JOIN LATERAL (SELECT id FROM users WHERE id = i."senderId" LIMIT 1) u ON true
          LEFT JOIN LATERAL (SELECT id, is_group, user_low, user_high FROM conversations WHERE id = i."conversationId" LIMIT 1) c ON true
          LEFT JOIN LATERAL (SELECT * FROM messages WHERE id = i.id LIMIT 1) m ON true
        ), fresh AS MATERIALIZED (
          SELECT *, row_number() OVER (PARTITION BY "conversationId" ORDER BY id) AS n,
            row_number() OVER (PARTITION BY "conversationId", "senderId" ORDER BY id) AS own
          FROM checked WHERE status = 'added'
        ), senders AS MATERIALIZED (
          SELECT f."conversationId", f."senderId", f.total, c.message_count, m.user_id IS NOT NULL AS is_member,
            CASE WHEN c.is_group THEN coalesce(m.sent_count, s.sent_count, 0)
              WHEN c.user_low = f."senderId" THEN c.low_count ELSE c.message_count - c.low_count END AS sent_count
          FROM (SELECT "conversationId", "senderId", count(*)::int AS total FROM fresh GROUP BY "conversationId", "senderId") f
          JOIN conversations c ON c.id = f."conversationId"
          LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = f."senderId"
          LEFT JOIN former_senders s ON s.conversation_id = c.id AND s.user_id = f."senderId"
        ), inserted AS (
          INSERT INTO messages (id, conversation_id, sender_id, content, message_type, media_url, created_at, seq, sender_seq, client_key,
            edited_at, deleted_at, deleted_by_id, reply_to_id, mention_ids, mentions_all)
          SELECT f.id, f."conversationId", f."senderId", f.content, f."messageType", f."mediaUrl", f.at, s.message_count + f.n, s.sent_count + f.own,
            f.key, f."editedAt", f."deletedAt", f."deletedById", f."replyToId", f."mentionIds", coalesce(f."mentionsAll", false)
          FROM fresh f JOIN senders s ON s."conversationId" = f."conversationId" AND s."senderId" = f."senderId" ORDER BY f.id
        ), mentioned AS (
          INSERT INTO mentions (message_id, user_id, conversation_id)
          SELECT DISTINCT id, unnest("mentionIds"), "conversationId" FROM fresh WHERE "mentionIds" IS NOT NULL
        ), counted AS (
          UPDATE conversations c SET message_count = c.message_count + n.total, low_count = c.low_count + n.low
          FROM (
            SELECT f."conversationId", count(*)::int AS total, (count(*) FILTER (WHERE f."senderId" = c.user_low))::int AS low
            FROM fresh f JOIN conversations c ON c.id = f."conversationId" GROUP BY f."conversationId"
          ) n WHERE c.id = n."conversationId"
          RETURNING c.id, c.is_group
        ), sent AS (
          UPDATE members m SET sent_count = m.sent_count + s.total FROM senders s JOIN counted c ON c.id = s."conversationId" AND c.is_group
          WHERE m.conversation_id = s."conversationId" AND m.user_id = s."senderId"
        ), former AS (
          INSERT INTO former_senders (conversation_id, user_id, sent_count)
          SELECT s."conversationId", s."senderId", s.sent_count + s.total FROM senders s JOIN counted c ON c.id = s."conversationId" AND c.is_group
          WHERE NOT s.is_member
          ON CONFLICT (conversation_id, user_id) DO UPDATE SET sent_count = excluded.sent_count
        )
        SELECT ord, status, CASE WHEN status IN ('no_user', 'not_in') THEN "senderId"::text ELSE "conversationId" END AS detail
        FROM checked`,
    )
    const stored = added(inputs, results)
    await this.#raise('messages_id_seq', Math.max(0, ...stored.map(({ id }) => id)))
    await recountLate(this.#db, stored)
    await recountReplies(
      this.#db,
      stored.flatMap(({ replyToId }) => (replyToId == null ? [] : [replyToId])),
    )
    return results
  }

  async receipts(inputs: readonly ImportedReceipt[]): Promise<ImportResult[]> {
    const results = inOrder(
      await this.#db.$queryRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${inputsAsJson(inputs)}::json)
            AS i(ord int, "messageId" bigint, "isGroup" boolean, "userId" int, at timestamptz)
        ), checked AS MATERIALIZED (
          SELECT i.*, m.conversation_id, m.created_at, CASE
              WHEN m.id IS NULL OR m.is_group <> i."isGroup" THEN 'no_message'
              WHEN u.id IS NULL THEN 'no_user'
              WHEN m.sender_id = i."userId" THEN 'own'
              WHEN NOT m.is_group AND i."userId" NOT IN (m.user_low, m.user_high) THEN 'not_in'
              ELSE 'added'
            END AS status
          FROM input i
          LEFT JOIN LATERAL (
            SELECT m.id, m.conversation_id, m.sender_id, m.created_at, c.is_group, c.user_low, c.user_high
            FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.id = i."messageId" LIMIT 1
          ) m ON true
          LEFT JOIN LATERAL (SELECT id FROM users WHERE id = i."userId" LIMIT 1) u ON true
        ), inserted AS (
          INSERT INTO receipts (message_id, reader_id, conversation_id, read_at)
          SELECT "messageId", "userId", conversation_id, coalesce(at, created_at) FROM checked WHERE status = 'added' ORDER BY 1, 2
          ON CONFLICT DO NOTHING RETURNING message_id, reader_id
        )
        SELECT c.ord, CASE WHEN c.status = 'added' AND n.message_id IS NULL THEN 'present' ELSE c.status END AS status,
          c."userId"::text AS detail
        FROM checked c LEFT JOIN inserted n ON n.message_id = c."messageId" AND n.reader_id = c."userId"`,
    )
    await countReceipts(this.#db, added(inputs, results))
    return results
  }

  async reactions(inputs: readonly ImportedReaction[]): Promise<ImportResult[]> {
    return inOrder(
      await this.#db.$queryRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${inputsAsJson(inputs)}::json)
            AS i(ord int, "messageId" bigint, "isGroup" boolean, "userId" int, reaction text, at timestamptz)
        ), checked AS MATERIALIZED (
          SELECT i.*, m.created_at, CASE
              WHEN m.id IS NULL OR m.is_group <> i."isGroup" THEN 'no_message'
              WHEN u.id IS NULL THEN 'no_user'
              WHEN NOT m.is_group AND i."userId" NOT IN (m.user_low, m.user_high) THEN 'not_in'
              ELSE 'added'
            END AS status
          FROM input i
          LEFT JOIN LATERAL (
            SELECT m.id, m.created_at, c.is_group, c.user_low, c.user_high
            FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.id = i."messageId" LIMIT 1
          ) m ON true
          LEFT JOIN LATERAL (SELECT id FROM users WHERE id = i."userId" LIMIT 1) u ON true
        ), inserted AS (
          INSERT INTO reactions (message_id, user_id, reaction, created_at)
          SELECT "messageId", "userId", reaction, coalesce(at, created_at) FROM checked WHERE status = 'added' ORDER BY 1, 3, 2
          ON CONFLICT DO NOTHING RETURNING message_id, user_id, reaction
        )
        SELECT c.ord, CASE WHEN c.status = 'added' AND n.message_id IS NULL THEN 'present' ELSE c.status END AS status,
          c."userId"::text AS detail
        FROM checked c
        LEFT JOIN inserted n ON n.message_id = c."messageId" AND n.user_id = c."userId" AND n.reaction = c.reaction`,
    )
  }

  /** Reserves the ids up to this one for imported messages: those sent from now on get higher ones. */
  reserveMessages(id: number): Promise<void> {
    return this.#raise('messages_id_seq', id)
  }

  async progress(id: string): Promise<ImportProgress | undefined> {
    const [row] = await this.#db.$queryRaw<ImportProgress[]>`
        SELECT id, "offset"::float8 AS "offset", lines::float8 AS lines, digest, bad::float8 AS bad, counts FROM imports WHERE id = ${id}`
    return row
  }

  async saveProgress({ id, offset, lines, digest, bad, counts }: ImportProgress): Promise<void> {
    await this.#db.$executeRaw`
        INSERT INTO imports (id, "offset", lines, digest, bad, counts)
        VALUES (${id}, ${offset}::bigint, ${lines}::bigint, ${digest}, ${bad}::bigint, ${counts && JSON.stringify(counts)}::jsonb)
        ON CONFLICT (id) DO UPDATE
          SET "offset" = excluded."offset", lines = excluded.lines, digest = excluded.digest, bad = excluded.bad, counts = excluded.counts`
  }

  async removeProgress(id: string): Promise<void> {
    await this.#db.$executeRaw`DELETE FROM imports WHERE id = ${id}`
  }

  /** Updates the planner's statistics, which the embedded database does not do by itself. */
  async analyze(): Promise<void> {
    await this.#db.$executeRaw`ANALYZE users, topics, conversations, groups, members, messages, receipts, reactions`
  }

  /** What is created from now on gets a higher id. Sequences are not part of a transaction: a rollback does not undo this. */
  async #raise(sequence: 'messages_id_seq' | 'groups_id_seq', id: number): Promise<void> {
    if (id === 0) return
    if (sequence === 'groups_id_seq')
      await this.#db
        .$queryRaw`SELECT setval('groups_id_seq', ${id}::bigint)::text FROM groups_id_seq WHERE last_value < ${id}::bigint OR NOT is_called`
    else
      await this.#db
        .$queryRaw`SELECT setval('messages_id_seq', ${id}::bigint)::text FROM messages_id_seq WHERE last_value < ${id}::bigint OR NOT is_called`
  }
}

const inOrder = (rows: (ImportResult & { ord: number })[]): ImportResult[] =>
  rows.toSorted((a, b) => a.ord - b.ord).map(({ status, detail }) => ({ status, detail }))

/** The inputs that were stored. */
const added = <T>(inputs: readonly T[], results: readonly ImportResult[]): T[] =>
  inputs.filter((_, index) => results[index]?.status === 'added')
