-- AlterTable
ALTER TABLE "users" ADD COLUMN     "contacts_begun" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "contacts_begun_day" DATE;
