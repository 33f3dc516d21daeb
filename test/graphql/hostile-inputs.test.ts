import { readFileSync } from 'node:fs'
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
} from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import type { GraphqlClient, Result } from '../support/graphql-client.ts'

const BAD_TEXTS = ['a\0b', '\0', 'a\ud83e', '\udc00a']
const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))

let app: TestApp
let ann: TestUser
let bob: TestUser
beforeAll(async () => {
  app = await sharedApp()
  ;[ann, bob] = [await app.user('Ann'), await app.user('Bob')]
})
afterAll(() => app.stop())

/** The places of an input where a text may stand, as paths of names. */
function textPlaces(type: GraphQLInputType): string[][] {
  const named = getNamedType(type)
  if (isInputObjectType(named))
    return Object.values(named.getFields()).flatMap((field) => textPlaces(field.type).map((path) => [field.name, ...path]))
  return isLeafType(named) && ['ID', 'String', 'JSON'].includes(named.name) ? [[]] : []
}

/** A value of the type that is good, but for the text at `place`. */
function valueOf(type: GraphQLInputType, place: string[] | undefined, text: string): unknown {
  if (isNonNullType(type)) return valueOf(type.ofType, place, text)
  if (isListType(type)) return [valueOf(type.ofType, place, text)]
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(({ name, type: of }) => isNonNullType(of) || name === place?.[0])
    return Object.fromEntries(
      fields.map((field) => [field.name, valueOf(field.type, field.name === place?.[0] ? place.slice(1) : undefined, text)]),
    )
  }
  if (isEnumType(type)) return type.getValues()[0]?.name
  if (type.name === 'JSON') return place ? { list: [{ deep: text }] } : {}
  if (place) return text
  return { ID: '1', String: 'x', Int: 1, Boolean: true, DateTime: '2024-01-01T00:00:00Z' }[type.name]
}

interface Attempt {
  name: string
  query: string
  variables: Record<string, unknown>
}

/** The field asked for with a bad text in each place where there may be a text. */
function attempts(operation: string, field: GraphQLField<unknown, unknown>): Attempt[] {
  const places = field.args.flatMap((arg) => textPlaces(arg.type).map((path) => ({ arg, path })))
  return places.flatMap(({ arg, path }) =>
    BAD_TEXTS.map((text) => {
      const args = field.args.filter((one: GraphQLArgument) => one === arg || isNonNullType(one.type))
      const declared = args.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ')
      const passed = args.map(({ name }) => `${name}: $${name}`).join(', ')
      const selection = isLeafType(getNamedType(field.type)) ? '' : ' { __typename }'
      return {
        name: [field.name, arg.name, ...path].join('.'),
        query: `${operation} (${declared}) { ${field.name}(${passed})${selection} }`,
        variables: Object.fromEntries(args.map((one) => [one.name, valueOf(one.type, one === arg ? path : undefined, text)])),
      }
    }),
  )
}

const codeIn = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code

test('NUL and lone surrogates are refused in every argument of every field', async () => {
  const found: string[] = []
  for (const operation of ['query', 'mutation'] as const) {
    const type = operation === 'query' ? schema.getQueryType() : schema.getMutationType()
    for (const field of Object.values(type?.getFields() ?? {})) {
      for (const { name, query, variables } of attempts(operation, field)) {
        const code = codeIn(await app.admin.run(query, variables))
        if (code !== 'BAD_USER_INPUT') found.push(`${name}: ${code}`)
      }
    }
  }
  for (const field of Object.values(schema.getSubscriptionType()?.getFields() ?? {})) {
    for (const { name, query, variables } of attempts('subscription', field)) {
      const { ended } = await app.admin.subscribe(query, variables)
      const code = codeIn({ errors: [...(await ended)] })
      if (code !== 'BAD_USER_INPUT') found.push(`${name}: ${code}`)
    }
  }
  expect(found).toEqual([])
})

test('so they are in the text of a document and in names of JSON, and the error says where', async () => {
  const client: GraphqlClient = app.over(ann)
  expect(codeIn(await client.run('{ conversation(id: "a\\u0000") { id } }'))).toBe('BAD_USER_INPUT')
  expect(codeIn(await client.run('query ($id: ID! = "a\\u0000") { conversation(id: $id) { id } }'))).toBe('BAD_USER_INPUT')
  const push = 'mutation ($data: JSON!) { pushSystemNotification(notificationType: "t", data: $data, userIds: ["1"]) }'
  expect(codeIn(await app.admin.run(push, { data: { 'a\0': 1 } }))).toBe('BAD_USER_INPUT')
  const send = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
  const { errors } = await client.run(send, { input: { conversationId: 'a\0', content: 'x' } })
  expect(errors?.[0]?.message).toMatch(/^conversationId has a NUL character or a lone surrogate/)
})

const cursorOf = (kind: string, key: unknown): string => Buffer.from(JSON.stringify([kind, key])).toString('base64url')

test('a forged cursor is refused by every list', async () => {
  const client = app.over(ann)
  const send = 'mutation ($id: ID!) { sendMessage(input: { receiverId: $id, content: "x" }) { conversation { id } } }'
  const { sendMessage } = await client.data(send, { id: String(bob.id) })
  const conversation = (field: string): string =>
    `conversation(id: "${sendMessage.conversation.id}") { ${field} { edges { cursor } } }`
  const ids = [0, -1, 1.5, 2 ** 53, 1e300, '1', null, [], {}]
  const time = Date.now()
  const lists: [kind: string, ask: string, keys: unknown[]][] = [
    ['message', conversation('messages(after: $after)'), ids],
    ['member', conversation('members(after: $after)'), [...ids, 2 ** 31]],
    ['found', 'searchMessages(hasMedia: true, after: $after) { edges { cursor } }', ids],
    ['notification', 'notifications(after: $after) { edges { cursor } }', ids],
    [
      'conversation',
      'conversations(after: $after) { edges { cursor } }',
      [
        [1e300, 1, 'x'],
        [8.64e15, 1, 'x'],
        [-1e15, 1, 'x'],
        [time, 1e300, 'x'],
        [time, -1, 'x'],
        [time, 1.5, 'x'],
        [time, 1, 'x\0'],
        [time, 1, '\ud800'],
        [time, 1, 7],
        [time, 1],
        time,
      ],
    ],
  ]
  const found: string[] = []
  for (const [kind, ask, keys] of lists) {
    const cursors = [...keys.map((key) => cursorOf(kind, key)), cursorOf('other', 1), 'x', '', 'bnVsbA', '\u4f60']
    for (const after of cursors) {
      const code = codeIn(await client.run(`query ($after: String) { ${ask} }`, { after }))
      if (code !== 'BAD_USER_INPUT') found.push(`${kind} ${Buffer.from(after, 'base64url').toString()}: ${code}`)
    }
  }
  expect(found).toEqual([])
})

test('an error says no more of a long id than its beginning', async () => {
  const send = 'mutation ($id: ID!) { sendMessage(input: { conversationId: $id, content: "x" }) { id } }'
  const { errors = [] } = await app.over(ann).run(send, { id: `group_${'1'.repeat(60_000)}` })
  expect(codeIn({ errors })).toBe('NOT_FOUND')
  expect(JSON.stringify(errors).length).toBeLessThan(1000)
})

test('a time that no database holds is refused', async () => {
  const disconnect = 'mutation ($at: DateTime!) { disconnectUser(userId: "1", revokeBefore: $at) }'
  for (const at of ['-270000-01-01T00:00:00Z', '0000-01-01T00:00:00Z', '+010000-01-01T00:00:00Z', '275760-09-13'])
    expect(codeIn(await app.admin.run(disconnect, { at }))).toBe('BAD_USER_INPUT')
})

test('nothing of this was a failure of the server', () => {
  expect(app.logged.filter(({ level }) => Number(level) >= 50)).toEqual([])
})
