import { pageBefore, type Db } from './database/sql.ts'
import { Prisma as Sql } from './generated/client.ts'
import { ReadPointerStore, readToAfter, type MemberKey } from './read-pointers.ts'

/**
 * Counters maintained by sends and reads must also be right for imported data, whatever the order of the lines: the result is
 * what the migration would compute from the same rows. The transaction holds the locks of the topics of the conversations.
 */

/** How many messages of conversation `c` are a user's, who is its member `m`, or a former member by `f`. */
const sentBy = (user: string): Sql.Sql => Sql.sql`CASE WHEN c.is_group THEN coalesce(m.sent_count, f.sent_count, 0)
  WHEN c.user_low = ${Sql.raw(user)} THEN c.low_count ELSE c.message_count - c.low_count END`

/**
 * If messages were inserted before existing ones, the later ones are renumbered, and pointers behind them are recomputed from
 * what was marked and from the receipts.
 */
export async function recountLate(db: Db, stored: readonly { id: number; conversationId: string }[]): Promise<void> {
  const first = new Map<string, number>()
  for (const { id, conversationId } of stored) first.set(conversationId, Math.min(id, first.get(conversationId) ?? Infinity))
  const late = await db.$queryRaw<{ id: string; from: number }[]>`
    SELECT k.id, k."from"::float8 AS "from" FROM unnest(${[...first.keys()]}::text[], ${[...first.values()]}::bigint[]) AS k(id, "from")
    JOIN messages m ON m.id = k."from"
    -- Numbered as the first of what was added: it is the how-manieth it should be only where nothing lies behind it.
    CROSS JOIN LATERAL (
      SELECT s.seq FROM messages s WHERE ${pageBefore('s.conversation_id', 's.id', 'k.id', 'k."from"')} LIMIT 1
    ) before
    WHERE m.seq <> before.seq + 1
    UNION ALL
    SELECT k.id, k."from"::float8 FROM unnest(${[...first.keys()]}::text[], ${[...first.values()]}::bigint[]) AS k(id, "from")
    JOIN messages m ON m.id = k."from" AND m.seq <> 1
    WHERE NOT EXISTS (SELECT FROM messages s WHERE s.conversation_id = k.id AND s.id < k."from")`
  if (late.length === 0) return
  const ids = late.map(({ id }) => id)
  await db.$executeRaw`
    UPDATE messages m SET seq = n.seq, sender_seq = n.sender_seq FROM (
      -- Numbered from the end: what retention took was before everything that is left.
      SELECT s.id, c.message_count + 1 - row_number() OVER (PARTITION BY s.conversation_id ORDER BY s.id DESC) AS seq,
        ${sentBy('s.sender_id')} + 1 - row_number() OVER (PARTITION BY s.conversation_id, s.sender_id ORDER BY s.id DESC) AS sender_seq
      FROM messages s JOIN conversations c ON c.id = s.conversation_id
      LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = s.sender_id
      LEFT JOIN former_senders f ON f.conversation_id = c.id AND f.user_id = s.sender_id
      WHERE s.conversation_id = ANY(${ids}::text[])
    ) n WHERE n.id = m.id AND (m.seq, m.sender_seq) <> (n.seq, n.sender_seq)`
  await db.$executeRaw`
    UPDATE members t SET read_to = p.read_to, read_count = p.read_count, read_beyond = p.beyond,
      read_up_to = greatest(CASE WHEN t.read_up_to <= p.read_to THEN t.read_up_to END, p.reached)
    FROM (
      SELECT m.conversation_id, m.user_id, b.read_to, r.beyond, r.reached, c.message_count - ${sentBy('m.user_id')} - (
          SELECT count(*) FROM messages s WHERE s.conversation_id = m.conversation_id AND s.id > b.read_to AND s.sender_id <> m.user_id
        ) AS read_count
      FROM unnest(${ids}::text[], ${late.map(({ from }) => from)}::bigint[]) AS k(id, "from")
      JOIN members m ON m.conversation_id = k.id AND m.read_to >= k."from"
      JOIN conversations c ON c.id = k.id
      LEFT JOIN former_senders f ON false
      ${readToAfter('m.marked_to')}
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE message_id > b.read_to) AS beyond, max(message_id) FILTER (WHERE message_id <= b.read_to) AS reached
        FROM receipts r WHERE r.reader_id = m.user_id AND r.conversation_id = m.conversation_id AND NOT r.marked_unread
      ) r
    ) p WHERE t.conversation_id = p.conversation_id AND t.user_id = p.user_id`
}

/** Counts receipts stored just now as read for those who are in the conversations. */
export async function countReceipts(db: Db, receipts: readonly { messageId: number; userId: number }[]): Promise<void> {
  if (receipts.length === 0) return
  const messageIds = receipts.map(({ messageId }) => messageId)
  const userIds = receipts.map(({ userId }) => userId)
  const members = await db.$queryRaw<MemberKey[]>`
    UPDATE members t SET read_beyond = t.read_beyond + p.beyond, read_up_to = greatest(t.read_up_to, p.reached)
    FROM (
      SELECT m.conversation_id, m.user_id, (count(*) FILTER (WHERE k.message_id > m.read_to))::int AS beyond,
        max(k.message_id) FILTER (WHERE k.message_id <= m.read_to) AS reached
      FROM unnest(${messageIds}::bigint[], ${userIds}::int[]) AS k(message_id, user_id)
      JOIN messages s ON s.id = k.message_id JOIN members m ON m.conversation_id = s.conversation_id AND m.user_id = k.user_id
      GROUP BY m.conversation_id, m.user_id
    ) p WHERE t.conversation_id = p.conversation_id AND t.user_id = p.user_id
    RETURNING t.user_id AS "userId", t.conversation_id AS "conversationId"`
  if (members.length > 0) await new ReadPointerStore(db).moveOverRead(members)
}

/** Counts again how many messages answer each of these. */
export async function recountReplies(db: Db, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  await db.$executeRaw`
    UPDATE messages p SET reply_count = (SELECT count(*) FROM messages a WHERE a.reply_to_id = p.id AND a.deleted_at IS NULL)
    WHERE p.id = ANY(${[...ids]}::bigint[])`
}
