import { isUtf8 } from 'node:buffer'
import { IncomingMessage, type IncomingHttpHeaders } from 'node:http'
import { ChatError } from '../../errors.ts'

/** A content type that a form of another page can't send without a preflight. */
const JSON_TYPE = /^application\/json\s*(?:;|$)/i
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/i
/** The names of UTF-8, and of ASCII, which is part of it. */
const CHARSETS = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii'])

/** Throws 415 for a body that is not JSON in UTF-8, or compressed. */
export function checkBodyHeaders(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'] ?? ''
  if (!JSON_TYPE.test(type)) throw new HttpError(415, 'expected Content-Type: application/json')
  const charset = CHARSET.exec(type)?.[1]
  if (charset !== undefined && !CHARSETS.has(charset.toLowerCase())) throw new HttpError(415, 'expected charset=utf-8')
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity') throw new HttpError(415, 'expected a body without Content-Encoding')
}

/** This many chunks of a body may have any size; beyond that, their average size counts. */
const FREE_CHUNKS = 256
const CHUNK_BYTES = 64

/**
 * A request whose body ends where it comes in too many small chunks: Node's parser would go through all that has come, at some microseconds
 * for each chunk, before anything looks at the first.
 */
export class BoundedRequest extends IncomingMessage {
  #chunks = 0
  #bytes = 0
  /** Whether the rest of the body is left out. */
  isCut = false

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    if (this.isCut) return false
    if (chunk === null) return super.push(null)
    this.#bytes += chunk.length
    // Each chunk costs as much as a small request, however small it is.
    this.isCut = ++this.#chunks > FREE_CHUNKS && this.#bytes < this.#chunks * CHUNK_BYTES
    if (!this.isCut) return super.push(chunk, encoding)
    // Node would close the connection of one that ends before it is complete, and the answer with it.
    this.complete = true
    return super.push(null)
  }
}

/** Whether the rest of a request's body was left out. */
export const isCut = (request: IncomingMessage): boolean => request instanceof BoundedRequest && request.isCut

/**
 * The whole body. Throws BAD_USER_INPUT for an empty one, and for invalid UTF-8; rejects with 413 for more than `limit` bytes,
 * without reading on.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) throw tooLarge(limit)
      chunks.push(chunk)
    }
  } catch (error) {
    // Other errors are the client's connection failing, and not worth reporting.
    throw error instanceof HttpError ? error : new ChatError('BAD_USER_INPUT', 'the body broke off')
  }
  if (isCut(request)) throw new HttpError(400, 'the body comes in too many small chunks')
  if (size === 0) throw new ChatError('BAD_USER_INPUT', 'the request has no body, expected a JSON object with "query"')
  const body = Buffer.concat(chunks)
  if (!isUtf8(body)) throw new ChatError('BAD_USER_INPUT', 'the body is not valid UTF-8')
  return body
}

/** A client's mistake in HTTP itself, with its own status. */
export class HttpError extends ChatError {
  readonly #status: number

  constructor(status: number, message: string) {
    super('BAD_USER_INPUT', message)
    this.#status = status
  }

  override get status(): number {
    return this.#status
  }
}

const tooLarge = (limit: number): HttpError => new HttpError(413, `the body is larger than ${limit} bytes`)
