import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SettingsError } from '../src/settings.ts'
import { startApp, tokenOf, type TestApp, type TestUser } from './support/app.ts'

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

test('without a list an id is unknown, and text is taken', async () => {
  const open = await startApp()
  try {
    const result = await open.over(await open.user()).data('{ viewer { __typename } }')
    expect(result).toEqual({ viewer: { __typename: 'User' } })
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
