import { defineConfig } from 'prisma/config'

// `prisma generate` checks for an engine that it does not use and would download it: any existing file satisfies the check.
if (process.argv.includes('generate')) process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath

export default defineConfig({ schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' } })
