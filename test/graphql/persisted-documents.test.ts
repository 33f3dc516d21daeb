import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SettingsError } from '../../src/settings.ts'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'

const VIEWER = 'query Viewer { viewer { id } }'
const MESSAGES = 'subscription Messages { messageSent { content } }'
const SEND = 'mutation Send($id: ID!) { sendMessage(input: { receiverId: $id, content: "hi" }) { content } }'

let folder: string
let app: TestApp
let ann: TestUser
const file = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, JSON.stringify(content))
  return path
}
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-documents-'))
  app = await startApp({ PERSISTED_DOCUMENTS: await file('documents.json', { viewer: VIEWER, messages: MESSAGES, send: SEND }) })
  ann = await app.user()
})
afterAll(async () => {
  await app.stop()
  await rm(folder, { recursive: true })
})

const post = async (body: object, isAdmin = false): Promise<unknown> => {
  const authorization = `Bearer ${tokenOf({ userId: ann.id, name: ann.name, isAdmin })}`
  const headers = { authorization, 'content-type': 'application/json' }
  return await (await fetch(app.graphqlUrl, { method: 'POST', headers, body: JSON.stringify(body) })).json()
}
const byId = (sha256Hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } })
const viewer = { data: { viewer: { id: '' } } }
const code = (name: string) => ({ errors: [{ extensions: { code: name } }] })

test('they are executed by their id and by their text, over HTTP and over the socket', async () => {
  viewer.data.viewer.id = String(ann.id)
  expect(await post(byId('viewer'))).toEqual(viewer)
  expect(await post({ query: VIEWER })).toEqual(viewer)
  const bob = await app.user()
  const client = app.graphqlWs(ann)
  const messages = await new Promise((resolve, reject) => {
    client.client.subscribe({ query: '', ...byId('messages') }, { next: resolve, error: reject, complete: () => undefined })
    client.data(VIEWER).then(() => app.over(bob).data(SEND, { id: String(ann.id) }), reject)
  })
  expect(messages).toEqual({ data: { messageSent: { content: 'hi' } } })
})

test('any other is refused, but of admins', async () => {
  const other = '{ viewer { name } }'
  expect(await post({ query: other })).toMatchObject(code('FORBIDDEN'))
  expect(await app.graphqlWs(ann).run(other)).toMatchObject(code('FORBIDDEN'))
  expect(await post(byId('unknown'))).toMatchObject(code('BAD_USER_INPUT'))
  expect(await post({ query: other }, true)).toEqual({ data: { viewer: { name: ann.name } } })
  // The adapter's own documents are the server's.
  expect((await (await app.ready(ann)).request('ping')).code).toBe(200)
})

test('without a list an id is answered as Apollo’s clients expect it, and text is executed, with an id or without', async () => {
  const open = await startApp()
  try {
    const user = await open.user()
    const headers = {
      authorization: `Bearer ${tokenOf({ userId: user.id, name: user.name })}`,
      'content-type': 'application/json',
    }
    const { extensions } = byId('ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38')
    const refused = { message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }
    const url = `${open.graphqlUrl}?operationName=Viewer&extensions=${encodeURIComponent(JSON.stringify(extensions))}`
    for (const accept of ['*/*', 'application/json', 'application/graphql-response+json, application/json;q=0.9']) {
      const body = JSON.stringify({ operationName: 'Viewer', variables: {}, extensions })
      for (const answer of [
        await fetch(open.graphqlUrl, { method: 'POST', headers: { ...headers, accept }, body }),
        await fetch(url, { headers: { ...headers, accept } }),
      ]) {
        expect(answer.status).toBe(200)
        expect(await answer.json()).toEqual({ errors: [refused] })
      }
    }
    const client = open.graphqlWs(user)
    const overSocket = await new Promise((resolve, reject) =>
      client.client.subscribe({ query: '', extensions }, { next: reject, error: resolve, complete: () => undefined }),
    )
    expect(overSocket).toEqual([refused])
    const body = JSON.stringify({ query: VIEWER, extensions })
    const answer = await fetch(open.graphqlUrl, { method: 'POST', headers, body })
    expect(await answer.json()).toEqual({ data: { viewer: { id: String(user.id) } } })
    expect(await client.data('{ viewer { __typename } }')).toEqual({ viewer: { __typename: 'User' } })
  } finally {
    await open.stop()
  }
})

test('a document that is not valid keeps the server from starting, and is named', async () => {
  const path = await file('bad.json', { good: VIEWER, bad: '{ nothing }' })
  const error: unknown = await startApp({ PERSISTED_DOCUMENTS: path }).catch((problem: unknown) => problem)
  expect(error).toBeInstanceOf(SettingsError)
  expect(String(error)).toMatch(/PERSISTED_DOCUMENTS: "bad": Cannot query field "nothing"/)
})
