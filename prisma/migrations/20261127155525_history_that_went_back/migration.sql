-- AlterTable
ALTER TABLE "installation" ADD COLUMN     "origin" TEXT;

-- CreateTable
CREATE TABLE "lost_events" (
    "after_id" BIGINT NOT NULL,
    "until_id" BIGINT NOT NULL,

    CONSTRAINT "lost_events_pkey" PRIMARY KEY ("after_id")
);
