import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/store/database/client.ts'
import { migrate, readMigrations } from '../../src/store/migrations/migrate.ts'
import { createStore } from '../../src/store/store.ts'
import { createTestChat } from '../support/chat.ts'
import { copyDatabase, createServerDatabase, dropServerDatabase, open, skipServer } from '../support/database.ts'
import { expectCounted } from '../support/read-counts.ts'

/** The last migration of version 0.1. */
const LAST_OF_0_1 = '20261124170652_imports'

/** What a server of version 0.1 may have stored: members who read all, some or nothing, in order or not, and who left. */
const FILL = `
  INSERT INTO users (id, name) SELECT i, 'user' || i FROM generate_series(1, 12) i;
  INSERT INTO topics (name) SELECT 'user:' || i FROM generate_series(1, 12) i;
  INSERT INTO conversations (id, is_group) SELECT 'group_' || i, true FROM generate_series(1, 4) i;
  INSERT INTO groups (id, conversation_id, name, member_count) SELECT i, 'group_' || i, 'G', 8 FROM generate_series(1, 4) i;
  INSERT INTO topics (name) SELECT 'group:' || i FROM generate_series(1, 4) i;
  INSERT INTO members (conversation_id, user_id, role)
  SELECT 'group_' || g, u, (CASE WHEN u = 1 THEN 'OWNER' ELSE 'MEMBER' END)::group_role FROM generate_series(1, 4) g, generate_series(1, 8) u;
  INSERT INTO conversations (id, is_group, user_low, user_high)
  SELECT CASE WHEN i = 3 THEN 'chat-3' ELSE 'direct_' || i || '_' || i + 1 END, false, i, i + 1 FROM generate_series(1, 10) i;
  INSERT INTO members (conversation_id, user_id)
  SELECT c.id, u FROM conversations c CROSS JOIN LATERAL (VALUES (c.user_low), (c.user_high)) p(u) WHERE NOT c.is_group;
  -- Users 9 and 10 have left the groups; group 4 and the last direct conversation have no messages.
  INSERT INTO messages (conversation_id, sender_id, content, message_type)
  SELECT 'group_' || (1 + i % 3), 1 + (i * 7 + i / 5) % 10, 'm' || i, 'text' FROM generate_series(0, 299) i;
  INSERT INTO messages (conversation_id, sender_id, content, message_type)
  SELECT c.id, CASE WHEN (i * 5 + c.user_low) % 3 = 0 THEN c.user_high ELSE c.user_low END, 'd' || i, 'text'
  FROM generate_series(0, 9) i CROSS JOIN conversations c WHERE c.user_low < 10;
  INSERT INTO receipts (message_id, reader_id, conversation_id)
  SELECT s.id, m.user_id, s.conversation_id FROM messages s JOIN members m ON m.conversation_id = s.conversation_id AND m.user_id <> s.sender_id
  WHERE CASE m.user_id % 5
    WHEN 0 THEN true
    WHEN 1 THEN false
    WHEN 2 THEN s.id < 150
    WHEN 3 THEN (s.id * 31) % 7 < 5
    ELSE s.id < 100 OR s.id % 3 = 0
  END;
  -- A member who left has receipts, too.
  INSERT INTO receipts (message_id, reader_id, conversation_id)
  SELECT id, 9, conversation_id FROM messages WHERE conversation_id = 'group_1' AND sender_id <> 9 AND id < 50;`

/** The rule of version 0.1. */
const UNREAD = `
  SELECT m.conversation_id || ' ' || m.user_id AS key, (
    (SELECT count(*) FROM messages s WHERE s.conversation_id = m.conversation_id AND s.sender_id <> m.user_id) -
    (SELECT count(*) FROM receipts r WHERE r.conversation_id = m.conversation_id AND r.reader_id = m.user_id)
  )::int AS unread FROM members m ORDER BY key`

const ENGINES = [
  { name: 'the embedded database', skip: false, server: false },
  { name: 'PostgreSQL', skip: skipServer, server: true },
]

describe.each(ENGINES.filter(({ skip }) => !skip))('a database of version 0.1 on $name', ({ server }) => {
  let url: string | undefined
  let folder: string | undefined
  let database: Database
  const openIt = (): Promise<Database> => open(url === undefined ? { dataDir: folder ?? '' } : { databaseUrl: url })
  const rows = (sql: string): Promise<Record<string, unknown>[]> => database.prisma.$queryRawUnsafe(sql)

  beforeAll(async () => {
    if (server) url = await createServerDatabase()
    else folder = await copyDatabase()
    database = await openIt()
    // It takes ten seconds of CPU to make another one.
    if (!server)
      for (const sql of ['DROP SCHEMA public CASCADE', 'CREATE SCHEMA public']) await database.prisma.$executeRawUnsafe(sql)
    const migrations = await readMigrations()
    await migrate(
      database,
      migrations.filter(({ name }) => name <= LAST_OF_0_1),
    )
    for (const statement of FILL.split(/;\s*$/m)) if (statement.trim() !== '') await database.prisma.$executeRawUnsafe(statement)
    await database.close()
    database = await openIt()
  })
  afterAll(async () => {
    await database.close()
    if (url !== undefined) await dropServerDatabase(url)
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  test('has the same unread counts afterwards, and goes on from there', async () => {
    const before = await rows(UNREAD)
    expect(new Set(before.map(({ unread }) => unread)).size).toBeGreaterThan(5)
    await migrate(database)
    const store = createStore(database)
    const conversations = (await rows('SELECT id FROM conversations')).map(({ id }) => String(id))
    const after: Record<string, unknown>[] = []
    for (let userId = 1; userId <= 12; userId++) {
      const states = await store.readPointers.states(userId, conversations)
      for (const [id, { unread }] of states) after.push({ key: `${id} ${userId}`, unread })
    }
    const byKey = (list: Record<string, unknown>[]) => new Map(list.map(({ key, unread }) => [key, unread]))
    expect(byKey(after)).toEqual(byKey(before))
    for (const id of conversations) await expectCounted({ query: rows }, id)

    const node = createTestChat(store)
    const group = 'group_1'
    await node.chat.groups.invite(1, 1, [9])
    const { id } = await node.send(9, { conversationId: group })
    await node.send(2, { conversationId: 'group_4' })
    await node.send(3, { receiverId: 4 })
    for (const userId of [1, 2, 3, 4, 5]) await node.chat.receipts.markConversation(userId, group, id)
    for (const each of conversations) await expectCounted({ query: rows }, each)
    const states = await Promise.all([1, 2, 3, 4, 5].map((userId) => store.readPointers.states(userId, [group])))
    expect(states.map((each) => each.get(group))).toEqual(states.map(() => ({ readUpTo: id, unread: 0, unreadMentions: 0 })))
    await node.close()
  })
})
