-- AlterTable
ALTER TABLE "members" ADD COLUMN     "marked_to" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "pinned_seq" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "past_memberships" ADD COLUMN     "history_after" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "receipts" ADD COLUMN     "marked_unread" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "former_senders" (
    "conversation_id" TEXT NOT NULL,
    "user_id" INTEGER NOT NULL,
    "sent_count" INTEGER NOT NULL,

    CONSTRAINT "former_senders_pkey" PRIMARY KEY ("conversation_id","user_id")
);

-- Who left before there were counts, and may come back.
INSERT INTO former_senders (conversation_id, user_id, sent_count)
SELECT s.conversation_id, s.sender_id, max(s.sender_seq)
FROM messages s JOIN conversations c ON c.id = s.conversation_id AND c.is_group
WHERE NOT EXISTS (SELECT FROM members m WHERE m.conversation_id = s.conversation_id AND m.user_id = s.sender_id)
GROUP BY s.conversation_id, s.sender_id;
