-- CreateEnum
CREATE TYPE "report_status" AS ENUM ('OPEN', 'DISMISSED', 'ACTED');

-- CreateTable
CREATE TABLE "bans" (
    "user_id" INTEGER NOT NULL,
    "until" TIMESTAMPTZ(3),
    "erased_at" TIMESTAMPTZ(3),
    "reason" TEXT,
    "by_id" INTEGER,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bans_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "reports" (
    "id" BIGSERIAL NOT NULL,
    "message_id" BIGINT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "sender_id" INTEGER NOT NULL,
    "content" TEXT NOT NULL,
    "media_url" TEXT,
    "reporter_id" INTEGER NOT NULL,
    "reason" TEXT NOT NULL,
    "status" "report_status" NOT NULL DEFAULT 'OPEN',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "resolved_by_id" INTEGER,
    "resolved_at" TIMESTAMPTZ(3),
    "note" TEXT,

    CONSTRAINT "reports_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_log" (
    "id" BIGSERIAL NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor_id" INTEGER NOT NULL,
    "action" TEXT NOT NULL,
    "target_type" TEXT NOT NULL,
    "target_id" TEXT,
    "details" JSONB NOT NULL,
    "read_hour" TIMESTAMPTZ(3),

    CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "active_days" (
    "day" DATE NOT NULL,
    "user_id" INTEGER NOT NULL,

    CONSTRAINT "active_days_pkey" PRIMARY KEY ("day","user_id")
);

-- CreateIndex
CREATE INDEX "reports_status_id_idx" ON "reports"("status", "id");

-- CreateIndex
CREATE INDEX "reports_reporter_id_idx" ON "reports"("reporter_id");

-- CreateIndex
CREATE INDEX "reports_sender_id_idx" ON "reports"("sender_id");

-- CreateIndex
CREATE UNIQUE INDEX "reports_message_id_reporter_id_key" ON "reports"("message_id", "reporter_id");

-- CreateIndex
CREATE INDEX "audit_log_target_id_id_idx" ON "audit_log"("target_id", "id");

-- CreateIndex
CREATE INDEX "audit_log_actor_id_id_idx" ON "audit_log"("actor_id", "id");

-- CreateIndex
CREATE INDEX "audit_log_action_id_idx" ON "audit_log"("action", "id");

-- CreateIndex
CREATE INDEX "audit_log_created_at_idx" ON "audit_log" USING BRIN ("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "audit_log_target_id_target_type_actor_id_read_hour_key" ON "audit_log"("target_id", "target_type", "actor_id", "read_hour");

-- CreateIndex
CREATE INDEX "conversations_created_at_idx" ON "conversations" USING BRIN ("created_at");

-- CreateIndex
CREATE INDEX "messages_created_at_idx" ON "messages" USING BRIN ("created_at");

-- CreateIndex
CREATE INDEX "reactions_user_id_idx" ON "reactions"("user_id");

-- CreateIndex
CREATE INDEX "reactions_created_at_idx" ON "reactions" USING BRIN ("created_at");

-- CreateIndex
CREATE INDEX "receipts_read_at_idx" ON "receipts" USING BRIN ("read_at");

-- CreateIndex
CREATE INDEX "users_created_at_idx" ON "users" USING BRIN ("created_at");

-- Names are searched by any part of them, whatever the case. The index is an ordinary one on their characters and pairs of characters, since
-- pg_trgm is an extension that not every server has, finds nothing shorter than three characters, and leaves out Chinese where the database's
-- locale is C. Of the collations that fold the case of all scripts, the best that this server has.
DO $migration$
DECLARE
  collation_name text := CASE
    WHEN getdatabaseencoding() <> 'UTF8' THEN 'pg_catalog."default"'
    WHEN current_setting('server_version_num')::int >= 170000 THEN 'pg_catalog.pg_c_utf8'
    WHEN EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN 'pg_catalog."und-x-icu"'
    ELSE 'pg_catalog."default"'
  END;
BEGIN
  EXECUTE format($sql$
    CREATE FUNCTION folded_name(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT
    AS 'SELECT lower($1 COLLATE %s) COLLATE "C"'
  $sql$, collation_name);
  -- All that it uses is named with its schema or in pg_catalog: a restore runs it without a search path.
  EXECUTE format($sql$
    CREATE FUNCTION name_grams(name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT
    AS 'SELECT array_agg(DISTINCT substr(f.name, i, n)) FROM (SELECT lower($1 COLLATE %s) COLLATE "C" AS name) f,
      generate_series(1, 2) n, generate_series(1, length(f.name) - n + 1) i'
  $sql$, collation_name);
END
$migration$;

CREATE INDEX "users_name_grams_idx" ON "users" USING GIN (name_grams("name"));
CREATE INDEX "groups_name_grams_idx" ON "groups" USING GIN (name_grams("name"));
