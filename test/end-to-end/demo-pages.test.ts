import { request } from 'node:http'
import { parse, validate } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as documents from '../../src/demo/page/documents.ts'
import { DEMO_USERS } from '../../src/demo/seed.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { PUSHES } from '../../src/legacy-protocol/frames.ts'
import { SECRET, startApp, type TestApp } from '../support/app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp({ DEMO: '1' })
})
afterAll(() => app.stop())

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Asks as a browser that knows the server by the name `host`. */
function ask(of: TestApp, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: of.port, path, method, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, body })
      })
    })
    sent.on('error', reject).end()
  })
}

const HTML = { accept: 'text/html' }
/** What a token begins with. */
const TOKEN = Buffer.from('{"alg":"HS256"').toString('base64url').slice(0, 18)

describe('the demo’s page', () => {
  test('comes with all that it loads, under a policy that allows nothing from elsewhere and no inline script', async () => {
    const page = await ask(app, '/')
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } })
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    const linked = [...page.body.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path as string)
    expect(linked).toHaveLength(2)
    for (const path of linked) expect((await ask(app, path)).status).toBe(200)
    expect(page.body).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon[a-z]+=|https?:\/\/(?!www\.w3\.org\/2000\/svg)/i)
  })

  test('is told the demo’s users with tokens, and no admin’s', async () => {
    const { users } = JSON.parse((await ask(app, '/demo/config.json')).body) as { users: { id: string; token: string }[] }
    expect(users.map(({ id }) => Number(id))).toEqual(DEMO_USERS.map(({ id }) => id))
    for (const { id, token } of users) {
      const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string; role?: string }
      expect(claims).toMatchObject({ sub: id })
      expect(claims.role).toBeUndefined()
    }
  })

  test('is told of every push the part of the feed that it comes from', async () => {
    const { events, operations } = JSON.parse((await ask(app, '/demo/config.json')).body) as Record<string, object>
    expect(Object.keys(events ?? {}).sort()).toEqual(Object.keys(PUSHES).sort())
    expect(Object.keys(operations ?? {})).toContain('LegacySendMessage')
    // Each can be executed by itself.
    const schema = createSchema()
    for (const text of Object.values(operations ?? {}) as string[]) expect(validate(schema, parse(text))).toEqual([])
    expect((events as Record<string, string>)['message_sent']).toContain('content')
  })

  test('nothing but its own files can be read', async () => {
    for (const path of [
      '/demo',
      '/demo/',
      '/demo/js/main.js',
      '/demo/js/chat/auth.js',
      '/demo/js/../package.json',
      '/demo/js/demo/page/%2e%2e/%2e%2e/main.js',
      '/demo/graphql-ws/server.js',
      '/demo/__proto__',
    ]) {
      const { status, body } = await ask(app, path)
      expect({ path, status, body }).toEqual({ path, status: 404, body: expect.stringContaining('expected /, /graphql,') })
    }
    expect(await ask(app, '/', {}, 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
    expect(await ask(app, '/', {}, 'HEAD')).toMatchObject({ status: 200, body: '' })
  })

  test('what it asks fits the schema', () => {
    const schema = createSchema()
    for (const text of Object.values(documents)) expect(validate(schema, parse(text))).toEqual([])
  })
})

describe('tokens stay with their own page', () => {
  const pages = [
    ['the demo', '/demo/config.json', {}],
    ['GraphiQL', '/graphql', HTML],
  ] as const

  test.each(pages)('%s: pages of other origins can’t read them', async (_, path, headers) => {
    const answer = await ask(app, path, { ...headers, origin: 'http://evil.example' })
    expect(answer.body.includes(TOKEN)).toBe(true)
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  test.each(pages)('%s: a name that somebody else may have pointed here gets none', async (_, path, headers) => {
    for (const host of ['evil.example', 'evil.example:4000', 'localhost.evil.example', '127.0.0.1.evil.example', '@']) {
      expect((await ask(app, path, { ...headers, host })).body.includes(TOKEN), host).toBe(false)
    }
    for (const host of ['127.0.0.1', '127.0.0.1:4000', 'localhost:4000', '[::1]:4000', '192.0.2.7']) {
      expect((await ask(app, path, { ...headers, host })).body.includes(TOKEN), host).toBe(true)
    }
  })

  test('the refusal says how to open the page', async () => {
    const { status, body } = await ask(app, '/', { host: 'evil.example' })
    expect(status).toBe(403)
    expect(body).toContain('localhost')
  })

  test('names that the operator has allowed are good', async () => {
    const allowing = await startApp({ DEMO: '1', ALLOWED_ORIGINS: 'https://demo.example.com' })
    expect((await ask(allowing, '/demo/config.json', { host: 'demo.example.com' })).status).toBe(200)
    expect((await ask(allowing, '/demo/config.json', { host: 'evil.example' })).status).toBe(403)
    await allowing.stop()
  })

  test('without the demo there is neither page nor token', async () => {
    for (const env of [{ DEMO: '0' }, { NODE_ENV: 'production', DEMO: '0', GRAPHIQL: '1', JWT_SECRET: SECRET }]) {
      const other = await startApp(env)
      for (const path of ['/', '/demo/config.json', '/demo/style.css', '/demo/js/demo/page/main.js']) {
        expect(await ask(other, path, HTML)).toMatchObject({ status: 404 })
      }
      expect((await ask(other, '/graphql', HTML)).body.includes(TOKEN)).toBe(false)
      await other.stop()
    }
  })
})
