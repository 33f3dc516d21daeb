import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { Routes, type Route } from '../../src/transport/http/routes.ts'
import type { Endpoint } from '../../src/transport/socket/upgrade.ts'

const endpoint = {} as Endpoint
const handle: Route['handle'] = (_request, response) => void response.end('handled')
const table: Route[] = [
  { path: '/socket', methods: 'GET, HEAD', handle, endpoint },
  { path: '/page', methods: 'GET', handle },
]

/** What a request is answered with: the status and the body. */
async function answer(
  routes: Routes,
  method: string,
  path: string,
): Promise<{ status: number; body: unknown; allow: string | undefined }> {
  const answered = { status: 200, body: undefined as unknown, allow: undefined as string | undefined }
  const response = {
    writeHead(status: number, headers: Record<string, string>) {
      answered.status = status
      answered.allow = headers['Allow']
      return response
    },
    end: (body: unknown) => (answered.body = body),
  }
  await routes.handle({ method } as IncomingMessage, response as unknown as ServerResponse, path)
  return answered
}

test('a path is answered by its route, and upgraded where that has an endpoint', async () => {
  const routes = new Routes(table, undefined)
  expect(await answer(routes, 'GET', '/page')).toMatchObject({ status: 200, body: 'handled' })
  expect(routes.endpointOf('/socket')).toBe(endpoint)
  expect(routes.endpointOf('/page')).toBeUndefined()
  expect(routes.endpointOf('/constructor')).toBeUndefined()
})

test('TRACE is refused with the methods of the route', async () => {
  expect(await answer(new Routes(table, undefined), 'TRACE', '/socket')).toMatchObject({ status: 405, allow: 'GET, HEAD' })
})

test('elsewhere the fallback is asked, and else the paths are named', async () => {
  const named = { status: 404, body: JSON.stringify({ error: 'nothing is here: expected /socket, /page' }) }
  expect(await answer(new Routes(table, undefined), 'GET', '/other')).toMatchObject(named)
  const routes = new Routes(table, async (_request, response, path) => {
    if (path === '/demo') response.end('demo')
    return path === '/demo'
  })
  expect(await answer(routes, 'GET', '/demo')).toMatchObject({ body: 'demo' })
  expect((await answer(routes, 'GET', '/other')).body).toBe(
    JSON.stringify({ error: 'nothing is here: expected /, /socket, /page' }),
  )
})
