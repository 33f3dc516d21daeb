import { pageAfter, pageBefore, recordset, type Db } from './database/sql.ts'
import { Prisma as Sql } from './generated/client.ts'

/** How many receipts one statement marks: the member may have any number, and others need the database meanwhile. */
const RECEIPTS_AT_ONCE = 1000

/** A member's read state of a conversation, as clients see it. */
export interface ReadState {
  /** The message up to which everything of others is read; null if nothing was read. */
  readUpTo: number | null
  unread: number
  unreadMentions: number
}

export interface MemberKey {
  userId: number
  conversationId: string
}

/** A message of the conversation and the member's pointer, as read under the lock of the member. */
export interface ReadPosition {
  isGroup: boolean
  messageCount: number
  sentCount: number
  historyAfter: number
  readTo: number
  readCount: number
  readBeyond: number
  readUpTo: number | null
  /** The `seq` of the last message up to `readTo`. */
  pointerSeq: number
  messageId: number
  seq: number
  senderId: number
  senderSeq: number
  isDeleted: boolean
  /** Whether the member's receipt of it counts as read: it has not been marked unread since. */
  isCounted: boolean
}

/** Whether the message was read individually by the member `m` and not marked unread since: looked up by key, row by row. */
const isCounted = (message: string): Sql.Sql => Sql.sql`
  (SELECT NOT r.marked_unread FROM receipts r WHERE r.message_id = ${Sql.raw(message)} AND r.reader_id = m.user_id) IS TRUE`

/** Whether it was not. No receipt is looked up where the member has read nothing individually: others decide how many messages there are. */
const isNotCounted = (message: string): Sql.Sql => Sql.sql`(m.read_beyond = 0 OR NOT ${isCounted(message)})`

/** Deleted messages of others than `m` with ids above `after` that were not read individually, in the conversation of `m`. */
const deletedAfter = (after: Sql.Sql): Sql.Sql => Sql.sql`
  messages d WHERE d.conversation_id = m.conversation_id AND d.id > ${after}
    AND d.deleted_at IS NOT NULL AND d.sender_id <> m.user_id AND ${isNotCounted('d.id')}`

/** How many of them have ids up to `until`. */
const deletedBetween = (after: Sql.Sql, until: Sql.Sql): Sql.Sql =>
  Sql.sql`(SELECT count(*)::int FROM ${deletedAfter(after)} AND d.id <= ${until})`

/** How many messages of others are unread for the member `m` of `c`. No more deleted ones are looked at than are to be left out. */
export const unreadOf = (readerId: number): Sql.Sql => Sql.sql`(
  SELECT greatest(0, u.total - (
    SELECT count(*)::int FROM (SELECT FROM ${deletedAfter(Sql.sql`m.read_to`)} LIMIT greatest(u.total, 0)) d
  )) FROM (SELECT c.message_count - m.read_count - m.read_beyond
    - CASE WHEN c.is_group THEN m.sent_count WHEN c.user_low = ${readerId} THEN c.low_count ELSE c.message_count - c.low_count END AS total
  ) u)`

/** The unread messages that mention all members, of the member `m`. */
const mentionsOfAll = (readerId: number): Sql.Sql => Sql.sql`
  messages a WHERE a.conversation_id = m.conversation_id AND a.mentions_all AND a.id > m.read_to
    AND a.deleted_at IS NULL AND a.sender_id <> ${readerId} AND ${isNotCounted('a.id')}`

/** Those that mention the member `m` by name, and not all. */
const mentionsByName = (readerId: number): Sql.Sql => Sql.sql`
  mentions n CROSS JOIN LATERAL (
    SELECT FROM messages s WHERE s.id = n.message_id AND NOT s.mentions_all AND s.deleted_at IS NULL AND s.sender_id <> ${readerId} LIMIT 1
  ) s WHERE n.user_id = ${readerId} AND n.conversation_id = m.conversation_id AND n.message_id > m.read_to AND ${isNotCounted('n.message_id')}`

/** How many unread messages mention the member `m`, by name or all members; 0 while the member has notifications off. */
const unreadMentionsOf = (readerId: number): Sql.Sql => Sql.sql`CASE WHEN m.muted_until > now() THEN 0 ELSE
  (SELECT count(*)::int FROM ${mentionsOfAll(readerId)}) + (SELECT count(*)::int FROM ${mentionsByName(readerId)}) END`

/** Whether there is one; looks for no second one. */
export const hasUnreadMention = (readerId: number): Sql.Sql => Sql.sql`((m.muted_until > now()) IS NOT TRUE
  AND (EXISTS (SELECT FROM ${mentionsOfAll(readerId)}) OR EXISTS (SELECT FROM ${mentionsByName(readerId)})))`

/**
 * For members `m`, as `b.read_to`: how far a pointer can advance without passing an unread message of others; own messages are
 * passed. To be joined.
 */
export const readToAfter = (pointer: 'm.read_to' | 'm.marked_to'): Sql.Sql => Sql.sql`
  LEFT JOIN LATERAL (
    SELECT s.id FROM messages s WHERE ${pageAfter(
      's.conversation_id',
      's.id',
      'm.conversation_id',
      pointer,
      Sql.sql`AND s.sender_id <> m.user_id AND s.deleted_at IS NULL AND NOT ${isCounted('s.id')}`,
    )} LIMIT 1
  ) unread ON true
  LEFT JOIN LATERAL (
    SELECT s.id FROM messages s WHERE ${pageBefore('s.conversation_id', 's.id', 'm.conversation_id')} LIMIT 1
  ) last ON true
  CROSS JOIN LATERAL (SELECT greatest(${Sql.raw(pointer)}, coalesce(unread.id - 1, last.id)) AS read_to) b`

/**
 * What each member has read: a pointer, and a counter of messages read individually beyond it. Nothing here depends on the
 * length of the history, except `ownUpTo` (docs/operations.md, Where it ends). Changes need the lock of the member's row, which
 * `lock` takes.
 */
export class ReadPointerStore {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /**
   * Advances pointers over messages already read, if anything was read individually. They also pass the member's own messages,
   * which need not be checked again.
   */
  async moveOverRead(members: readonly MemberKey[]): Promise<void> {
    await this.#db.$executeRaw`
      UPDATE members t SET read_to = p.read_to, read_count = t.read_count + p.moved + p.deleted, read_beyond = t.read_beyond - p.moved,
        read_up_to = greatest(t.read_up_to, p.reached)
      FROM (
        SELECT m.conversation_id, m.user_id, b.read_to, r.moved, r.reached, ${deletedBetween(Sql.sql`m.read_to`, Sql.sql`b.read_to`)} AS deleted
        FROM ${recordset(members, 'k', '"userId" int, "conversationId" text')}
        CROSS JOIN LATERAL (
          SELECT * FROM members WHERE conversation_id = k."conversationId" AND user_id = k."userId" AND read_beyond > 0 LIMIT 1
        ) m
        ${readToAfter('m.read_to')}
        CROSS JOIN LATERAL (
          SELECT count(*)::int AS moved, max(message_id) AS reached FROM receipts r
          WHERE r.reader_id = m.user_id AND r.conversation_id = m.conversation_id
            AND r.message_id > m.read_to AND r.message_id <= b.read_to AND NOT r.marked_unread
        ) r
      ) p WHERE t.conversation_id = p.conversation_id AND t.user_id = p.user_id`
  }

  /**
   * What the user has read of each conversation that they are in. `mentions`: whether to count unread mentions; otherwise
   * they are 0.
   */
  async states(userId: number, ids: readonly string[], { mentions = true } = {}): Promise<Map<string, ReadState>> {
    const rows = await this.#db.$queryRaw<(ReadState & { id: string })[]>`
        SELECT m.conversation_id AS id, m.read_up_to::float8 AS "readUpTo", ${unreadOf(userId)}::int AS unread,
          ${mentions ? unreadMentionsOf(userId) : Sql.sql`0`} AS "unreadMentions"
        FROM members m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.user_id = ${userId} AND m.conversation_id = ANY(${[...ids]}::text[])`
    return new Map(rows.map(({ id, ...state }) => [id, state]))
  }

  /**
   * Locks the membership and returns the positions of a message of the conversation and of the pointer; undefined if one of
   * them does not exist.
   */
  async lock(userId: number, conversationId: string, messageId: number): Promise<ReadPosition | undefined> {
    // In a statement of its own: the next one then sees what was committed meanwhile.
    await this.#db
      .$queryRaw`SELECT FROM members WHERE conversation_id = ${conversationId} AND user_id = ${userId} FOR NO KEY UPDATE`
    const [row] = await this.#db.$queryRaw<ReadPosition[]>`
        SELECT c.is_group AS "isGroup", c.message_count AS "messageCount", m.sent_count AS "sentCount",
          m.history_after::float8 AS "historyAfter", m.read_to::float8 AS "readTo", m.read_count AS "readCount",
          m.read_beyond AS "readBeyond", m.read_up_to::float8 AS "readUpTo", coalesce(p.seq, n.seq - 1, c.message_count) AS "pointerSeq",
          x.id::float8 AS "messageId", x.seq, x.sender_id AS "senderId", x.sender_seq AS "senderSeq",
          x.deleted_at IS NOT NULL AS "isDeleted", ${isCounted('x.id')} AS "isCounted"
        FROM members m JOIN conversations c ON c.id = m.conversation_id
        CROSS JOIN LATERAL (SELECT * FROM messages x WHERE x.id = ${messageId} AND x.conversation_id = m.conversation_id LIMIT 1) x
        LEFT JOIN LATERAL (
          SELECT s.seq FROM messages s WHERE ${pageBefore('s.conversation_id', 's.id', 'm.conversation_id', 'm.read_to + 1')} LIMIT 1
        ) p ON true
        -- Where retention took all of them: what comes next is numbered on.
        LEFT JOIN LATERAL (
          SELECT s.seq FROM messages s WHERE ${pageAfter('s.conversation_id', 's.id', 'm.conversation_id', 'm.read_to')} LIMIT 1
        ) n ON p.seq IS NULL
        WHERE m.conversation_id = ${conversationId} AND m.user_id = ${userId}`
    return row
  }

  /** Counts an unread message as read, whose receipt was just stored. */
  async countRead(userId: number, conversationId: string, { messageId, readTo }: ReadPosition): Promise<void> {
    if (messageId <= readTo) {
      await this.#db.$executeRaw`
          UPDATE members SET read_up_to = greatest(read_up_to, ${messageId})
          WHERE conversation_id = ${conversationId} AND user_id = ${userId}`
      return
    }
    await this.#db.$executeRaw`
        UPDATE members SET read_beyond = read_beyond + 1 WHERE conversation_id = ${conversationId} AND user_id = ${userId}`
    await this.moveOverRead([{ userId, conversationId }])
  }

  /** Moves the pointer up to a message; returns how many messages of others are newly read. */
  async moveTo(userId: number, conversationId: string, position: ReadPosition): Promise<number> {
    const { messageId, seq, readTo, readCount } = position
    if (messageId <= readTo) {
      await this.#db.$executeRaw`
          UPDATE members SET read_up_to = greatest(read_up_to, ${messageId}), marked_to = greatest(marked_to, ${messageId})
          WHERE conversation_id = ${conversationId} AND user_id = ${userId}`
      return 0
    }
    const others = seq - (await this.#ownUpTo(userId, conversationId, position))
    const [row] = await this.#db.$queryRaw<{ singly: number; deleted: number; beyond: number }[]>`
        UPDATE members t SET read_to = ${messageId}, read_count = ${others}, read_beyond = t.read_beyond - p.singly,
          read_up_to = ${messageId}, marked_to = ${messageId}
        FROM (
          SELECT CASE WHEN m.read_beyond = 0 THEN 0 ELSE (
            SELECT count(*)::int FROM receipts r
            WHERE r.reader_id = ${userId} AND r.conversation_id = m.conversation_id
              AND r.message_id > m.read_to AND r.message_id <= ${messageId} AND NOT r.marked_unread
          ) END AS singly, ${deletedBetween(Sql.sql`m.read_to`, Sql.sql`${messageId}`)} AS deleted
          FROM members m WHERE m.conversation_id = ${conversationId} AND m.user_id = ${userId}
        ) p
        WHERE t.conversation_id = ${conversationId} AND t.user_id = ${userId}
        RETURNING p.singly, p.deleted, t.read_beyond AS beyond`
    const { singly = 0, deleted = 0, beyond = 0 } = row ?? {}
    if (beyond > 0) await this.moveOverRead([{ userId, conversationId }])
    return others - readCount - singly - deleted
  }

  /** Counts a message and everything after it as unread again. */
  async moveBefore(userId: number, conversationId: string, position: ReadPosition): Promise<void> {
    const { messageId, seq, senderId, readTo } = position
    const flagged = await this.#markUnread(userId, conversationId, messageId)
    if (messageId > readTo) {
      // All of them lie beyond the pointer.
      await this.#db.$executeRaw`
          UPDATE members SET read_beyond = read_beyond - ${flagged} WHERE conversation_id = ${conversationId} AND user_id = ${userId}`
      return
    }
    const others = seq - (await this.#ownUpTo(userId, conversationId, position)) - (senderId === userId ? 0 : 1)
    await this.#db.$executeRaw`
        UPDATE members t SET read_to = ${messageId - 1}, read_count = ${others}, read_beyond = 0,
          marked_to = least(t.marked_to, ${messageId - 1}), read_up_to = p.id
        FROM (
          SELECT before.id FROM members m LEFT JOIN LATERAL (
            SELECT s.id FROM messages s
            WHERE ${pageBefore('s.conversation_id', 's.id', 'm.conversation_id', `${messageId}`)}
            LIMIT 1
          ) before ON before.id > m.history_after
          WHERE m.conversation_id = ${conversationId} AND m.user_id = ${userId}
        ) p
        WHERE t.conversation_id = ${conversationId} AND t.user_id = ${userId}`
  }

  /** Marks the member's receipts from a message on, in parts; returns how many were not marked before. */
  async #markUnread(userId: number, conversationId: string, from: number): Promise<number> {
    let total = 0
    for (let next: number | null = from; next !== null;) {
      // Bounds of whole rows, so that the planner reads the reader's index and does not walk all receipts.
      const rows: { marked: number; next: number | null }[] = await this.#db.$queryRaw<typeof rows>`
        WITH part AS MATERIALIZED (
          SELECT message_id, marked_unread FROM receipts
          WHERE (reader_id, conversation_id, message_id) >= (${userId}, ${conversationId}, ${next})
            AND (reader_id, conversation_id) <= (${userId}, ${conversationId})
          ORDER BY reader_id, conversation_id, message_id LIMIT ${RECEIPTS_AT_ONCE}
        ), marked AS (
          UPDATE receipts r SET marked_unread = true FROM part p
          WHERE r.message_id = p.message_id AND r.reader_id = ${userId} AND NOT p.marked_unread RETURNING 1
        )
        SELECT (SELECT count(*)::int FROM marked) AS marked,
          (SELECT max(message_id) + 1 FROM part HAVING count(*) = ${RECEIPTS_AT_ONCE})::float8 AS next`
      total += rows[0]?.marked ?? 0
      next = rows[0]?.next ?? null
    }
    return total
  }

  /** How many of the messages with `after < id <= until` are the member's own. */
  async #countOwn(userId: number, conversationId: string, after: number, until: number): Promise<number> {
    const [row] = await this.#db.$queryRaw<{ own: number }[]>`
      SELECT count(*)::int AS own FROM messages
      WHERE conversation_id = ${conversationId} AND id > ${after} AND id <= ${until} AND sender_id = ${userId}`
    return row?.own ?? 0
  }

  /** The ordinal of the member's last message among the latest `count` up to a message; undefined if there is none. */
  async #nearestOwn(userId: number, conversationId: string, upTo: number, count: number): Promise<number | undefined> {
    const [row] = await this.#db.$queryRaw<{ senderSeq: number }[]>`
      SELECT m.sender_seq AS "senderSeq" FROM unnest(ARRAY[${conversationId}]::text[], ARRAY[${upTo + 1}]::bigint[]) AS k(id, before)
      CROSS JOIN LATERAL (
        SELECT id FROM (
          SELECT id, sender_id FROM messages WHERE ${pageBefore('conversation_id', 'messages.id', 'k.id', 'k.before')} LIMIT ${count}
        ) newest WHERE sender_id = ${userId} LIMIT 1
      ) own JOIN messages m ON m.id = own.id`
    return row?.senderSeq
  }

  /**
   * How many messages up to a message are the member's own. In a direct conversation the message's row has the number. In a
   * group it is counted from the nearest known number: the member's own nearest message before it, the pointer or the end,
   * whichever of the last two is nearer.
   */
  async #ownUpTo(userId: number, conversationId: string, position: ReadPosition): Promise<number> {
    const { isGroup, messageCount, sentCount, readTo, readCount, pointerSeq, messageId, seq, senderId, senderSeq } = position
    if (senderId === userId) return senderSeq
    if (!isGroup) return seq - senderSeq
    if (sentCount === 0) return 0
    const ownAtPointer = pointerSeq - readCount
    if (messageId > readTo) {
      if (messageCount - seq <= seq - pointerSeq)
        return sentCount - (await this.#countOwn(userId, conversationId, messageId, Number.MAX_SAFE_INTEGER))
      return (await this.#nearestOwn(userId, conversationId, messageId, seq - pointerSeq)) ?? ownAtPointer
    }
    if (pointerSeq - seq <= seq) return ownAtPointer - (await this.#countOwn(userId, conversationId, messageId, readTo))
    // If none is left before it, the next one has the number.
    const next = async () => sentCount - (await this.#countOwn(userId, conversationId, messageId, Number.MAX_SAFE_INTEGER))
    return (await this.#nearestOwn(userId, conversationId, messageId, seq)) ?? (await next())
  }
}
