import { pageBefore, type Db } from './database/sql.ts'
import { inputsAsJson, type ImportedGroup } from './imported.ts'

/** As ImportStore.updateGroups. */
export async function updateGroups(db: Db, inputs: readonly ImportedGroup[]): Promise<boolean[]> {
  const rows = await db.$queryRaw<{ ord: number }[]>`
      WITH input AS MATERIALIZED (
        SELECT i.*, t.seq FROM json_to_recordset(${inputsAsJson(inputs)}::json)
          AS i(ord int, id int, "conversationId" text, name text, avatar text, announcement text, "joinApprovalRequired" boolean,
            "allowInvitation" boolean, "allowSendMessages" boolean, "historyVisible" boolean, "createdAt" timestamptz, members json)
        JOIN groups g ON g.id = i.id AND g.closed_at IS NULL JOIN topics t ON t.name = 'group:' || i.id
      ), people AS MATERIALIZED (
        SELECT i.ord, i."conversationId", i.seq, i."historyVisible", m."userId", m.role::group_role AS role, coalesce(m."joinedAt", now()) AS at FROM input i
        CROSS JOIN LATERAL json_to_recordset(i.members) AS m("userId" int, role text, "joinedAt" timestamptz)
      ), info AS (
        UPDATE groups g SET name = i.name, avatar = i.avatar, announcement = i.announcement,
          join_approval_required = i."joinApprovalRequired", allow_invitation = i."allowInvitation",
          allow_send_messages = i."allowSendMessages", history_visible = i."historyVisible", member_count = json_array_length(i.members)
        FROM input i WHERE g.id = i.id AND
          (g.name, g.avatar, g.announcement, g.join_approval_required, g.allow_invitation, g.allow_send_messages, g.history_visible,
            g.member_count) IS DISTINCT FROM (i.name, i.avatar, i.announcement, i."joinApprovalRequired", i."allowInvitation", i."allowSendMessages",
            i."historyVisible", json_array_length(i.members))
        RETURNING i.ord
      ), gone AS (
        DELETE FROM members m USING input i WHERE m.conversation_id = i."conversationId"
          AND NOT EXISTS (SELECT FROM people p WHERE p.ord = i.ord AND p."userId" = m.user_id)
        RETURNING i.ord, m.conversation_id, m.user_id, m.sent_count
      ), left_behind AS (
        INSERT INTO former_senders (conversation_id, user_id, sent_count)
        SELECT conversation_id, user_id, sent_count FROM gone WHERE sent_count > 0
      ), new_people AS MATERIALIZED (
        SELECT p.*, coalesce(last.id, 0) AS last_id, coalesce(f.sent_count, 0) AS sent_count, c.message_count
        FROM people p JOIN conversations c ON c.id = p."conversationId"
        LEFT JOIN former_senders f ON f.conversation_id = c.id AND f.user_id = p."userId"
        LEFT JOIN LATERAL (
          SELECT id FROM messages WHERE ${pageBefore('conversation_id', 'id', 'c.id')} LIMIT 1
        ) last ON true
        WHERE NOT EXISTS (SELECT FROM members m WHERE m.conversation_id = p."conversationId" AND m.user_id = p."userId")
      ), back AS (
        DELETE FROM former_senders f USING new_people p WHERE f.conversation_id = p."conversationId" AND f.user_id = p."userId"
      ), come AS (
        -- They begin as a member who joins now.
        INSERT INTO members (conversation_id, user_id, role, joined_at, since_seq, history_after, sent_count, read_to, marked_to, read_count)
        SELECT "conversationId", "userId", role, at, seq, CASE WHEN "historyVisible" THEN 0 ELSE last_id END, sent_count, last_id, last_id,
          message_count - sent_count
        FROM new_people
        RETURNING conversation_id
      ), roles AS (
        UPDATE members m SET role = p.role FROM people p
        WHERE m.conversation_id = p."conversationId" AND m.user_id = p."userId" AND m.role <> p.role
        RETURNING p.ord
      )
      SELECT ord FROM info UNION SELECT ord FROM gone UNION SELECT ord FROM roles
      UNION SELECT i.ord FROM come c JOIN input i ON i."conversationId" = c.conversation_id`
  const changed = new Set(rows.map(({ ord }) => ord))
  return inputs.map((_, ord) => changed.has(ord))
}
