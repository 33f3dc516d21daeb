import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** The Prisma client that Parley's build has generated, for the same tables, and Prisma's adapter of the same install. */
const entry = process.env.PARLEY_ENTRY
const { PrismaClient } = await import(new URL('store/generated/client.js', pathToFileURL(entry)).href)
const { PrismaPg } = createRequire(entry)('@prisma/adapter-pg')

export const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) })
