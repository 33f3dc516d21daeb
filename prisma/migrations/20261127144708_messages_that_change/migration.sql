-- DropForeignKey
ALTER TABLE "messages" DROP CONSTRAINT "messages_conversation_id_fkey";

-- DropForeignKey
ALTER TABLE "messages" DROP CONSTRAINT "messages_sender_id_fkey";

-- DropIndex
DROP INDEX "receipts_reader_id_conversation_id_idx";

-- AlterTable
ALTER TABLE "conversations" ADD COLUMN     "low_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "message_count" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "groups" ADD COLUMN     "history_visible" BOOLEAN NOT NULL DEFAULT true;

-- AlterTable
ALTER TABLE "members" ADD COLUMN     "archived_at" BIGINT,
ADD COLUMN     "history_after" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "muted_until" TIMESTAMPTZ(3),
ADD COLUMN     "pinned" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "read_beyond" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "read_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "read_to" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "read_up_to" BIGINT,
ADD COLUMN     "sent_count" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN     "deleted_by_id" INTEGER,
ADD COLUMN     "edited_at" TIMESTAMPTZ(3),
ADD COLUMN     "mention_ids" INTEGER[],
ADD COLUMN     "mentions_all" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "reply_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "reply_to_id" BIGINT,
ADD COLUMN     "sender_seq" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "seq" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "mentions" (
    "message_id" BIGINT NOT NULL,
    "user_id" INTEGER NOT NULL,
    "conversation_id" TEXT NOT NULL,

    CONSTRAINT "mentions_pkey" PRIMARY KEY ("user_id","conversation_id","message_id")
);

-- CreateTable
CREATE TABLE "group_mutes" (
    "group_id" INTEGER NOT NULL,
    "user_id" INTEGER NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "group_mutes_pkey" PRIMARY KEY ("group_id","user_id")
);

-- CreateTable
CREATE TABLE "blocks" (
    "blocker_id" INTEGER NOT NULL,
    "blocked_id" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "blocks_pkey" PRIMARY KEY ("blocker_id","blocked_id")
);

-- CreateIndex
CREATE INDEX "mentions_message_id_idx" ON "mentions"("message_id");

-- CreateIndex
CREATE INDEX "blocks_blocked_id_idx" ON "blocks"("blocked_id");

-- CreateIndex
CREATE INDEX "receipts_reader_id_conversation_id_message_id_idx" ON "receipts"("reader_id", "conversation_id", "message_id");

-- Prisma's schema can't say WHERE. Few rows each: answers, deleted messages, messages that mention everybody.
CREATE INDEX "messages_reply_to_id_id_idx" ON "messages"("reply_to_id", "id") WHERE "reply_to_id" IS NOT NULL;
CREATE INDEX "messages_deleted_idx" ON "messages"("conversation_id", "id") WHERE "deleted_at" IS NOT NULL;
CREATE INDEX "messages_mentions_all_idx" ON "messages"("conversation_id", "id") WHERE "mentions_all";

-- Number what is there.
UPDATE messages m SET seq = n.seq, sender_seq = n.sender_seq
FROM (
  SELECT id, row_number() OVER (PARTITION BY conversation_id ORDER BY id) AS seq,
    row_number() OVER (PARTITION BY conversation_id, sender_id ORDER BY id) AS sender_seq
  FROM messages
) n WHERE n.id = m.id;

UPDATE conversations c SET message_count = n.total, low_count = n.low
FROM (
  SELECT m.conversation_id AS id, count(*) AS total, count(*) FILTER (WHERE m.sender_id = c.user_low) AS low
  FROM messages m JOIN conversations c ON c.id = m.conversation_id GROUP BY m.conversation_id
) n WHERE n.id = c.id;

UPDATE members m SET sent_count = n.total
FROM (
  SELECT s.conversation_id, s.sender_id, count(*) AS total
  FROM messages s JOIN conversations c ON c.id = s.conversation_id AND c.is_group GROUP BY s.conversation_id, s.sender_id
) n WHERE n.conversation_id = m.conversation_id AND n.sender_id = m.user_id;

-- The read pointers, from the receipts: up to the message before the first one of somebody else without a receipt.
UPDATE members m SET read_to = p.read_to, read_count = p.read_count, read_beyond = p.read_beyond, read_up_to = p.read_up_to
FROM (
  SELECT k.conversation_id, k.user_id, k.read_to, r.read_count, r.read_beyond, r.read_up_to
  FROM (
    SELECT m.conversation_id, m.user_id, coalesce(unread.id - 1, last.id, 0) AS read_to
    FROM members m
    LEFT JOIN LATERAL (
      SELECT s.id FROM messages s
      WHERE s.conversation_id = m.conversation_id AND s.sender_id <> m.user_id
        AND NOT EXISTS (SELECT FROM receipts r WHERE r.message_id = s.id AND r.reader_id = m.user_id)
      ORDER BY s.id LIMIT 1
    ) unread ON true
    LEFT JOIN LATERAL (
      SELECT s.id FROM messages s WHERE s.conversation_id = m.conversation_id ORDER BY s.id DESC LIMIT 1
    ) last ON true
  ) k
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.message_id <= k.read_to) AS read_count,
      count(*) FILTER (WHERE r.message_id > k.read_to) AS read_beyond,
      max(r.message_id) FILTER (WHERE r.message_id <= k.read_to) AS read_up_to
    FROM receipts r WHERE r.reader_id = k.user_id AND r.conversation_id = k.conversation_id
  ) r
) p WHERE p.conversation_id = m.conversation_id AND p.user_id = m.user_id;
