import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** A line of a file, counted from 1. `text` is null if it can't be read; `problem` says why. */
export type Line = { number: number; text: string; problem: null } | { number: number; text: null; problem: string }

const NEWLINE = 0x0a
const CHUNK_BYTES = 256 * 1024

/**
 * Reads a file line by line in bounded memory, however long the file and its lines are. After a line was returned, position and
 * digest are those right behind it.
 */
export class LineReader {
  /** Bytes and lines read. */
  offset = 0
  number = 0
  readonly #path: string
  readonly #maxLineBytes: number
  #hash: Hash = createHash('sha256')

  constructor(path: string, maxLineBytes: number) {
    this.#path = path
    this.#maxLineBytes = maxLineBytes
  }

  /** Of the bytes read so far. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  /**
   * Continues after the first `offset` bytes if they have that digest; otherwise stays at the beginning and resolves with
   * false.
   */
  async skip(offset: number, lines: number, digest: string): Promise<boolean> {
    const hash = createHash('sha256')
    let length = 0
    for await (const chunk of createReadStream(this.#path, { end: offset - 1, highWaterMark: CHUNK_BYTES })) {
      hash.update(chunk as Buffer)
      length += (chunk as Buffer).length
    }
    if (length !== offset || hash.copy().digest('hex') !== digest) return false
    this.#hash = hash
    this.offset = offset
    this.number = lines
    return true
  }

  async *lines(): AsyncGenerator<Line> {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    let parts: Buffer[] = []
    let length = 0
    const take = (piece: Buffer): void => {
      this.#hash.update(piece)
      this.offset += piece.length
      length += piece.length
      if (length <= this.#maxLineBytes) parts.push(piece)
      else parts = []
    }
    const finish = (): Line => {
      const bytes = length
      const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
      parts = []
      length = 0
      const number = ++this.number
      if (bytes > this.#maxLineBytes) return { number, text: null, problem: `longer than ${this.#maxLineBytes} bytes` }
      try {
        return { number, text: decoder.decode(whole), problem: null }
      } catch {
        return { number, text: null, problem: 'not UTF-8' }
      }
    }
    for await (const chunk of createReadStream(this.#path, { start: this.offset, highWaterMark: CHUNK_BYTES })) {
      const buffer = chunk as Buffer
      let start = 0
      for (let end = buffer.indexOf(NEWLINE); end !== -1; end = buffer.indexOf(NEWLINE, start)) {
        take(buffer.subarray(start, end + 1))
        start = end + 1
        yield finish()
      }
      // A copy: a slice would keep the whole chunk in memory.
      if (start < buffer.length) take(Buffer.from(buffer.subarray(start)))
    }
    if (length > 0) yield finish()
  }
}
