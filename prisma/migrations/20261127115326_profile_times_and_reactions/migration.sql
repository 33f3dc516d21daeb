-- AlterTable
ALTER TABLE "users" ADD COLUMN     "avatar_set_at" TIMESTAMPTZ(3),
ADD COLUMN     "group_additions" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "group_additions_day" DATE,
ADD COLUMN     "name_set_at" TIMESTAMPTZ(3);

-- Spellings of a reaction that differ only in composition or variation selectors are one reaction, shown as it was first given.
WITH keyed AS MATERIALIZED (
  SELECT *, replace(replace(normalize(reaction, NFC), chr(65038), ''), chr(65039), '') AS key FROM reactions
), spelled AS MATERIALIZED (
  SELECT * FROM keyed WHERE message_id IN (SELECT message_id FROM keyed WHERE reaction <> key)
), shown AS MATERIALIZED (
  SELECT DISTINCT ON (message_id, key) message_id, key, reaction FROM spelled ORDER BY message_id, key, created_at, user_id, reaction
), gone AS (
  DELETE FROM reactions r USING spelled s JOIN shown USING (message_id, key)
  WHERE r.message_id = s.message_id AND r.user_id = s.user_id AND r.reaction = s.reaction AND s.reaction <> shown.reaction
  RETURNING r.message_id, r.user_id, shown.reaction, r.created_at
)
INSERT INTO reactions (message_id, user_id, reaction, created_at)
SELECT message_id, user_id, reaction, min(created_at) FROM gone GROUP BY 1, 2, 3
ON CONFLICT DO NOTHING;
