-- CreateTable
CREATE TABLE "revocations" (
    "user_id" INTEGER NOT NULL,
    "before" TIMESTAMPTZ(3) NOT NULL,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "revocations_pkey" PRIMARY KEY ("user_id")
);
