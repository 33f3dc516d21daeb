-- AlterTable
ALTER TABLE "topics" ADD COLUMN     "swept_xid" BIGINT NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "installation" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "epoch" UUID NOT NULL,
    "key" BYTEA NOT NULL,
    "swept_before" TIMESTAMPTZ(3),

    CONSTRAINT "installation_pkey" PRIMARY KEY ("id")
);

-- The one row. Random bits of a UUID come from the server's strong source; two of them hold 244.
INSERT INTO "installation" ("epoch", "key")
VALUES (gen_random_uuid(), decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
