import { ChatError } from '../../errors.ts'
import { sendJson } from './probes.ts'
import { TRY_AGAIN, type Fallback, type RouteParts } from './routes.ts'

/** The demo's content at a path, tokens included; undefined if none. */
export type DemoPageAt = (path: string) => Promise<{ headers: Record<string, string>; body: string } | undefined>

/** The pages of the demo, and their resources. */
export function createDemoRoutes(
  pageAt: DemoPageAt,
  { closed, isAllowedHost }: Pick<RouteParts, 'closed' | 'isAllowedHost'>,
): Fallback {
  return async ({ method, headers }, response, path) => {
    if (closed()) throw new ChatError('UNAVAILABLE', TRY_AGAIN)
    const page = await pageAt(path)
    if (!page) return false
    if (method !== 'GET' && method !== 'HEAD') sendJson(response, 405, { error: 'expected GET' }, { Allow: 'GET, HEAD' })
    else if (!isAllowedHost(headers.host)) {
      const error = 'the demo has tokens, and is shown by address only: open it as localhost or by the IP address of the server'
      sendJson(response, 403, { error })
    } else {
      response.writeHead(200, page.headers).end(method === 'HEAD' ? undefined : page.body)
    }
    return true
  }
}
