-- CreateTable
CREATE TABLE "message_search" (
    "message_id" BIGINT NOT NULL,
    "tokens" INTEGER[],

    CONSTRAINT "message_search_pkey" PRIMARY KEY ("message_id")
);

-- CreateTable
CREATE TABLE "search_state" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "indexed_to" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "search_state_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "message_search_tokens_idx" ON "message_search" USING GIN ("tokens");

INSERT INTO "search_state" DEFAULT VALUES;
