import type { IncomingMessage } from 'node:http'
import { ChatError } from '../errors.ts'

/** The whole body. Throws BAD_USER_INPUT for none; rejects with 413 for more than `limit` bytes, without reading on. */
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
    // What else can go wrong is on the client's end of the line, and nothing to wake anybody for.
    throw error instanceof HttpError ? error : new ChatError('BAD_USER_INPUT', 'the body broke off')
  }
  if (size === 0) throw new ChatError('BAD_USER_INPUT', 'the request has no body, expected a JSON object with "query"')
  return Buffer.concat(chunks)
}

/** What a client does wrong with HTTP itself, which has a status of its own for it. */
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
