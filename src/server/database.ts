import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Settings } from '../settings.ts'
import { createDatabase, DatabaseStartError, type Database } from '../store/database/client.ts'
import { migrate } from '../store/migrations/migrate.ts'

export const RETRY_MS = 500

export const openDatabase = (settings: Settings): Promise<Database> =>
  createDatabase({
    databaseUrl: settings.databaseUrl,
    dataDir: settings.dataDir,
    poolSize: settings.dbPoolSize,
    acquireTimeoutMs: settings.dbAcquireTimeoutMs,
    statementTimeoutMs: settings.dbStatementTimeoutMs,
  })

/** Migrates the database, waiting for a server that is unreachable. Throws DatabaseStartError. */
export async function prepare(database: Database, log: Logger, isStopping: () => boolean): Promise<void> {
  let waitsFor = ''
  while (!isStopping()) {
    try {
      await database.check()
      await migrate(database)
      return
    } catch (error) {
      if (!(error instanceof DatabaseStartError) || !error.isTemporary) throw error
      if (waitsFor !== error.message) log.warn(`${error.message} Waiting for it.`)
      waitsFor = error.message
      await wait(RETRY_MS)
    }
  }
}
