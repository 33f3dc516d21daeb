import { createHmac, timingSafeEqual } from 'node:crypto'
import { badInput } from '../errors.ts'
import { parseEventId, type EventCursor, type SnapshotPosition } from '../ids.ts'
import { createBatchLoader } from '../lib/batch-loader.ts'
import type { ReadPosition } from '../store/installation.ts'
import type { Store } from '../store/store.ts'

/**
 * The text form of a snapshot position: base64url of version (1 byte) | epoch (16) | at | lastId | xmin | xmax - xmin | the
 * gaps between the running transactions | MAC (16), with numbers as LEB128. The version makes the first character a letter, so
 * that no cursor looks like an event id.
 */
const VERSION = 1
const EPOCH_BYTES = 16
const MAC_BYTES = 16
/** Characters. */
const MAX_CURSOR = 1024
const MAX_BYTES = (MAX_CURSOR * 3) / 4

const macOf = (body: Uint8Array, key: Uint8Array): Buffer =>
  createHmac('sha256', key).update('cursor').update(body).digest().subarray(0, MAC_BYTES)

function pushNumber(bytes: number[], value: bigint | number): void {
  let rest = value
  for (; typeof rest === 'bigint' && rest > Number.MAX_SAFE_INTEGER; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  let low = Number(rest)
  for (; low > 0x7f; low = Math.floor(low / 0x80)) bytes.push((low % 0x80) | 0x80)
  bytes.push(low)
}

/** The cursor of a position; undefined if so many transactions were running that it would be too long. */
export function encodeCursor({ epoch, at, lastId, snapshot }: SnapshotPosition, key: Uint8Array): string | undefined {
  const [xmin = '', xmax = '', running = ''] = snapshot.split(':')
  const bytes = [VERSION, ...Buffer.from(epoch.replaceAll('-', ''), 'hex')]
  pushNumber(bytes, Math.floor(at))
  pushNumber(bytes, lastId)
  pushNumber(bytes, BigInt(xmin))
  pushNumber(bytes, BigInt(xmax) - BigInt(xmin))
  let before = BigInt(xmin)
  for (const xid of running === '' ? [] : running.split(',')) {
    pushNumber(bytes, BigInt(xid) - before)
    before = BigInt(xid)
    if (bytes.length > MAX_BYTES) return undefined
  }
  const body = Buffer.from(bytes)
  if (body.length + MAC_BYTES > MAX_BYTES) return undefined
  return Buffer.concat([body, macOf(body, key)]).toString('base64url')
}

/** A cursor as received; only an event id has been validated. */
export type UncheckedCursor = number | { body: Buffer; mac: Buffer }

const malformed = () =>
  badInput(
    'after is neither an event id nor a cursor of this server: expected a decimal number such as "1041", "0" for all that is kept, or what Query.cursor gave',
  )

/** Parses the position to resume after. Throws BAD_USER_INPUT for a text that is neither an event id nor a cursor. */
export function parseCursor(text: string): UncheckedCursor
/** The same, undefined for a missing value. */
export function parseCursor(text: string | null | undefined): UncheckedCursor | undefined
export function parseCursor(text: string | null | undefined): UncheckedCursor | undefined {
  if (text == null) return undefined
  const id = parseEventId(text)
  if (id !== undefined) return id
  if (text.length > MAX_CURSOR || !/^[A-Za-z0-9_-]+$/.test(text)) throw malformed()
  const bytes = Buffer.from(text, 'base64url')
  const end = bytes.length - MAC_BYTES
  // Only the canonical spelling: the decoder ignores spare bits.
  if (bytes[0] !== VERSION || end <= 1 + EPOCH_BYTES || bytes.toString('base64url') !== text) throw malformed()
  return { body: bytes.subarray(0, end), mac: bytes.subarray(end) }
}

/** Throws BAD_USER_INPUT if the cursor was not signed with this key: it was altered, or comes from another installation. */
export function checkCursor(cursor: UncheckedCursor, key: Uint8Array): EventCursor {
  if (typeof cursor === 'number') return cursor
  const { body, mac } = cursor
  if (!timingSafeEqual(mac, macOf(body, key))) throw malformed()
  const epoch = body.toString('hex', 1, 1 + EPOCH_BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  const [at = 0n, lastId = 0n, xmin = 0n, span = 0n, ...gaps] = readNumbers(body.subarray(1 + EPOCH_BYTES))
  let xid = xmin
  const running = gaps.map((gap) => (xid += gap))
  return { epoch, at: Number(at), lastId: Number(lastId), snapshot: `${xmin}:${xmin + span}:${running.join(',')}` }
}

function readNumbers(bytes: Uint8Array): bigint[] {
  const numbers: bigint[] = []
  let value = 0n
  let shift = 0n
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift
    shift += 7n
    if (byte >= 0x80) continue
    numbers.push(value)
    value = shift = 0n
  }
  return numbers
}

/** Start of a stream that resumes. */
export interface ResumePoint {
  after: EventCursor
  /**
   * The database's position before the stream was opened, or before the transaction `xid` and all running ones, as a cursor.
   */
  positionBefore(xid?: number): string
}

export interface Cursors {
  /**
   * Reads the position to resume after, and the database's current position; call it before opening a stream. Rejects with
   * BAD_USER_INPUT for a cursor that was altered or comes from another installation.
   */
  resumePoint(after: UncheckedCursor): Promise<ResumePoint>
}

/** What a snapshot (`xmin:xmax:running`) shows of the transactions before `xid`. */
function snapshotBefore(snapshot: string, xid: number): string {
  const [xmin, xmax, running] = snapshot.split(':') as [string, string, string]
  const end = Math.min(Number(xmax), xid)
  const runningBefore = running === '' ? [] : running.split(',').filter((each) => Number(each) < end)
  return `${Math.min(Number(xmin), end)}:${end}:${runningBefore.join(',')}`
}

export function createCursors(store: Pick<Store, 'installation'>): Cursors {
  // Concurrent resumes share one read.
  const readPosition = createBatchLoader<undefined, ReadPosition>(async (calls) => {
    const position = await store.installation.position()
    return calls.map(() => position)
  })
  return {
    async resumePoint(after) {
      const { position, key } = await readPosition(undefined)
      return {
        after: checkCursor(after, key),
        positionBefore(xid = Infinity) {
          const before = snapshotBefore(position.snapshot, xid)
          const oldest = before.split(':')[0] as string
          // Without the committed ones among the running transactions it repeats more, and always fits.
          const earlier = (): string | undefined => encodeCursor({ ...position, snapshot: `${oldest}:${oldest}:` }, key)
          return (encodeCursor({ ...position, snapshot: before }, key) ?? earlier()) as string
        },
      }
    },
  }
}
