import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Endpoint } from '../socket/upgrade.ts'
import type { Cors } from './cors.ts'
import { sendJson } from './probes.ts'

/** Why nothing but probes is served now; undefined where all is. */
export type Closed = 'starting' | 'draining' | undefined

export const TRY_AGAIN = 'the server starts or stops: try again in a moment'

/** What the routes of one server have in common. */
export interface RouteParts {
  cors: Cors
  closed: () => Closed
  /** Whether a request names the server by a name that only its own pages are opened by. */
  isAllowedHost: (host: string | undefined) => boolean
  /** The client's. */
  addressOf: (request: IncomingMessage) => string
}

/** What is at a path. */
export interface Route {
  readonly path: string
  /** The methods, as the header `Allow` lists them. */
  readonly methods: string
  /** Answers a request; throws or rejects with what is answered instead. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void> | void
  /** Takes upgrades to a WebSocket. */
  readonly endpoint?: Endpoint
}

/** Answers requests for one of several paths; whether it had something there. */
export type Fallback = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<boolean>

/** What answers each path. */
export class Routes {
  readonly #routes: ReadonlyMap<string, Route>
  readonly #fallback: Fallback | undefined
  /** What is answered where nothing is. */
  readonly nothingHere: string

  constructor(routes: readonly Route[], fallback: Fallback | undefined) {
    this.#routes = new Map(routes.map((route) => [route.path, route]))
    this.#fallback = fallback
    this.nothingHere = `nothing is here: expected ${[...(fallback ? ['/'] : []), ...this.#routes.keys()].join(', ')}`
  }

  endpointOf(path: string): Endpoint | undefined {
    return this.#routes.get(path)?.endpoint
  }

  async handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const route = this.#routes.get(path)
    if (!route) {
      if (!(await this.#fallback?.(request, response, path))) sendJson(response, 404, { error: this.nothingHere })
      return
    }
    // It would show what proxies put into the headers.
    if (request.method === 'TRACE') {
      return sendJson(response, 405, { error: `expected one of ${route.methods}` }, { Allow: route.methods })
    }
    await route.handle(request, response)
  }
}
