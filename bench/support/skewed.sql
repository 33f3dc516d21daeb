-- A database with skewed sizes, for a migrated empty one: a few large conversations, many small and empty ones, so that a read
-- which walks an index of everybody's rows instead of looking its own up shows. Set parley.scale to the messages of a large group.
--
-- User 1 is in five large groups (ids 1 to 5) that are written to in turns, in twenty quiet ones (6 to 25) with three messages
-- from before, and in ten empty ones (26 to 35). User 2 is in group 1 only. Others have 20,000 direct conversations without
-- messages, and user 3 nearly all notifications. User 1 has read everything in group 1 but the last message, user 2 nothing, and is mentioned
-- twenty times; some messages are deleted.
SET session_replication_role = replica;

INSERT INTO users (id, name) SELECT i, 'user' || i FROM generate_series(1, 20000) i;
INSERT INTO topics (name) SELECT 'user:' || i FROM generate_series(1, 20000) i;

INSERT INTO conversations (id, is_group, created_at)
SELECT 'group_' || i, true, '2026-01-01' FROM generate_series(1, 35) i;
INSERT INTO groups (id, conversation_id, name, member_count)
SELECT i, 'group_' || i, 'Group ' || i, CASE WHEN i = 1 THEN 5000 ELSE 12 END FROM generate_series(1, 35) i;
-- Groups of others, which nobody here reads.
INSERT INTO conversations (id, is_group) SELECT 'group_' || i, true FROM generate_series(1001, 4000) i;
INSERT INTO groups (id, conversation_id, name, member_count)
SELECT i, 'group_' || i, 'Group ' || i, 1 FROM generate_series(1001, 4000) i;
INSERT INTO members (conversation_id, user_id, role)
SELECT 'group_' || i, 10000 + i, 'OWNER' FROM generate_series(1001, 4000) i;
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
SELECT setval('groups_id_seq', 4000);

UPDATE messages SET deleted_at = now(), content = '' WHERE conversation_id = 'group_1' AND id % (current_setting('parley.scale')::int / 4) = 6;
INSERT INTO mentions (message_id, user_id, conversation_id)
SELECT id, CASE WHEN n <= 20 THEN 2 ELSE 5 END, conversation_id
FROM (SELECT id, conversation_id, row_number() OVER (ORDER BY id DESC) AS n FROM messages WHERE conversation_id = 'group_1') m;

-- The counters, as sends and reads keep them.
UPDATE messages m SET seq = n.seq, sender_seq = n.sender_seq
FROM (
  SELECT id, row_number() OVER (PARTITION BY conversation_id ORDER BY id) AS seq,
    row_number() OVER (PARTITION BY conversation_id, sender_id ORDER BY id) AS sender_seq
  FROM messages
) n WHERE n.id = m.id;
UPDATE conversations c SET message_count = n.total
FROM (SELECT conversation_id AS id, count(*) AS total FROM messages GROUP BY conversation_id) n WHERE n.id = c.id;
UPDATE members m SET sent_count = n.total
FROM (SELECT conversation_id, sender_id, count(*) AS total FROM messages GROUP BY conversation_id, sender_id) n
WHERE n.conversation_id = m.conversation_id AND n.sender_id = m.user_id;
UPDATE members m SET read_to = n.id, read_up_to = n.id, read_count = n.total
FROM (SELECT max(message_id) AS id, count(*) AS total FROM receipts WHERE reader_id = 1 AND conversation_id = 'group_1') n
WHERE m.user_id = 1 AND m.conversation_id = 'group_1';

RESET session_replication_role;
ANALYZE;
