import type { IncomingMessage, ServerResponse } from 'node:http'

/** Which browsers may use the server: those on pages of these origins; undefined: all. */
export class Cors {
  readonly #origins: readonly string[] | undefined

  constructor(origins: readonly string[] | undefined) {
    this.#origins = origins
  }

  /** Clients other than browsers send no origin. */
  allows({ headers: { origin } }: IncomingMessage): boolean {
    return origin === undefined || !this.#origins || this.#origins.includes(origin)
  }

  /**
   * Headers for browsers on other origins; tokens are sent in headers and never as cookies, so any allowed origin may send
   * requests.
   */
  setHeaders(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers
    if (this.#origins) response.setHeader('Vary', 'Origin')
    if (origin !== undefined) response.setHeader('Access-Control-Allow-Origin', this.#origins ? origin : '*')
  }

  answerPreflight(request: IncomingMessage, response: ServerResponse, methods: string): void {
    response.writeHead(204, {
      'Access-Control-Allow-Methods': methods,
      'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? 'authorization, content-type',
      'Access-Control-Max-Age': '600',
    })
    response.end()
  }
}
