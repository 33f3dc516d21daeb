import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Auth, Viewer } from '../../auth/verify.ts'
import { ChatError } from '../../errors.ts'
import { fairTurns } from '../../lib/fair-turns.ts'
import type { HttpHandler } from '../../graphql/yoga.ts'
import type { Endpoint } from '../socket/upgrade.ts'
import { checkBodyHeaders, HttpError, readBody } from './body.ts'
import { createPendingResponses } from './pending-responses.ts'
import { TRY_AGAIN, type Route, type RouteParts } from './routes.ts'
import { createStreams, type StreamsOptions } from './sse.ts'
import { isText } from './target.ts'

export interface GraphqlRouteOptions extends StreamsOptions {
  /** The page for browsers; with a demo token only on request, and if there is one. Undefined: none. */
  graphiqlPage: ((withToken: boolean) => string) | undefined
  auth: Auth
  ensureUser: (viewer: Viewer) => Promise<void>
  consumeRateLimit: (userId: number) => void
  maxBodyBytes: number
  handler: HttpHandler
  graphqlWs: Endpoint
}

const METHODS = 'GET, POST, OPTIONS'

/** GraphiQL is self-contained; its editor creates its workers from the page. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  'worker-src blob:',
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  'font-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** `/graphql`: GraphQL over HTTP and server-sent events, and GraphiQL for browsers. */
export function createGraphqlRoute(options: GraphqlRouteOptions, { cors, closed, isAllowedHost, addressOf }: RouteParts): Route {
  const { graphiqlPage, auth, consumeRateLimit, maxBodyBytes, ensureUser, handler } = options
  const answers = createPendingResponses()
  const openStream = createStreams(options)

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!cors.allows(request)) throw new ChatError('FORBIDDEN', 'this origin is not allowed')
    const wantsPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true
    if (wantsPage && graphiqlPage !== undefined) {
      // Without CORS headers: other origins must not read the token in it.
      const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': PAGE_POLICY }
      response.writeHead(200, headers).end(graphiqlPage(isAllowedHost(request.headers.host)))
      return
    }
    cors.setHeaders(request, response)
    if (request.method === 'OPTIONS') return cors.answerPreflight(request, response, METHODS)
    if (closed()) throw new ChatError('UNAVAILABLE', TRY_AGAIN)
    const viewer = await auth.verifyHeader(request.headers.authorization, addressOf(request))
    consumeRateLimit(viewer.userId)
    const release = answers.acquire(viewer, response)
    if (!isText(request.url as string)) throw new HttpError(400, 'the URL is no UTF-8, expected it percent-encoded')
    if (request.method === 'GET') await fairTurns.nextRequest(viewer.userId, (request.url as string).length)
    if (request.method === 'POST') {
      checkBodyHeaders(request.headers)
      // Yoga would read without a limit.
      const body = await readBody(request, maxBodyBytes)
      Object.assign(request, { body: Readable.from([body]) })
      await fairTurns.nextRequest(viewer.userId, body.length)
    }
    await ensureUser(viewer)
    await handler(request, response, {
      viewer,
      reader: { ready: () => answers.ready(viewer.userId) },
      lastEventId: (request.headers['last-event-id'] as string | undefined) || undefined,
      openStream(operation) {
        release()
        return openStream(operation, addressOf(request), response)
      },
    })
  }

  return { path: '/graphql', methods: METHODS, handle, endpoint: options.graphqlWs }
}
