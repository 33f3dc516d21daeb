-- AlterTable
ALTER TABLE "users" ADD COLUMN     "announce_due" TIMESTAMPTZ(3),
ADD COLUMN     "announced_at" TIMESTAMPTZ(3);

-- Prisma's schema can't say WHERE. Few rows, for a few seconds each.
CREATE INDEX "users_announce_due_idx" ON "users"("announce_due") WHERE "announce_due" IS NOT NULL;
