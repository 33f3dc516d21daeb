-- AlterTable
ALTER TABLE "installation" ADD COLUMN     "needs_migration" TEXT;

-- What version 0.1 sends is not counted as it is from here on.
UPDATE "installation" SET "needs_migration" = '20261127184500_needed_migration';
