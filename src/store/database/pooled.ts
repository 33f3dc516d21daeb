import pg from 'pg'
import { DatabaseStartError } from './start-error.ts'

interface SessionSettings {
  user: string
  database: string
  timezone: string
  jit: string
  statement_timeout: string
  idle_in_transaction_session_timeout: string
  search_path: string
  /** The schema in which a table without one would be created. */
  schema: string | null
}

const UTC = /^(etc\/)?(utc|uct|universal|zulu)$/i

/**
 * Behind a pooler a server can't set up its sessions, which belong to whichever transaction comes next: they must have the
 * right settings from the start. Throws DatabaseStartError with the statements that set them.
 */
export async function checkSessions(pool: pg.Pool, schema: string, timeoutMs: number): Promise<void> {
  const { rows } = await pool.query<SessionSettings>(`
    SELECT current_user AS "user", current_database() AS database, current_setting('TimeZone') AS timezone, current_setting('jit') AS jit,
      current_setting('statement_timeout') AS statement_timeout, current_setting('search_path') AS search_path, current_schema() AS schema,
      current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout`)
  const [session] = rows as [SessionSettings]
  const path = pg.escapeIdentifier(schema)
  const isHere = session.schema === schema || [schema, path].includes(session.search_path)
  const missing = [
    ...(UTC.test(session.timezone) ? [] : ["timezone = 'UTC'"]),
    ...(session.jit === 'off' ? [] : ['jit = off']),
    ...(session.statement_timeout === '0' ? [`statement_timeout = ${timeoutMs}`] : []),
    ...(session.idle_in_transaction_session_timeout === '0' ? [`idle_in_transaction_session_timeout = ${timeoutMs}`] : []),
    ...(isHere ? [] : [`search_path = ${path}`]),
  ]
  if (missing.length === 0) return
  const role = `ALTER ROLE ${pg.escapeIdentifier(session.user)} IN DATABASE ${pg.escapeIdentifier(session.database)}`
  throw new DatabaseStartError(
    `The sessions of the pooler of DATABASE_URL lack settings. Run ${missing.map((each) => `${role} SET ${each};`).join(' ')} Then let the pooler connect anew.`,
  )
}
