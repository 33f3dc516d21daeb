import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Answer, overflowOf } from '../../src/graphql/answer.ts'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import type { GraphqlClient, Result } from '../support/graphql-client.ts'

const LIMIT = 4_194_304
const LONG = '長'.repeat(5000)
const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id conversation { id } } }'
const aliases = (count: number, field: string): string => Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ')

let app: TestApp
let ann: TestUser
let bob: TestUser
let cat: TestUser
let id: string
let clients: [transport: string, client: GraphqlClient][]

beforeAll(async () => {
  app = await sharedApp()
  ;[ann, bob, cat] = await Promise.all([app.user(), app.user(), app.user()])
  const send = (content: string) => app.over(bob).data(SEND, { input: { receiverId: String(ann.id), content } })
  for (let batch = 0; batch < 10; batch++) {
    const sent = await Promise.all(Array.from({ length: 10 }, () => send(LONG)))
    id = sent[0].sendMessage.conversation.id as string
  }
  clients = [
    ['HTTP', app.over(ann)],
    ['graphql-ws', app.graphqlWs(ann)],
  ]
})
afterAll(() => app.stop())

const page = (fields: string): string => `{ conversation(id: "${id}") { messages(first: 100) { edges { node { ${fields} } } } } }`

function expectRefused({ data, errors }: Result, what: RegExp): void {
  expect(data ?? null).toBeNull()
  expect(errors).toHaveLength(1)
  expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT' })
  expect(errors?.[0]?.message).toMatch(new RegExp(`larger than ${LIMIT} bytes: ask for less of ${what.source}`))
}

test('an answer of more fields than any may have is refused on every transport, though its document does not say how many', async () => {
  const mentioned = await Promise.all(Array.from({ length: 50 }, () => app.user()))
  const ids = mentioned.map((user) => String(user.id))
  const { createGroup } = await app
    .over(ann)
    .data('mutation ($input: CreateGroupInput!) { createGroup(input: $input) { conversation { id } } }', {
      input: { name: 'all', memberIds: ids },
    })
  const groupId = createGroup.conversation.id as string
  const input = { conversationId: groupId, content: 'hello', mentionIds: ids }
  for (let count = 0; count < 70; count++) await app.over(ann).data(SEND, { input: { ...input, content: `hello ${count}` } })
  const asked = (count: number): string =>
    `{ conversation(id: "${groupId}") { messages(first: 100) { edges { node { ${aliases(count, 'mentions { id }')} } } } } }`
  for (const [, client] of clients) {
    const { conversation } = await client.data(asked(27))
    expect(conversation.messages.edges[0].node.a26).toHaveLength(50)
    const { data, errors } = await client.run(asked(29))
    expect(data ?? null).toBeNull()
    expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT' })
    expect(errors?.[0]?.message).toMatch(/larger than 100000 fields: ask for less of mentions/)
  }
})

describe('an answer that is larger than MAX_RESPONSE_BYTES is refused on every transport', () => {
  test('a page of 100 messages of 5000 Chinese characters is not', async () => {
    for (const [, client] of clients) {
      const { conversation } = await client.data(page('content'))
      expect(conversation.messages.edges).toHaveLength(100)
      expect(conversation.messages.edges[99].node.content).toBe(LONG)
    }
  })

  const conversation = 'conversation { messages(first: 100) { edges { node {'
  const cases: [what: string, query: () => string, named: RegExp][] = [
    ['aliases', () => page(aliases(7, 'content')), /content/],
    ['nesting', () => page(`${conversation} id content } } } }`), /messages|content/],
    ['both', () => page(`${conversation} ${aliases(7, 'content')} } } } }`), /messages|content/],
    [
      'keys alone',
      () => page(`${conversation} ${aliases(7, '__typename').replaceAll(/a(\d)/g, `${'k'.repeat(190)}$1`)} } } } }`),
      /messages|conversation/,
    ],
  ]
  test.each(cases)('%s', async (_, query, named) => {
    for (const [, client] of clients) expectRefused(await client.run(query()), named)
  })

  test('twenty at once of one user, and others are served meanwhile', async () => {
    const query = page(`${conversation} ${aliases(7, 'content')} } } } }`)
    const refused = clients.flatMap(([, client]) => Array.from({ length: 10 }, () => client.run(query)))
    expect(await app.over(bob).data('{ viewer { id } }')).toEqual({ viewer: { id: String(bob.id) } })
    for (const result of await Promise.all(refused)) expectRefused(result, /messages|content/)
    for (const [, client] of clients) expect(await client.data('{ viewer { id } }')).toEqual({ viewer: { id: String(ann.id) } })
  })

  test('announcements and notifications', async () => {
    const create = 'mutation ($a: String!) { createGroup(input: { name: "x", announcement: $a }) { id } }'
    await Promise.all(Array.from({ length: 12 }, () => app.over(ann).data(create, { a: LONG })))
    const notify =
      'mutation ($data: JSON!, $ids: [ID!]!) { pushSystemNotification(notificationType: "x", data: $data, userIds: $ids) }'
    for (let n = 0; n < 4; n++) await app.admin.data(notify, { data: { text: '長'.repeat(15_000) }, ids: [String(ann.id)] })
    for (const [, client] of clients) {
      const groups = `{ conversations { edges { node { group { ${aliases(25, 'announcement')} } } } } }`
      expectRefused(await client.run(groups), /announcement/)
      expectRefused(await client.run(`{ notifications { edges { node { ${aliases(30, 'data')} } } } }`), /notifications/)
    }
  })

  test('of a mutation it says that the mutation was carried out, and a repeat with its key gives the message', async () => {
    const input = { receiverId: String(bob.id), content: 'carried out', clientMessageId: 'large' }
    const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id conversation { messages(first: 100) { edges { node {
      ${aliases(4, 'content')} } } } } } }`
    for (const [, client] of clients) {
      const result = await client.run(send, { input })
      expectRefused(result, /messages|content|conversation/)
      expect(result.errors?.[0]?.message).toMatch(/ fewer fields\. The mutation was carried out$/)
    }
    const { sendMessage } = await app.over(ann).data(SEND, { input })
    const newest = `{ conversation(id: "${id}") { messages(first: 2) { edges { node { id content } } } } }`
    const { edges } = (await app.over(bob).data(newest)).conversation.messages
    expect(edges[0].node).toEqual({ id: sendMessage.id, content: 'carried out' })
    expect(edges[1].node.content).not.toBe('carried out')
  })

  test('on a subscription it is an error result, and the stream goes on', async () => {
    const query = `subscription { messageSent { content ${conversation} a: content b: content c: content } } } } } }`
    for (const [, client] of clients) {
      const subscription = await client.subscribe(query)
      await app.over(bob).data(SEND, { input: { receiverId: String(ann.id), content: 'hi' } })
      expectRefused((await subscription.inbox.next()) as Result, /messages|content/)
      await app.over(cat).data(SEND, { input: { receiverId: String(ann.id), content: 'hi' } })
      expect(await subscription.inbox.next()).toMatchObject({ data: { messageSent: { content: 'hi' } } })
      subscription.close()
    }
  })
})

describe('the size of an answer', () => {
  test.each([
    [{ a: 1, b: [true, null, 'x'] }],
    [{ text: '長"\\\n\u0001😀\ud800' }],
    [{ data: { edges: [{ node: { content: 'x'.repeat(50) } }, {}], n: -1.5 } }],
  ])('is that of its JSON: %j', (value) => {
    const bytes = Buffer.byteLength(JSON.stringify(value))
    expect(overflowOf(value, bytes - 1)).toBeDefined()
    expect(overflowOf(value, bytes)).toBeUndefined()
  })

  test('ends where it is too large, however deep that is', () => {
    const after = {
      get later(): never {
        throw new Error('was read')
      },
    }
    expect(overflowOf({ data: { first: 'x'.repeat(100), after } }, 50)).toBe('first')
    expect(overflowOf(JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`), 1_000_000)).toBeDefined()
  })

  test('what is read for it is bounded too, one read after the other', async () => {
    const answer = new Answer(100)
    let reads = 0
    const read = () =>
      answer.read(
        'messages',
        () => Promise.resolve(++reads),
        () => 250,
      )
    const results = await Promise.allSettled([read(), read(), read(), read()])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
    expect(reads).toBe(2)
  })
})
