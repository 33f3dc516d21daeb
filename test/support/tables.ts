/** Every row of every table as text, to look for what must not be there, as `pg_dump | grep` would. */
export async function rowsOfAllTables(
  query: (sql: string) => Promise<Record<string, unknown>[]>,
): Promise<{ table: string; row: string }[]> {
  const tables = await query("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
  const rows = []
  for (const { name } of tables) {
    for (const { row } of await query(`SELECT t::text AS row FROM "${String(name)}" t`))
      rows.push({ table: String(name), row: String(row) })
  }
  return rows
}
