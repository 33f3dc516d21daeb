import { notFound } from './errors.ts'

const parse = (id: string, max: number): number | undefined => {
  const value = /^[1-9]\d{0,18}$/.test(id) ? Number(id) : NaN
  return value <= max ? value : undefined
}

export const MAX_INT_ID = 2_147_483_647
/** The years 1 to 9999, which ISO 8601 writes with four digits and every database holds; milliseconds since the epoch. */
export const FIRST_TIME = Date.parse('0001-01-01T00:00:00.000Z')
export const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z')

/** A user's or group's id; undefined if the text can't be one, so that nothing is found. */
export const parseIntId = (id: string): number | undefined => parse(id, MAX_INT_ID)
/** A message's or notification's id; undefined if the text can't be one. */
export const parseBigId = (id: string): number | undefined => parse(id, Number.MAX_SAFE_INTEGER)

/** The ids in a mutation's input. Throws NOT_FOUND for a text that can't be one. */
export function requireIntId(id: string, what: 'user' | 'group'): number {
  const value = parseIntId(id)
  if (value === undefined) throw notFound(`there is no ${what} ${JSON.stringify(id.slice(0, 40))}`)
  return value
}

export function requireBigId(id: string, what: 'message' | 'notification' | 'report'): number {
  const value = parseBigId(id)
  if (value === undefined) throw notFound(`there is no ${what} ${JSON.stringify(id.slice(0, 40))}`)
  return value
}

/** What the database had committed at one moment, as seen by a reader. */
export interface SnapshotPosition {
  /** PostgreSQL's `pg_snapshot` as text: xmin, xmax, and the running transactions between them. */
  snapshot: string
  /** No event visible to the reader has a higher id. */
  lastId: number
  /** When it was taken, by the database's clock, in milliseconds since the epoch. */
  at: number
  /** The history of the database it belongs to: a UUID, see `Installation` in schema.prisma. */
  epoch: string
}

/** Where a stream continues: after an event, by its id, or after a snapshot. An id too high to exist is Infinity. */
export type EventCursor = number | SnapshotPosition

/** The event id in a decimal number; undefined for any other text. An id too high to exist is Infinity. */
export function parseEventId(text: string): number | undefined {
  if (!/^\d{1,19}$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : Infinity
}
