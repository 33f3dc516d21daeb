-- A database with skewed sizes, for a migrated empty one: a few large conversations, many small and empty ones, so that a read
-- which walks an index of everybody's rows instead of looking its own up shows. Set parley.scale to the messages of a large group.
--
-- User 1 is in five large groups (ids 1 to 5) that are written to in turns, in twenty quiet ones (6 to 25) with three messages
-- from before, and in ten empty ones (26 to 35). User 2 is in group 1 only. Others have 20,000 direct conversations without
-- messages, and user 3 nearly all notifications. User 1 has read everything in group 1 but the last message.
SET session_replication_role = replica;

INSERT INTO users (id, name) SELECT i, 'user' || i FROM generate_series(1, 20000) i;
INSERT INTO topics (name) SELECT 'user:' || i FROM generate_series(1, 20000) i;

INSERT INTO conversations (id, is_group, created_at)
SELECT 'group_' || i, true, '2026-01-01' FROM generate_series(1, 35) i;
INSERT INTO groups (id, conversation_id, name, member_count)
SELECT i, 'group_' || i, 'Group ' || i, CASE WHEN i = 1 THEN 5000 ELSE 12 END FROM generate_series(1, 35) i;
INSERT INTO members (conversation_id, user_id, role)
SELECT 'group_' || g, u, (CASE WHEN u = 1 THEN 'OWNER' ELSE 'MEMBER' END)::group_role
FROM generate_series(1, 35) g, generate_series(1, 5000) u
WHERE g = 1 OR u = 1 OR (u > 5000 - 11);

INSERT INTO conversations (id, is_group, user_low, user_high)
SELECT format('direct_%s_%s', 10 + i, 11 + i), false, 10 + i, 11 + i FROM generate_series(1, 19980) i;
INSERT INTO members (conversation_id, user_id)
SELECT c.id, u FROM conversations c CROSS JOIN LATERAL (VALUES (c.user_low), (c.user_high)) p(u) WHERE NOT c.is_group;

-- The quiet groups first, so that their messages lie behind everybody else's.
INSERT INTO messages (conversation_id, sender_id, content, message_type, created_at)
SELECT 'group_' || (6 + i % 20), 4995 + i % 5, 'quiet ' || i, 'text', '2026-01-02' FROM generate_series(0, 59) i;
INSERT INTO messages (conversation_id, sender_id, content, message_type, created_at)
SELECT 'group_' || (1 + i % 5), 4995 + i % 7, 'message ' || i, 'text', timestamptz '2026-02-01' + i * interval '1 second'
FROM generate_series(0, 5 * current_setting('parley.scale')::int - 1) i;

INSERT INTO receipts (message_id, reader_id, conversation_id)
SELECT id, 1, conversation_id FROM messages WHERE conversation_id = 'group_1' AND sender_id <> 1 ORDER BY id DESC OFFSET 1;
INSERT INTO reactions (message_id, user_id, reaction)
SELECT id, 1 + id % 9, '👍' FROM messages WHERE id % 5 = 0;
INSERT INTO notifications (user_id, type, data)
SELECT CASE WHEN i < 3 THEN 1 ELSE 3 END, 'n', '{}' FROM generate_series(1, current_setting('parley.scale')::int) i;

INSERT INTO events (topic, seq, kind, message_id, created_at, xid, snapshot)
SELECT 'group:' || substr(conversation_id, 7), row_number() OVER (PARTITION BY conversation_id ORDER BY id), 'message_sent', id,
  created_at, 1, '10:10:'
FROM messages ORDER BY id;
INSERT INTO topics (name, seq)
SELECT 'group:' || i, (SELECT count(*) FROM messages WHERE conversation_id = 'group_' || i) FROM generate_series(1, 35) i;
SELECT setval('groups_id_seq', 35);

RESET session_replication_role;
ANALYZE;
