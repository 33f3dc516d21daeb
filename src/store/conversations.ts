import { isArchived, lastMessage } from './conversation-settings.ts'
import { epochMs, byOrd, pageAfter, recordset, type Db } from './database/sql.ts'
import { Prisma as Sql } from './generated/client.ts'
import { hasUnreadMention, unreadOf } from './read-pointers.ts'

export interface ConversationRecord {
  id: string
  isGroup: boolean
  groupId: number | null
  /** The pair of a direct conversation, lower id first; null for a group. */
  pair: readonly [number, number] | null
}

/** Which of a user's conversations: ALL but the archived ones, of those the unread ones or with unread mentions, or the archived ones. */
export type ConversationFilter = 'ALL' | 'UNREAD' | 'ARCHIVED' | 'MENTIONED'

/**
 * A conversation's place in a user's list. `activityAt` is when the latest message that the user may read was sent, or the
 * conversation created; milliseconds since the epoch.
 */
export interface ConversationPosition {
  pinned: boolean
  activityAt: number
  lastMessageId: number
  id: string
  /**
   * The `seq` of the user's topic when the list's first page was read: what was unpinned since may have been on an earlier
   * page.
   */
  asOf: number
}

export interface MemberRecord {
  userId: number
  role: 'OWNER' | 'ADMIN' | 'MEMBER'
  /** Milliseconds since the epoch. */
  joinedAt: number
}

export interface MemberPageKey {
  conversationId: string
  after: number
  limit: number
}

export interface ContactPageKey {
  userId: number
  /** A conversation's id; empty for the first page. */
  after: string
  limit: number
}

export interface ContactPage {
  contacts: number[]
  /** `after` of the next page; undefined if this is the last one. */
  next: string | undefined
}

interface Membership {
  topic: string
  sinceSeq: number
  /** The horizon: events about messages with ids up to it are hidden from the user. Absent: nothing is hidden. */
  historyAfter?: number
}

/** What a user listens to besides their own topic. */
export interface Memberships {
  /** Groups the user is in, with the `seq` of the group's topic after which events are theirs, and `head`, its last one now. */
  groups: (Membership & { memberCount: number; head: number })[]
  /** Memberships that ended, with the last `seq` that is the user's, and when, in milliseconds since the epoch. */
  former: (Membership & { untilSeq: number; endedAt: number })[]
  /** Users with whom there is a block, made by either of the two. */
  blocked: number[]
}

interface ConversationRow {
  id: string
  is_group: boolean
  group_id: number | null
  user_low: number | null
  user_high: number | null
}

const toRecord = (row: ConversationRow): ConversationRecord => ({
  id: row.id,
  isGroup: row.is_group,
  groupId: row.group_id,
  pair: row.user_low === null || row.user_high === null ? null : [row.user_low, row.user_high],
})

const FILTERS: Record<ConversationFilter, (userId: number) => Sql.Sql> = {
  ALL: () => Sql.sql`NOT ${isArchived}`,
  ARCHIVED: () => isArchived,
  UNREAD: (userId) => Sql.sql`NOT ${isArchived} AND ${unreadOf(userId)} > 0`,
  MENTIONED: (userId) => Sql.sql`NOT ${isArchived} AND ${hasUnreadMention(userId)}`,
}

export class ConversationStore {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** Conversations by id, without closed groups. */
  byIds(ids: readonly string[]): Promise<Map<string, ConversationRecord>> {
    return this.#byIds(ids)
  }

  /** The conversations of messages by their ids, including those of closed groups: for operations without a viewer. */
  async ofMessages(messages: Iterable<{ conversationId: string }>): Promise<Map<string, ConversationRecord>> {
    return await this.#byIds([...new Set(Array.from(messages, ({ conversationId }) => conversationId))], { withClosed: true })
  }

  /** The direct conversation of two users, whatever id it was imported with; undefined before the first message. */
  async byPair(a: number, b: number): Promise<ConversationRecord | undefined> {
    const [row] = await this.#db.$queryRaw<ConversationRow[]>`
        SELECT id, is_group, null::int AS group_id, user_low, user_high FROM conversations
        WHERE user_low = ${Math.min(a, b)} AND user_high = ${Math.max(a, b)}`
    return row && toRecord(row)
  }

  /** The conversations that the user is in, or only the named one. */
  async idsOf(userId: number, only?: string): Promise<string[]> {
    const rows = await this.#db.$queryRaw<{ conversation_id: string }[]>`
        SELECT conversation_id FROM members WHERE user_id = ${userId} AND conversation_id = coalesce(${only ?? null}, conversation_id)`
    return rows.map((row) => row.conversation_id)
  }

  /** The conversations that the user is in, each with its horizon: the message after which the user may read. */
  async memberOf(userId: number, ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#db.$queryRaw<{ id: string; horizon: number }[]>`
        SELECT conversation_id AS id, history_after::float8 AS horizon FROM members
        WHERE user_id = ${userId} AND conversation_id = ANY(${[...ids]}::text[])`
    return new Map(rows.map(({ id, horizon }) => [id, horizon]))
  }

  /** Which of the users are members of the conversation. */
  async membersAmong(conversationId: string, userIds: readonly number[]): Promise<Set<number>> {
    const rows = await this.#db.$queryRaw<{ user_id: number }[]>`
        SELECT user_id FROM members WHERE conversation_id = ${conversationId} AND user_id = ANY(${[...userIds]}::int[])`
    return new Set(rows.map((row) => row.user_id))
  }

  /**
   * The user's conversations by latest activity, those after `after`, pinned ones first, by filter; without a filter all,
   * whether pinned or not. If conversations move meanwhile, a page may miss one, and never repeats one of an earlier page.
   */
  async page(
    userId: number,
    after: ConversationPosition | undefined,
    limit: number,
    filter?: ConversationFilter,
  ): Promise<(ConversationRecord & ConversationPosition & { horizon: number })[]> {
    type Row = ConversationRow & { pinned: boolean; activity: number; last_id: number; horizon: number; as_of: number }
    const rows = await this.#db.$queryRaw<Row[]>`
        SELECT * FROM (
          SELECT c.id, c.is_group, g.id AS group_id, c.user_low, c.user_high, ${filter ? Sql.sql`m.pinned` : Sql.sql`false`} AS pinned,
            ${epochMs('coalesce(CASE WHEN last.id > m.history_after THEN last.created_at WHEN m.history_after > 0 THEN m.joined_at END, c.created_at)')} AS activity,
            (CASE WHEN last.id > m.history_after THEN last.id ELSE 0 END)::float8 AS last_id, m.history_after::float8 AS horizon,
            coalesce(${after?.asOf ?? null}::float8, (SELECT seq FROM topics WHERE name = ${`user:${userId}`})::float8, 0) AS as_of
          FROM members m
          -- By key, however many rows the planner takes a filter to leave.
          CROSS JOIN LATERAL (SELECT * FROM conversations WHERE id = m.conversation_id LIMIT 1) c
          LEFT JOIN LATERAL (SELECT id FROM groups WHERE conversation_id = c.id LIMIT 1) g ON true
          ${lastMessage}
          WHERE m.user_id = ${userId} AND (${after?.asOf ?? null}::float8 IS NULL OR m.pinned_seq <= ${after?.asOf ?? null}::float8)
            AND ${filter ? FILTERS[filter](userId) : Sql.sql`true`}
        ) c
        WHERE (pinned, activity, last_id, id) < (${after?.pinned ?? true}::boolean, ${after?.activityAt ?? Number.MAX_SAFE_INTEGER}::float8,
          ${after?.lastMessageId ?? 0}::float8, ${after?.id ?? ''})
        ORDER BY pinned DESC, activity DESC, last_id DESC, id DESC LIMIT ${limit}`
    return rows.map((row) => ({
      ...toRecord(row),
      pinned: row.pinned,
      activityAt: row.activity,
      lastMessageId: row.last_id,
      horizon: row.horizon,
      asOf: row.as_of,
    }))
  }

  /** For each key the conversation's members by user id, those above `after`. */
  async memberPages(keys: readonly MemberPageKey[]): Promise<MemberRecord[][]> {
    const rows = await this.#db.$queryRaw<(MemberRecord & { ord: number })[]>`
      SELECT k.ord, m.* FROM ${recordset(keys, 'k', '"conversationId" text, after int, "limit" int')}
      CROSS JOIN LATERAL (
        SELECT user_id AS "userId", role::text AS role, ${epochMs('joined_at')} AS "joinedAt" FROM members
        WHERE ${pageAfter('conversation_id', 'user_id', 'k."conversationId"', 'k.after')} LIMIT k."limit"
      ) m ORDER BY k.ord, m."userId"`
    return byOrd(keys, rows, ({ userId, role, joinedAt }) => ({ userId, role, joinedAt }))
  }

  /** Members of a conversation by user id, those above `after`. */
  async members(conversationId: string, after: number, limit: number): Promise<MemberRecord[]> {
    return (await this.memberPages([{ conversationId, after, limit }]))[0] ?? []
  }

  /**
   * Whether two users receive each other's presence: they share a conversation other than a group with more than `groupLimit`
   * members.
   */
  async sharePresence(a: number, b: number, groupLimit: number): Promise<boolean> {
    const [row] = await this.#db.$queryRaw<{ shared: boolean }[]>`
        SELECT EXISTS (
          SELECT FROM members x JOIN members y ON y.conversation_id = x.conversation_id AND y.user_id = ${b}
          LEFT JOIN groups g ON g.conversation_id = x.conversation_id
          WHERE x.user_id = ${a} AND coalesce(g.member_count, 0) <= ${groupLimit}
        ) AS shared`
    return row?.shared ?? false
  }

  /** The memberships of each user, in one query for many users. */
  async memberships(userIds: readonly number[]): Promise<Map<number, Memberships>> {
    const rows = await this.#db.$queryRaw<
      {
        user_id: number
        kind: 'group' | 'former' | 'blocked'
        topic: string
        since_seq: number
        until_seq: number
        history_after: number
        size: number
        ended_at: number
      }[]
    >`
        SELECT m.user_id, 'group' AS kind, 'group:' || g.id AS topic, m.since_seq::float8 AS since_seq, coalesce(t.seq, 0)::float8 AS until_seq,
          m.history_after::float8 AS history_after, g.member_count AS size, 0::float8 AS ended_at
        FROM members m
        CROSS JOIN LATERAL (SELECT id, member_count FROM groups WHERE conversation_id = m.conversation_id LIMIT 1) g
        LEFT JOIN LATERAL (SELECT seq FROM topics WHERE name = 'group:' || g.id LIMIT 1) t ON true
        WHERE m.user_id = ANY(${[...userIds]}::int[])
        UNION ALL
        SELECT user_id, 'former', topic, since_seq::float8, until_seq::float8, history_after::float8, 0, ${epochMs('created_at')}
        FROM past_memberships
        WHERE user_id = ANY(${[...userIds]}::int[])
        UNION ALL
        SELECT blocker_id, 'blocked', blocked_id::text, 0, 0, 0, 0, 0 FROM blocks WHERE blocker_id = ANY(${[...userIds]}::int[])
        UNION ALL
        SELECT blocked_id, 'blocked', blocker_id::text, 0, 0, 0, 0, 0 FROM blocks WHERE blocked_id = ANY(${[...userIds]}::int[])`
    const byUser = new Map(userIds.map((id) => [id, { groups: [], former: [], blocked: [] } as Memberships]))
    for (const row of rows) {
      const { topic, since_seq: sinceSeq, until_seq: untilSeq, history_after: historyAfter, size: memberCount } = row
      const memberships = byUser.get(row.user_id) as Memberships
      const membership: Membership = historyAfter === 0 ? { topic, sinceSeq } : { topic, sinceSeq, historyAfter }
      if (row.kind === 'group') memberships.groups.push({ ...membership, memberCount, head: untilSeq })
      else if (row.kind === 'former') memberships.former.push({ ...membership, untilSeq, endedAt: row.ended_at })
      else memberships.blocked.push(Number(topic))
    }
    return byUser
  }

  /**
   * For each key the other users of direct conversations: of the user's next `limit` conversations, groups included, by id. The
   * inner query has the user's rows read by the user, whatever the planner thinks of walking the ids.
   */
  async contactPages(keys: readonly ContactPageKey[]): Promise<ContactPage[]> {
    const rows = await this.#db.$queryRaw<{ ord: number; id: string; contact: number | null }[]>`
        SELECT k.ord, p.id, CASE WHEN c.user_low = k."userId" THEN c.user_high ELSE c.user_low END AS contact
        FROM ${recordset(keys, 'k', '"userId" int, after text, "limit" int')}
        CROSS JOIN LATERAL (
          SELECT id FROM (SELECT conversation_id AS id FROM members WHERE user_id = k."userId" OFFSET 0) mine
          WHERE id > k.after ORDER BY id LIMIT k."limit"
        ) p
        CROSS JOIN LATERAL (SELECT user_low, user_high FROM conversations WHERE id = p.id LIMIT 1) c
        ORDER BY k.ord, p.id`
    const pages = byOrd(keys, rows, ({ id, contact }) => ({ id, contact }))
    return pages.map((page, ord) => ({
      contacts: page.flatMap(({ contact }) => contact ?? []),
      next: page.length === keys[ord]?.limit ? page.at(-1)?.id : undefined,
    }))
  }

  async #byIds(ids: readonly string[], { withClosed = false } = {}): Promise<Map<string, ConversationRecord>> {
    const rows = await this.#db.$queryRaw<ConversationRow[]>`
      SELECT c.id, c.is_group, g.id AS group_id, c.user_low, c.user_high
      FROM conversations c LEFT JOIN groups g ON g.conversation_id = c.id
      WHERE c.id = ANY(${[...ids]}::text[]) AND (${withClosed}::boolean OR g.closed_at IS NULL)`
    return new Map(rows.map((row) => [row.id, toRecord(row)]))
  }
}
