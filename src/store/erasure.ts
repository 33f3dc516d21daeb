import { epochMs, type Db } from './database/sql.ts'

/** Deletes what is stored of a user, in one statement for each part. All of them may be repeated. */
export function createErasureStore(db: Db) {
  return {
    /** Removes name and avatar; the user is shown as `user<id>`. Returns whether there was anything to remove. */
    async profile(userId: number): Promise<boolean> {
      const changed = await db.$executeRaw`
        UPDATE users SET name = 'user' || id, avatar = NULL, last_active = NULL, name_set_at = NULL, avatar_set_at = NULL, announce_due = NULL
        WHERE id = ${userId} AND (name <> 'user' || id OR avatar IS NOT NULL OR last_active IS NOT NULL OR announce_due IS NOT NULL)`
      return changed > 0
    },

    /** The ids of all messages of the user, including deleted ones, oldest first. */
    async messageIds(userId: number): Promise<number[]> {
      // Sorted here: the planner would scan the ids of all messages for that.
      const rows = await db.$queryRaw<{ id: number }[]>`
        SELECT id::float8 AS id FROM messages WHERE sender_id = ${userId} AND (deleted_at IS NULL OR client_key IS NOT NULL)`
      return rows.map(({ id }) => id).toSorted((a, b) => a - b)
    },

    /** Removes the idempotency keys of messages. */
    async keys(messageIds: readonly number[]): Promise<void> {
      await db.$executeRaw`
        UPDATE messages SET client_key = NULL WHERE id = ANY(${[...messageIds]}::bigint[]) AND client_key IS NOT NULL`
    },

    /** Deletes the user's receipts and reactions, at most `limit` of each; returns how many. */
    async traces(userId: number, limit: number): Promise<number> {
      const receipts = await db.$executeRaw`
        DELETE FROM receipts WHERE reader_id = ${userId} AND (message_id, reader_id) IN (
          SELECT message_id, reader_id FROM receipts WHERE reader_id = ${userId} LIMIT ${limit}
        )`
      const reactions = await db.$executeRaw`
        DELETE FROM reactions WHERE (message_id, reaction, user_id) IN (
          SELECT message_id, reaction, user_id FROM reactions WHERE user_id = ${userId} LIMIT ${limit}
        )`
      return receipts + reactions
    },

    /**
     * Deletes the user's notifications, blocks, settings, pointers, requests and reports, and the contents of the user's
     * messages in reports.
     */
    async belongings(userId: number): Promise<void> {
      await db.$executeRaw`
        WITH no_notifications AS (DELETE FROM notifications WHERE user_id = ${userId}),
        no_blocks AS (DELETE FROM blocks WHERE blocker_id = ${userId}),
        not_blocked AS (DELETE FROM blocks WHERE blocked_id = ${userId} AND blocker_id <> ${userId}),
        no_requests AS (DELETE FROM join_requests WHERE user_id = ${userId}),
        no_mutes AS (DELETE FROM group_mutes WHERE user_id = ${userId}),
        no_mentions AS (DELETE FROM mentions WHERE user_id = ${userId}),
        no_reports AS (DELETE FROM reports WHERE reporter_id = ${userId}),
        no_contents AS (UPDATE reports SET content = '', media_url = NULL WHERE sender_id = ${userId} AND reporter_id <> ${userId}),
        no_past AS (DELETE FROM past_memberships WHERE user_id = ${userId}),
        no_reason AS (UPDATE bans SET reason = NULL WHERE user_id = ${userId} AND reason IS NOT NULL)
        UPDATE members SET pinned = false, archived_at = NULL, muted_until = NULL, read_to = 0, read_count = 0, read_beyond = 0,
          read_up_to = NULL, marked_to = 0
        WHERE user_id = ${userId}`
    },

    /** When the oldest event of the log was written, in milliseconds since the epoch; undefined if there is none. */
    async firstEventAt(): Promise<number | undefined> {
      const [row] = await db.$queryRaw<{ at: number | null }[]>`SELECT ${epochMs('min(created_at)')} AS at FROM events`
      return row?.at ?? undefined
    },

    /**
     * Removes the user from the events of a period, in milliseconds since the epoch: reactions and receipts are removed as a
     * whole, a name becomes `user<id>`. A client that resumes across the gaps gets all others, in order.
     */
    async events(userId: number, from: number, until: number): Promise<void> {
      const id = String(userId)
      const userJson = JSON.stringify({ id: userId, name: `user${userId}`, avatar: null })
      await db.$executeRaw`
        DELETE FROM events WHERE created_at >= to_timestamp(${from}::float8 / 1000) AND created_at < to_timestamp(${until}::float8 / 1000) AND (
          (kind IN ('reaction_added', 'reaction_removed') AND payload ->> 'userId' = ${id})
          OR (kind = 'message_read' AND payload ->> 'readerId' = ${id})
        )`
      await db.$executeRaw`
        UPDATE events SET payload = payload
          || CASE WHEN payload -> 'user' ->> 'id' = ${id} THEN jsonb_build_object('user', ${userJson}::jsonb) ELSE '{}' END
          || CASE WHEN payload -> 'userIds' @> ${id}::jsonb THEN jsonb_build_object('userIds', (
               SELECT coalesce(jsonb_agg(u ORDER BY ord), '[]') FROM jsonb_array_elements(payload -> 'userIds') WITH ORDINALITY AS e(u, ord)
               WHERE u <> ${id}::jsonb
             )) ELSE '{}' END
        WHERE created_at >= to_timestamp(${from}::float8 / 1000) AND created_at < to_timestamp(${until}::float8 / 1000)
          AND (payload -> 'user' ->> 'id' = ${id} OR payload -> 'userIds' @> ${id}::jsonb)`
    },

    /** Empties the user's own topic, as retention would. */
    async ownTopic(topic: string): Promise<void> {
      await db.$executeRaw`
        WITH locked AS MATERIALIZED (SELECT name FROM topics WHERE name = ${topic} FOR UPDATE), gone AS (
          DELETE FROM events e USING locked WHERE e.topic = locked.name RETURNING e.seq, e.id, e.xid
        )
        UPDATE topics t SET swept_seq = greatest(t.swept_seq, g.seq), swept_id = greatest(t.swept_id, g.id),
          swept_xid = CASE WHEN g.seq > t.swept_seq THEN g.xid ELSE t.swept_xid END
        FROM (SELECT max(seq) AS seq, max(id) AS id, (array_agg(xid ORDER BY seq DESC))[1] AS xid FROM gone) g
        WHERE t.name = ${topic} AND g.seq IS NOT NULL`
    },
  }
}
