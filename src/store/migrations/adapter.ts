import {
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'

/** A factory for Prisma's client and schema engine. Migrations are created without a shadow database (new-migration.ts). */
export function migrationAdapterFactory(
  adapterName: string,
  connect: () => Promise<SqlDriverAdapter>,
): SqlMigrationAwareDriverAdapterFactory {
  const connectToShadowDb = (): Promise<never> => Promise.reject(new Error('There is no shadow database'))
  return { provider: 'postgres', adapterName, connect, connectToShadowDb }
}

/** Runs `change` in a transaction of a session of its own. */
export async function inSession<T>(
  factory: SqlMigrationAwareDriverAdapterFactory,
  change: (session: SqlDriverAdapter) => Promise<T>,
): Promise<T> {
  const session = await factory.connect()
  const run = (sql: string): Promise<unknown> => session.executeRaw({ sql, args: [], argTypes: [] })
  try {
    await run('BEGIN')
    try {
      const result = await change(session)
      await run('COMMIT')
      return result
    } catch (error) {
      await run('ROLLBACK').catch(() => undefined)
      throw error
    }
  } finally {
    await session.dispose()
  }
}

/** Rethrows PostgreSQL's error in the form that Prisma's engine reports with its message. */
export function scriptError(error: unknown): never {
  const { code, severity, message, detail, column, hint } = error as Record<string, string | undefined>
  if (code === undefined || severity === undefined || message === undefined) throw error
  throw new DriverAdapterError({ kind: 'postgres', code, severity, message, detail, column, hint })
}
