import { ChatError } from '../errors.ts'

/** MAX_RESPONSE_BYTES, if not set. */
export const MAX_RESPONSE_BYTES = 4_194_304

/** At most this many times the bytes of an answer are read for it: not everything read is selected. */
const READ_FACTOR = 4

/** The minimum size of a list item in an answer. */
const ITEM_BYTES = 12

/** The maximum number of fields that an operation may resolve, by what its document says and by how long its lists are. */
export const FIELDS_LIMIT = 100_000

export class AnswerTooLarge extends ChatError {
  /** @param limit such as `100 bytes` */
  constructor(limit: string, what: string) {
    super('BAD_USER_INPUT', `the answer is larger than ${limit}: ask for less of ${what}, such as smaller pages or fewer fields`)
  }
}

/**
 * The answer of one operation while it is being built. It is counted as it grows, so that one that becomes too large is
 * abandoned early, whatever would still be added to it, and nothing more is read for it.
 */
export class Answer {
  readonly #maxBytes: number
  #bytes = 0
  #fields = 0
  #readBytes = 0
  /** Settles when the current read is complete. */
  #reading: Promise<unknown> = Promise.resolve()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Counts bytes added to the answer. Throws AnswerTooLarge. */
  add(bytes: number, what: string): void {
    this.#bytes += bytes
    if (this.#bytes > this.#maxBytes) throw new AnswerTooLarge(`${this.#maxBytes} bytes`, what)
  }

  /** Counts fields that are resolved for it. Throws AnswerTooLarge. */
  addFields(fields: number, what: string): void {
    this.#fields += fields
    if (this.#fields > FIELDS_LIMIT) throw new AnswerTooLarge(`${FIELDS_LIMIT} fields`, what)
  }

  /** Counts a text. */
  addText<T extends string | null | undefined>(text: T, what: string): T {
    if (text) this.add(Buffer.byteLength(text), what)
    return text
  }

  /** The maximum number of items of a list, one more than fit. */
  get maxItems(): number {
    return Math.ceil(this.#maxBytes / ITEM_BYTES) + 1
  }

  /** Throws AnswerTooLarge if a list was cut at `maxItems`. */
  checkItems(count: number, what: string): void {
    if (count >= this.maxItems) throw new AnswerTooLarge(`${this.#maxBytes} bytes`, what)
  }

  /** Runs reads that may be large one after the other, and none after enough was read. Rejects with AnswerTooLarge. */
  read<T>(what: string, load: () => Promise<T>, sizeOf: (loaded: T) => number): Promise<T> {
    const reading = this.#reading.then(async () => {
      if (this.#bytes > this.#maxBytes || this.#readBytes > READ_FACTOR * this.#maxBytes)
        throw new AnswerTooLarge(`${this.#maxBytes} bytes`, what)
      const loaded = await load()
      this.#readBytes += sizeOf(loaded)
      return loaded
    })
    this.#reading = reading.catch(() => undefined)
    return reading
  }
}

/** Deeper values of the scalar JSON could overflow the stack. */
const MAX_DEPTH = 1000

/**
 * If a value as JSON has more than `maxBytes` bytes: the path at which the limit was passed; undefined otherwise. Stops there,
 * so that it costs no more than what may be sent. Every result goes through it, so counting allocates nothing; the path is
 * found in a second walk.
 */
export function overflowOf(value: unknown, maxBytes: number): string | undefined {
  // Most are so small that it does not matter which characters they have.
  if (bytesAfter(value, maxBytes, 0, mostBytesOf) >= 0 || bytesAfter(value, maxBytes, 0, bytesOf) >= 0) return undefined
  return pathOfOverflow(value, maxBytes)
}

const hasToJson = (value: object): value is { toJSON(): unknown } =>
  'toJSON' in value && typeof (value as { toJSON: unknown }).toJSON === 'function'

/** How many of `left` bytes remain after a value as JSON whose texts have `sizeOf` bytes; negative, at once, if they do not suffice or it is too deep. */
function bytesAfter(value: unknown, left: number, depth: number, sizeOf: (text: string) => number): number {
  if (depth > MAX_DEPTH) return -1
  if (typeof value === 'string') return left - sizeOf(value)
  if (typeof value !== 'object' || value === null) return left - String(value).length
  if (hasToJson(value)) return bytesAfter(value.toJSON(), left, depth + 1, sizeOf)
  left -= 2
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && left >= 0; index++) {
      left = bytesAfter(value[index], index === 0 ? left : left - 1, depth + 1, sizeOf)
    }
    return left
  }
  let commaBytes = 0
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue
    left -= commaBytes + sizeOf(key) + 1
    commaBytes = 1
    left = bytesAfter((value as Record<string, unknown>)[key], left, depth + 1, sizeOf)
    if (left < 0) return left
  }
  return left
}

/** The path at which the bytes do not suffice, for a value known to be too large. */
function pathOfOverflow(value: unknown, maxBytes: number): string {
  let left = maxBytes
  const path: string[] = []

  function count(part: unknown, depth: number): boolean {
    if (depth > MAX_DEPTH) return true
    if (typeof part === 'string') left -= bytesOf(part)
    else if (typeof part !== 'object' || part === null) left -= String(part).length
    else if (hasToJson(part)) return count(part.toJSON(), depth + 1)
    else {
      left -= 2
      let commaBytes = 0
      const isList = Array.isArray(part)
      for (const [key, value] of Object.entries(part)) {
        left -= commaBytes + (isList ? 0 : bytesOf(key) + 1)
        commaBytes = 1
        if (!isList) path.push(key)
        if (count(value, depth + 1)) return true
        if (!isList) path.pop()
      }
    }
    return left < 0
  }

  count(value, 0)
  return path.filter((key) => key !== 'data' && key !== 'edges' && key !== 'node').join('.') || 'it'
}

/** What has to be escaped in JSON, or takes more bytes than characters. */
const SPECIAL = /[^\x20-\x21\x23-\x5b\x5d-\x7e]/

/** No character takes more than its escape. */
const mostBytesOf = (text: string): number => 6 * text.length + 2

function bytesOf(text: string): number {
  return SPECIAL.test(text) ? Buffer.byteLength(JSON.stringify(text)) : text.length + 2
}
