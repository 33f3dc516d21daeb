/** Fills a migrated, empty database with many users and one long conversation; indexes are made when the rows are there. */

/** Runs `fill` while the table has no indexes but those of its constraints, and makes them again. */
async function withoutIndexes(database, name, fill) {
  const { rows } = await database.query(
    `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1 AND schemaname = current_schema()
      AND indexname NOT IN (SELECT conname FROM pg_constraint)`,
    [name],
  )
  for (const { indexname } of rows) await database.query(`DROP INDEX "${indexname}"`)
  await fill()
  for (const { indexdef } of rows) await database.query(indexdef)
}

/** One name in 1,000 has `blue` in it, one 明, three have `zebra`. */
export async function fillUsers(database, { users }) {
  await withoutIndexes(database, 'users', () =>
    database.query(
      `INSERT INTO users (id, name) SELECT i, CASE WHEN i % 1000 = 7 THEN 'Blue user ' WHEN i % 1000 = 8 THEN '小明 user '
        WHEN i IN (3, $1::int / 2, $1::int) THEN 'Zebra user ' ELSE 'User ' END || i FROM generate_series(1, $1::int) i`,
      [users],
    ),
  )
  await database.query('VACUUM ANALYZE users')
}

const INDEXED_AT_ONCE = 5000

/** Every message has `message`, every second one is in Chinese; `zebra` and 斑马 are in three. User 1 owns the group, users 2 to 11 write. */
export async function fillMessages(database, { messages, members }, indexed) {
  await database.query('SET session_replication_role = replica')
  await database.query(
    `INSERT INTO topics (name) SELECT 'user:' || i FROM generate_series(1, ${members}) i ON CONFLICT DO NOTHING`,
  )
  await database.query(`INSERT INTO topics (name) VALUES ('group:1')`)
  await database.query(`INSERT INTO conversations (id, is_group, message_count) VALUES ('group_1', true, ${messages})`)
  await database.query(
    `INSERT INTO groups (id, conversation_id, name, member_count) VALUES (1, 'group_1', 'Everybody', ${members})`,
  )
  await database.query(`SELECT setval('groups_id_seq', 1)`)
  await database.query(
    `INSERT INTO members (conversation_id, user_id, role, sent_count)
      SELECT 'group_1', i, (CASE WHEN i = 1 THEN 'OWNER' ELSE 'MEMBER' END)::group_role,
        CASE WHEN i BETWEEN 2 AND 11 THEN ${messages / 10} ELSE 0 END FROM generate_series(1, ${members}) i`,
  )
  await withoutIndexes(database, 'messages', () =>
    database.query(
      `INSERT INTO messages (conversation_id, sender_id, content, message_type, seq, sender_seq, created_at)
        SELECT 'group_1', 2 + (i - 1) % 10, 'message ' || i
          || CASE WHEN i % 10 = 3 THEN ' blue' ELSE '' END || CASE WHEN i / 10 % 100 = 5 THEN ' seven' ELSE '' END
          || CASE WHEN i % 2 = 0 THEN ' 这是第' || i || '条消息' ELSE '' END
          || CASE WHEN i IN (1, $1::int / 2, $1::int - 1) THEN ' zebra 斑马' ELSE '' END,
          'text', i, 1 + (i - 1) / 10, timestamptz '2026-01-01' + i * interval '20 seconds' FROM generate_series(1, $1::int) i`,
      [messages],
    ),
  )
  await withoutIndexes(database, 'message_search', async () => {
    for (let from = 1; from <= messages; from += INDEXED_AT_ONCE) {
      const { rows } = await database.query(
        `SELECT id::float8 AS id, sender_id AS "senderId", content, extract(epoch FROM created_at)::float8 * 1000 AS at
          FROM messages WHERE id >= $1 AND id < $2`,
        [from, from + INDEXED_AT_ONCE],
      )
      const ready = rows.map((row) => indexed({ ...row, conversationId: 'group_1', mediaUrl: null, mentionsAll: false }))
      await database.query(
        `INSERT INTO message_search (message_id, tokens)
          SELECT i.id, i.tokens::int[] FROM unnest($1::bigint[], $2::text[]) AS i(id, tokens)`,
        [ready.map(({ messageId }) => messageId), ready.map(({ tokens }) => `{${tokens.join(',')}}`)],
      )
    }
  })
  await database.query('UPDATE search_state SET indexed_to = (SELECT max(id) FROM messages)')
  await database.query('RESET session_replication_role')
  await database.query('VACUUM ANALYZE')
}
