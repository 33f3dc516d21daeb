import { Prisma } from './generated/client.ts'

/** What queries run on: the client itself or one of its transactions. */
export type Db = Prisma.TransactionClient

/** For LIMIT, where there is none. */
export const NO_LIMIT = 2_147_483_647

/** The part of it that runs statements of our own. */
export interface RawDb {
  $queryRaw<T = unknown>(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]): Promise<T>
  $executeRaw(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]): Promise<number>
}

/**
 * Begins a statement that PostgreSQL is to plan once for each of its connections, under this name, instead of each time.
 * For statements that are run often and whose text is always the same.
 */
export const named = (name: string): Prisma.Sql => Prisma.raw(`/* ${name} */`)

/** The name that a statement was given by `named`. */
export const nameOf = (sql: string): string | undefined => /^\s*\/\* (\w+) \*\//.exec(sql)?.[1]

/** Keys as the parameter of a `json_to_recordset(...)` that has a column `ord`. */
export const toJson = (keys: readonly object[]): string => JSON.stringify(keys.map((key, ord) => ({ ord, ...key })))

/** The rows of each key, which say by `ord` whose they are. */
export function byOrd<R extends { ord: number }, T>(keys: readonly object[], rows: readonly R[], toItem: (row: R) => T): T[][] {
  const lists: T[][] = keys.map(() => [])
  for (const row of rows) lists[row.ord]?.push(toItem(row))
  return lists
}
