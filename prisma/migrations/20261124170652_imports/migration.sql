-- CreateTable
CREATE TABLE "imports" (
    "id" TEXT NOT NULL,
    "offset" BIGINT NOT NULL,
    "lines" BIGINT NOT NULL,
    "digest" TEXT NOT NULL,
    "bad" BIGINT NOT NULL,

    CONSTRAINT "imports_pkey" PRIMARY KEY ("id")
);
