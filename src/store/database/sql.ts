import { Prisma } from '../generated/client.ts'

/** Where queries run: the client itself or one of its transactions. */
export type Db = Prisma.TransactionClient

/** For LIMIT, where there is none. */
export const NO_LIMIT = 2_147_483_647

/** Milliseconds since the epoch of a timestamptz(3) column, as a JavaScript number. */
export const epochMs = (column: string): Prisma.Sql => Prisma.raw(`(extract(epoch from ${column}) * 1000)::float8`)

/** The part of it that runs raw statements. */
export interface RawDb {
  $queryRaw<T = unknown>(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]): Promise<T>
  $executeRaw(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]): Promise<number>
}

/**
 * Begins a statement that PostgreSQL is to plan once for each of its connections, under this name, instead of each time. For
 * frequent statements whose text never changes.
 */
export const named = (name: string): Prisma.Sql => Prisma.raw(`/* ${name} */`)

/** The name of a statement made by `named`. */
export const nameOf = (sql: string): string | undefined => /^\s*\/\* (\w+) \*\//.exec(sql)?.[1]

/**
 * Objects as a table `alias` with these columns and `ord`, their index. The limit tells the planner how many rows there are: it
 * assumes 100 for any `json_to_recordset`, and for that many, reading a joined table as a whole may look cheaper.
 */
export const recordset = (keys: readonly object[], alias: string, columns: string): Prisma.Sql =>
  Prisma.sql`(SELECT * FROM json_to_recordset(${JSON.stringify(keys.map((key, ord) => ({ ...key, ord })))}::json)
    AS ${Prisma.raw(`${alias}(ord int, ${columns})`)} LIMIT ${keys.length}) ${Prisma.raw(alias)}`

/**
 * The rows of `group` = `key` with `order` below `before`, highest first: follows WHERE, and LIMIT follows it. An index must
 * begin with both columns, and `key` be a column of what this is joined to LATERAL. Written as `group = key ORDER BY order`,
 * the planner may walk an index on `order` alone through the rows of all groups, which takes seconds if the group is small or
 * empty. A range over both columns, ordered by both, is read from that one index. For a constant key the planner would estimate
 * the range at one row, read the whole group and sort it. Do not put a lower bound of `order` into it: the index would be read
 * on to the group's beginning. LIMIT before it is checked.
 */
export const pageBefore = (
  group: string,
  order: string,
  key: string,
  before = `${Number.MAX_SAFE_INTEGER}`,
  and = Prisma.empty,
): Prisma.Sql =>
  Prisma.sql`${Prisma.raw(`(${group}, ${order}) < (${key}, ${before}) AND ${group} >= ${key}`)} ${and}
    ${Prisma.raw(`ORDER BY ${group} DESC, ${order} DESC`)}`

/** The same upwards: the rows with `order` above `after`, lowest first. */
export const pageAfter = (group: string, order: string, key: string, after: string, and = Prisma.empty): Prisma.Sql =>
  Prisma.sql`${Prisma.raw(`(${group}, ${order}) > (${key}, ${after}) AND ${group} <= ${key}`)} ${and}
    ${Prisma.raw(`ORDER BY ${group}, ${order}`)}`

/** The rows of each key; their `ord` says which key. */
export function byOrd<R extends { ord: number }, T>(keys: readonly object[], rows: readonly R[], toItem: (row: R) => T): T[][] {
  const lists: T[][] = keys.map(() => [])
  for (const row of rows) lists[row.ord]?.push(toItem(row))
  return lists
}
