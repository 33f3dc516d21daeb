-- AlterTable
ALTER TABLE "imports" ADD COLUMN     "counts" JSONB;
