import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { paceRequests } from './paced-requests.ts'
import { normalTarget, pathOf } from './target.ts'
import { SECURITY_HEADERS } from '../socket/upgrade.ts'

export interface Readiness {
  isReady: boolean
  /** What was checked, and its state. */
  checks: Readonly<Record<string, string>>
}

export interface ProbesOptions {
  /** The state of storage and bus; `isReady` false if the server can't do its work now. `isStarting`: the database may be being migrated. */
  readiness: (isStarting: boolean) => Promise<Readiness>
  /** The metrics in Prometheus' text format. */
  metrics: () => Promise<{ contentType: string; text: string }>
  report: (error: unknown) => void
}

/** Responds to one of the paths for operators. */
export type Probe = (response: ServerResponse) => Promise<void> | void

export const PROBE_METHODS = 'GET, HEAD'

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body))
}

/** `/health`, `/ready` and `/metrics`, by path. `closed` says why nothing is served now. */
export function createProbes(
  { readiness, metrics }: ProbesOptions,
  closed: () => 'starting' | 'draining' | undefined,
): Readonly<Record<string, Probe>> {
  let rendering: ReturnType<typeof metrics> | undefined
  return {
    '/health': (response) => sendJson(response, 200, { status: 'ok' }),
    async '/ready'(response) {
      const { isReady, checks } = await readiness(closed() === 'starting')
      const status = closed() ?? (isReady ? 'ready' : 'not ready')
      sendJson(response, status === 'ready' ? 200 : 503, { status, ...checks })
    },
    async '/metrics'(response) {
      // Needs no token: concurrent requests share one rendering.
      rendering ??= metrics().finally(() => (rendering = undefined))
      const { contentType, text } = await rendering
      response.writeHead(200, { 'Content-Type': contentType }).end(text)
    },
  }
}

/** Serves only the probes, on a port of their own, always as plain HTTP. */
export function createProbeServer(probes: Readonly<Record<string, Probe>>, report: (error: unknown) => void) {
  const listener: RequestListener = (request, response) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
    const path = pathOf(normalTarget(request.url))
    const probe = probes[path]
    if (!probe) return sendJson(response, 404, { error: `nothing is here: expected ${Object.keys(probes).join(', ')}` })
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendJson(response, 405, { error: 'expected GET' }, { Allow: PROBE_METHODS })
    Promise.resolve(probe(response)).catch((error: unknown) => {
      report(error)
      sendJson(response, 500, { error: 'Unexpected error.' })
    })
  }
  const server: Server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 })
  paceRequests(server, listener)
  return {
    listen: (port: number, host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          server.on('error', report)
          resolve((server.address() as AddressInfo).port)
        })
      }),
    close: (): Promise<void> =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
