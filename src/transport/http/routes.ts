import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Endpoint } from '../socket/upgrade.ts'
import type { Cors } from './cors.ts'
import { sendJson } from './probes.ts'

/** Why only probes are served now; undefined if everything is. */
export type Closed = 'starting' | 'draining' | undefined

export const TRY_AGAIN = 'the server starts or stops: try again in a moment'

/** Shared by the routes of one server. */
export interface RouteParts {
  cors: Cors
  closed: () => Closed
  /** Whether a request's `Host` is one of the server's own names. */
  isAllowedHost: (host: string | undefined) => boolean
  /** The client's. */
  addressOf: (request: IncomingMessage) => string
}

/** The handler of a path. */
export interface Route {
  readonly path: string
  /** The methods that `handle` accepts, in the form of the header `Allow`; `handle` refuses others itself, except TRACE. */
  readonly methods: string
  /** Handles a request; throws or rejects with the error to respond with. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void> | void
  /** Accepts upgrades to a WebSocket. */
  readonly endpoint?: Endpoint
}

/** Handles requests for one of several paths; returns false if it has nothing there. */
export type Fallback = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<boolean>

/** The handler of each path. */
export class Routes {
  readonly #routes: ReadonlyMap<string, Route>
  readonly #fallback: Fallback | undefined
  /** The error for a path without a route. */
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
    // TRACE would reveal headers that proxies add.
    if (request.method === 'TRACE') {
      return sendJson(response, 405, { error: `expected one of ${route.methods}` }, { Allow: route.methods })
    }
    await route.handle(request, response)
  }
}
