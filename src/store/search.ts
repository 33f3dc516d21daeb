import { Prisma as Sql } from './generated/client.ts'
import { named, type Db } from './database/sql.ts'
import { messageColumns, messageJoins, messageOf, type MessageRecord, type MessageRow } from './message-rows.ts'

/** A message's row of the search index. */
export interface IndexedMessage {
  messageId: number
  tokens: readonly number[]
}

/** Conditions besides the text; undefined: none. */
export interface SearchFilters {
  conversationId: string | undefined
  senderId: number | undefined
  hasMedia: boolean | undefined
  mentionsMe: boolean
  sentAfter: Date | undefined
  sentBefore: Date | undefined
}

/** The filters are checked in addition to their tokens, since tokens are hashes and may collide. */
export interface SearchQuery extends SearchFilters {
  userId: number
  /** Tokens that a hit has all of, and groups of which it has at least one token each. */
  all: readonly number[]
  oneOfEach: readonly (readonly number[])[]
  /** Only ids from `from` on, below `before`. */
  from: number
  before: number
  /** The highest number of hits. */
  limit: number
}

/** A hit of the index; `message` is undefined if the user may not read it or a filter excludes it. */
export interface SearchHit {
  messageId: number
  message: MessageRecord | undefined
}

/** After this long every message is committed or rolled back: no statement that sends takes as long. */
const SETTLED_SECONDS = 60

export function createSearchStore(db: Db) {
  /** In the order of their ids. */
  async function byIds(ids: readonly number[]): Promise<MessageRecord[]> {
    if (ids.length === 0) return []
    const rows = await db.$queryRaw<MessageRow[]>`
      SELECT f.* FROM unnest(${[...ids]}::bigint[]) AS k(id) CROSS JOIN LATERAL (
        SELECT ${messageColumns} FROM (SELECT * FROM messages WHERE id = k.id LIMIT 1) m ${messageJoins} LIMIT 1
      ) f ORDER BY f.id`
    return rows.map(messageOf)
  }

  return {
    /** Adds messages to the index; existing rows are kept. */
    async add(messages: readonly IndexedMessage[]): Promise<void> {
      const ids = messages.map(({ messageId }) => messageId)
      // As one text, since array literals of numbers need no quoting and contain no semicolon.
      const tokens = messages.map((message) => `{${message.tokens.join(',')}}`).join(';')
      await db.$executeRaw`
        ${named('add_to_search')} INSERT INTO message_search (message_id, tokens)
        SELECT i.id, i.tokens::int[] FROM unnest(${ids}::bigint[], string_to_array(${tokens}, ';')) AS i(id, tokens)
        ON CONFLICT DO NOTHING`
    },

    /** Replaces a message's tokens; call it in the transaction that edits the message. A deletion removes them by itself. */
    async replace({ messageId, tokens }: IndexedMessage): Promise<void> {
      await db.$executeRaw`
        INSERT INTO message_search (message_id, tokens) VALUES (${messageId}, ${[...tokens]}::int[])
        ON CONFLICT (message_id) DO UPDATE SET tokens = excluded.tokens`
    },

    /** The highest id of a message; 0 before the first. */
    async lastId(): Promise<number> {
      const [row] = await db.$queryRaw<{ id: number }[]>`SELECT coalesce(max(id), 0)::float8 AS id FROM messages`
      return row?.id ?? 0
    },

    /**
     * Hits, newest first. The index is asked for all tokens at once, whatever the planner thinks of walking the ids. LIMIT 1 has each hit's
     * message read by its id: up to some ten thousand messages, the planner would rather read all of the conversation.
     */
    async find(query: SearchQuery): Promise<SearchHit[]> {
      const { userId, all, oneOfEach, from, before, limit, sentAfter, sentBefore, hasMedia } = query
      const groups = oneOfEach.map((group) => Sql.sql`AND tokens && ${[...group]}::int[]`)
      const filters = [
        query.conversationId === undefined ? Sql.empty : Sql.sql`AND m.conversation_id = ${query.conversationId}`,
        query.senderId === undefined ? Sql.empty : Sql.sql`AND m.sender_id = ${query.senderId}`,
        hasMedia === undefined ? Sql.empty : hasMedia ? Sql.sql`AND m.media_url IS NOT NULL` : Sql.sql`AND m.media_url IS NULL`,
        query.mentionsMe ? Sql.sql`AND (m.mentions_all OR ${userId} = ANY(m.mention_ids))` : Sql.empty,
        sentAfter === undefined ? Sql.empty : Sql.sql`AND m.created_at >= ${sentAfter.toISOString()}::timestamptz`,
        sentBefore === undefined ? Sql.empty : Sql.sql`AND m.created_at < ${sentBefore.toISOString()}::timestamptz`,
      ]
      const rows = await db.$queryRaw<({ hit: number } & (MessageRow | { id: null }))[]>`
        WITH hits AS MATERIALIZED (
          SELECT message_id FROM message_search
          WHERE tokens @> ${[...all]}::int[] ${Sql.join(groups, ' ')} AND message_id >= ${from} AND message_id < ${before}
        ), newest AS MATERIALIZED (
          SELECT message_id FROM hits ORDER BY message_id DESC LIMIT ${limit}
        )
        SELECT h.message_id::float8 AS hit, f.* FROM newest h LEFT JOIN LATERAL (
          SELECT ${messageColumns} FROM (SELECT * FROM messages WHERE id = h.message_id LIMIT 1) m ${messageJoins}
          JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = ${userId} AND m.id > mb.history_after
          WHERE m.deleted_at IS NULL AND g.closed_at IS NULL ${Sql.join(filters, ' ')}
        ) f ON true ORDER BY h.message_id DESC`
      return rows.map((row) => ({ messageId: row.hit, message: row.id === null ? undefined : messageOf(row) }))
    },

    /**
     * The next messages without a row, in order, among at most `limit` settled ones. `lastId` is the last one examined, for `setIndexedTo`
     * in the same transaction; undefined if there is none, or if another node holds the lock.
     */
    async nextUnindexed(limit: number): Promise<{ messages: MessageRecord[]; lastId: number | undefined; isLast: boolean }> {
      const [state] = await db.$queryRaw<{ indexed_to: number }[]>`
        SELECT indexed_to::float8 AS indexed_to FROM search_state FOR UPDATE SKIP LOCKED`
      if (!state) return { messages: [], lastId: undefined, isLast: true }
      // LIMIT 1 has each row looked up by its id: the planner would rather read the whole index's table for each batch.
      const rows = await db.$queryRaw<{ id: number; is_indexed: boolean; is_settled: boolean }[]>`
        SELECT m.id::float8 AS id, s.message_id IS NOT NULL AS is_indexed,
          m.created_at < statement_timestamp() - make_interval(secs => ${SETTLED_SECONDS}) AS is_settled
        FROM (SELECT id, created_at FROM messages WHERE id > ${state.indexed_to} ORDER BY id LIMIT ${limit}) m
        LEFT JOIN LATERAL (SELECT message_id FROM message_search WHERE message_id = m.id LIMIT 1) s ON true
        ORDER BY m.id`
      // Next to an unsettled message, lower ids may still be committed: stop there.
      const unsettled = rows.findIndex((row) => !row.is_settled)
      const settled = unsettled === -1 ? rows : rows.slice(0, unsettled)
      const messages = await byIds(settled.filter((row) => !row.is_indexed).map(({ id }) => id))
      return { messages, lastId: settled.at(-1)?.id, isLast: settled.length < limit }
    },

    async setIndexedTo(id: number): Promise<void> {
      await db.$executeRaw`UPDATE search_state SET indexed_to = ${id}`
    },

    /** Makes `nextUnindexed` examine messages from this id on again: an import inserted some with lower ids. */
    async indexFrom(id: number): Promise<void> {
      await db.$executeRaw`UPDATE search_state SET indexed_to = ${id - 1} WHERE indexed_to >= ${id}`
    },
  }
}
