-- AlterTable
ALTER TABLE "users" ADD COLUMN     "groups_created" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "groups_created_day" DATE;
