import { badInput } from '../errors.ts'
import { FIRST_TIME, LAST_TIME, MAX_INT_ID } from '../ids.ts'

/**
 * How many rows to read: one more than requested shows whether another page follows. Throws BAD_USER_INPUT outside 1 to 100.
 */
export function pageSize(first: number | null | undefined, whenAbsent: number): number {
  const size = first ?? whenAbsent
  if (size < 1 || size > 100) throw badInput(`first is ${size}, expected 1 to 100`)
  return size
}

const encode = (kind: string, key: unknown): string => Buffer.from(JSON.stringify([kind, key])).toString('base64url')

/** The key in a cursor of this kind; undefined without a cursor. Throws BAD_USER_INPUT for anything else. */
export function decodeCursor<K>(
  kind: string,
  after: string | null | undefined,
  isKey: (key: unknown) => key is K,
): K | undefined {
  if (after == null) return undefined
  try {
    const [found, key] = JSON.parse(Buffer.from(after, 'base64url').toString()) as [unknown, unknown]
    if (found === kind && isKey(key) && encode(kind, key) === after) return key
  } catch {
    // Falls through: no cursor.
  }
  throw badInput('after is no cursor of this list: expected the endCursor or a cursor of an earlier page')
}

/** A key that is the id of a message or notification. */
export const isId = (key: unknown): key is number => Number.isSafeInteger(key) && (key as number) > 0
/** A key that is the id of a user. */
export const isUserId = (key: unknown): key is number => isId(key) && key <= MAX_INT_ID
/** A key that is a time within the database's range, in milliseconds since the epoch. */
export const isTime = (key: unknown): key is number => typeof key === 'number' && key >= FIRST_TIME && key <= LAST_TIME

export interface Page<T> {
  edges: { cursor: string; node: T }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
}

/** A page of `size` rows out of those read, which are one more if another page follows. */
export function toPage<R, T>(
  kind: string,
  rows: readonly R[],
  size: number,
  after: string | null | undefined,
  keyOf: (row: R) => unknown,
  nodeOf: (row: R) => T,
): Page<T> {
  const edges = rows.slice(0, size).map((row) => ({ cursor: encode(kind, keyOf(row)), node: nodeOf(row) }))
  return {
    edges,
    pageInfo: {
      hasNextPage: rows.length > size,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}
