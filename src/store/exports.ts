import { Prisma as Sql } from './generated/client.ts'
import type { Db } from './database/sql.ts'

/** A line of an export, with the key after which the next page begins. */
export interface ExportedRow {
  key: unknown
  line: Record<string, unknown>
}

/** A section of an export: its lines in pages, each after the key of the last one. `start` is before the first. */
export interface ExportSection {
  name: string
  start: readonly (number | string)[]
  page(after: readonly (number | string)[], limit: number): Sql.Sql
}

const time = (column: string): Sql.Sql => Sql.raw(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`)

/** Visible conversations: closed groups, which have no members, are left out. */
const open = (conversation: string): Sql.Sql =>
  Sql.raw(`NOT EXISTS (SELECT FROM groups x WHERE x.conversation_id = ${conversation} AND x.closed_at IS NOT NULL)`)

const userLine = Sql.sql`json_build_object('type', 'user', 'id', u.id, 'name', u.name, 'avatar', u.avatar, 'last_active', ${time('u.last_active')},
  'created_at', ${time('u.created_at')})`
const conversationLine = Sql.sql`json_build_object('type', 'conversation', 'id', c.id, 'user_ids', json_build_array(c.user_low, c.user_high),
  'created_at', ${time('c.created_at')})`
const groupLine = (
  members: Sql.Sql,
): Sql.Sql => Sql.sql`json_build_object('type', 'group', 'id', g.id, 'conversation_id', g.conversation_id,
  'name', g.name, 'avatar', g.avatar, 'announcement', g.announcement, 'join_approval_required', g.join_approval_required,
  'allow_invitation', g.allow_invitation, 'allow_send_messages', g.allow_send_messages, 'history_visible', g.history_visible,
  'created_at', ${time('g.created_at')}, 'members', (
    SELECT coalesce(json_agg(json_build_object('user_id', m.user_id, 'role', lower(m.role::text), 'joined_at', ${time('m.joined_at')},
      'history_after', nullif(m.history_after, 0)) ORDER BY m.user_id), '[]')
    FROM members m WHERE m.conversation_id = g.conversation_id AND ${members}))`
const messageLine = Sql.sql`json_build_object('type', 'message', 'id', m.id, 'session_id', m.conversation_id, 'sender_id', m.sender_id,
  'is_group', c.is_group, 'content', m.content, 'message_type', m.message_type, 'media_url', m.media_url, 'timestamp', ${time('m.created_at')},
  'client_message_id', m.client_key, 'edited_at', ${time('m.edited_at')}, 'deleted_at', ${time('m.deleted_at')}, 'deleted_by', m.deleted_by_id,
  'reply_to_id', m.reply_to_id, 'mention_ids', m.mention_ids, 'mention_all', nullif(m.mentions_all, false))`
const receiptLine = Sql.sql`json_build_object('type', 'receipt', 'message_id', r.message_id, 'is_group', c.is_group, 'reader_id', r.reader_id,
  'read_at', ${time('r.read_at')})`
const reactionLine = Sql.sql`json_build_object('type', 'reaction', 'message_id', r.message_id, 'is_group', c.is_group, 'user_id', r.user_id,
  'reaction', r.reaction, 'timestamp', ${time('r.created_at')})`
/** The part of the read state that receipts do not show. */
const readLine = Sql.sql`json_build_object('type', 'read', 'session_id', m.conversation_id, 'user_id', m.user_id, 'message_id', last.id,
  'is_group', c.is_group)`
const readFrom = Sql.sql`members m JOIN conversations c ON c.id = m.conversation_id CROSS JOIN LATERAL (
  SELECT max(s.id) AS id FROM messages s WHERE s.conversation_id = m.conversation_id AND s.id <= m.marked_to) last`

const all = Sql.sql`true`

/** Everything, in the format and order of an import. */
export const EVERYTHING: readonly ExportSection[] = [
  {
    name: 'users',
    start: [0],
    page: ([id], limit) => Sql.sql`
      SELECT json_build_array(u.id) AS key, ${userLine} AS line FROM users u WHERE u.id > ${id}::int ORDER BY u.id LIMIT ${limit}`,
  },
  {
    name: 'conversations',
    start: [''],
    page: ([id], limit) => Sql.sql`
      SELECT json_build_array(c.id) AS key, ${conversationLine} AS line FROM conversations c
      WHERE NOT c.is_group AND c.id COLLATE "C" > ${id} ORDER BY c.id COLLATE "C" LIMIT ${limit}`,
  },
  {
    name: 'groups',
    start: [0],
    page: ([id], limit) => Sql.sql`
      SELECT json_build_array(g.id) AS key, ${groupLine(all)} AS line FROM groups g
      WHERE g.closed_at IS NULL AND g.id > ${id}::int ORDER BY g.id LIMIT ${limit}`,
  },
  {
    name: 'messages',
    start: [0],
    page: ([id], limit) => Sql.sql`
      SELECT json_build_array(m.id) AS key, ${messageLine} AS line FROM messages m JOIN conversations c ON c.id = m.conversation_id
      WHERE m.id > ${id}::bigint AND ${open('m.conversation_id')} ORDER BY m.id LIMIT ${limit}`,
  },
  {
    name: 'receipts',
    start: [0, 0],
    page: ([messageId, readerId], limit) => Sql.sql`
      SELECT json_build_array(r.message_id, r.reader_id) AS key, ${receiptLine} AS line
      FROM receipts r JOIN conversations c ON c.id = r.conversation_id
      WHERE (r.message_id, r.reader_id) > (${messageId}::bigint, ${readerId}::int) AND ${open('r.conversation_id')}
      ORDER BY r.message_id, r.reader_id LIMIT ${limit}`,
  },
  {
    name: 'reactions',
    start: [0, '', 0],
    page: ([messageId, reaction, userId], limit) => Sql.sql`
      SELECT json_build_array(r.message_id, r.reaction, r.user_id) AS key, ${reactionLine} AS line
      FROM reactions r JOIN messages m ON m.id = r.message_id JOIN conversations c ON c.id = m.conversation_id
      WHERE (r.message_id, r.reaction, r.user_id) > (${messageId}::bigint, ${reaction}, ${userId}::int) AND ${open('m.conversation_id')}
      ORDER BY r.message_id, r.reaction, r.user_id LIMIT ${limit}`,
  },
  {
    name: 'read pointers',
    start: ['', 0],
    page: ([conversationId, userId], limit) => Sql.sql`
      SELECT json_build_array(m.conversation_id, m.user_id) AS key, ${readLine} AS line FROM ${readFrom}
      WHERE (m.conversation_id, m.user_id) > (${conversationId}, ${userId}::int) AND m.marked_to > 0 AND last.id IS NOT NULL
        AND ${open('m.conversation_id')}
      ORDER BY m.conversation_id, m.user_id LIMIT ${limit}`,
  },
]

/** Everything stored of one user: what an import accepts, then the rest. */
// oxlint-disable-next-line max-lines-per-function -- a table: a section for each kind of row that is stored of a user
export function everythingOf(user: number): readonly ExportSection[] {
  const section = (name: string, line: Sql.Sql, from: Sql.Sql, key: string): ExportSection => ({
    name,
    start: [''],
    // Few rows: by the text of a key that is unique among them.
    page: ([after], limit) => Sql.sql`
      SELECT json_build_array(${Sql.raw(key)}) AS key, ${line} AS line FROM ${from} AND ${Sql.raw(key)} > ${after}
      ORDER BY ${Sql.raw(key)} LIMIT ${limit}`,
  })
  const padded = (column: string): string => `lpad(${column}::text, 20, '0') COLLATE "C"`
  const mine = Sql.sql`(SELECT conversation_id FROM members WHERE user_id = ${user})`
  const build = (type: string, members: Sql.Sql): Sql.Sql => Sql.sql`json_build_object('type', ${type}::text, ${members})`
  return [
    section('user', userLine, Sql.sql`users u WHERE u.id = ${user}`, padded('u.id')),
    section(
      'conversations',
      conversationLine,
      Sql.sql`conversations c WHERE NOT c.is_group AND c.id IN ${mine}`,
      'c.id COLLATE "C"',
    ),
    section(
      'groups',
      groupLine(Sql.sql`m.user_id = ${user}`),
      Sql.sql`groups g WHERE g.conversation_id IN ${mine}`,
      padded('g.id'),
    ),
    section(
      'messages',
      messageLine,
      Sql.sql`messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.sender_id = ${user}`,
      padded('m.id'),
    ),
    section(
      'receipts',
      receiptLine,
      Sql.sql`receipts r JOIN conversations c ON c.id = r.conversation_id WHERE r.reader_id = ${user}`,
      padded('r.message_id'),
    ),
    section(
      'reactions',
      reactionLine,
      Sql.sql`reactions r JOIN messages m ON m.id = r.message_id JOIN conversations c ON c.id = m.conversation_id WHERE r.user_id = ${user}`,
      `(lpad(r.message_id::text, 20, '0') || r.reaction) COLLATE "C"`,
    ),
    section(
      'read pointers',
      readLine,
      Sql.sql`${readFrom} WHERE m.user_id = ${user} AND m.marked_to > 0 AND last.id IS NOT NULL`,
      'm.conversation_id COLLATE "C"',
    ),
    section(
      'settings',
      build(
        'settings',
        Sql.sql`'session_id', m.conversation_id, 'user_id', m.user_id, 'pinned', m.pinned, 'archived', m.archived_at IS NOT NULL,
        'muted_until', ${time('m.muted_until')}`,
      ),
      Sql.sql`members m WHERE m.user_id = ${user} AND (m.pinned OR m.archived_at IS NOT NULL OR m.muted_until IS NOT NULL)`,
      'm.conversation_id COLLATE "C"',
    ),
    section(
      'notifications',
      build(
        'notification',
        Sql.sql`'id', n.id, 'user_id', n.user_id, 'notification_type', n.type, 'data', n.data,
        'timestamp', ${time('n.created_at')}, 'read_at', ${time('n.read_at')}`,
      ),
      Sql.sql`notifications n WHERE n.user_id = ${user}`,
      padded('n.id'),
    ),
    section(
      'blocks',
      build('block', Sql.sql`'blocker_id', b.blocker_id, 'blocked_id', b.blocked_id, 'timestamp', ${time('b.created_at')}`),
      Sql.sql`blocks b WHERE b.blocker_id = ${user}`,
      padded('b.blocked_id'),
    ),
    section(
      'join requests',
      build('join_request', Sql.sql`'group_id', j.group_id, 'user_id', j.user_id, 'timestamp', ${time('j.created_at')}`),
      Sql.sql`join_requests j WHERE j.user_id = ${user}`,
      padded('j.group_id'),
    ),
    section(
      'mutes',
      build('mute', Sql.sql`'group_id', g.group_id, 'user_id', g.user_id, 'until', ${time('g.until')}`),
      Sql.sql`group_mutes g WHERE g.user_id = ${user}`,
      padded('g.group_id'),
    ),
    section(
      'reports',
      build(
        'report',
        Sql.sql`'id', r.id, 'message_id', r.message_id, 'sender_id', r.sender_id, 'reporter_id', r.reporter_id, 'content', r.content,
        'media_url', r.media_url, 'reason', CASE WHEN r.reporter_id = ${user} THEN r.reason END, 'status', r.status, 'timestamp', ${time('r.created_at')}`,
      ),
      Sql.sql`reports r WHERE (r.reporter_id = ${user} OR r.sender_id = ${user})`,
      padded('r.id'),
    ),
    section(
      'bans',
      build('ban', Sql.sql`'user_id', b.user_id, 'until', ${time('b.until')}, 'reason', b.reason`),
      Sql.sql`bans b WHERE b.user_id = ${user}`,
      padded('b.user_id'),
    ),
    section(
      'active days',
      build('active_day', Sql.sql`'user_id', a.user_id, 'day', a.day`),
      Sql.sql`active_days a WHERE a.user_id = ${user}`,
      'a.day::text COLLATE "C"',
    ),
    section(
      'audit entries',
      build(
        'audit_entry',
        Sql.sql`'id', a.id, 'action', a.action, 'target_type', a.target_type, 'target_id', a.target_id,
        'timestamp', ${time('a.created_at')}`,
      ),
      Sql.sql`audit_log a WHERE (a.actor_id = ${user} OR (a.target_type = 'User' AND a.target_id = ${String(user)}))`,
      padded('a.id'),
    ),
  ]
}

export function createExportStore(db: Db) {
  return {
    /** One page of a section. */
    page: (section: ExportSection, after: readonly (number | string)[], limit: number): Promise<ExportedRow[]> =>
      db.$queryRaw<ExportedRow[]>(section.page(after, limit)),
    /** Approximate number of lines of a complete export. */
    async count(): Promise<number> {
      const [row] = await db.$queryRaw<{ count: number }[]>`
        SELECT sum(greatest(reltuples, 0))::float8 AS count FROM pg_class
        WHERE relname IN ('users', 'conversations', 'messages', 'receipts', 'reactions') AND relnamespace = current_schema()::regnamespace`
      return row?.count ?? 0
    },
  }
}
