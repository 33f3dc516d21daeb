import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { GraphQLError } from 'graphql'
import { describe, expect, test } from 'vitest'
import { createDocuments } from '../../src/graphql/documents.ts'
import { Operations } from '../../src/graphql/operations.ts'
import { createSchema } from '../../src/graphql/schema.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heap = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}
const MIB = 1_048_576

const SEND_INPUT = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

const schema = createSchema()
const viewer = { userId: 1, name: undefined, avatar: undefined, isAdmin: false, issuedAt: 0, expiresAt: 0 }
const operations: Operations = new Operations({
  schema,
  services: { chat: { reads: {} }, feeds: {}, admin: {} } as never,
  report: () => undefined,
  activity: { isWatched: false, record: () => undefined },
  open: false,
})
function refusal(document: string, variables: Record<string, unknown> = {}): readonly GraphQLError[] {
  const prepared = operations.prepare({ document, variables, viewer, connectionId: null })
  return 'errors' in prepared ? prepared.errors : []
}

test.each([
  ['a field', `{ viewer { ${'id '.repeat(51)} } }`, '"id"'],
  ['a nested field', `{ ${'viewer { id } '.repeat(51)} }`, '"viewer"'],
  ['a fragment', `{ viewer { ${'...{ id } '.repeat(51)} } }`, 'fragments'],
])('%s that is selected 51 times side by side is refused before it is compared with itself', (_, text, name) => {
  expect(createDocuments(schema, { suggestions: false })(text).errors.map(({ message }) => message)).toEqual([
    expect.stringContaining(`it selects ${name} more than 50 times`),
  ])
})

describe('what is kept of documents', () => {
  const refused: [what: string, text: (n: number) => string][] = [
    ['unknown fields', (n) => `{ ${Array.from({ length: 29 }, (_, each) => `a${n}_${each}: viewerx`).join(' ')} }`],
    ['too many aliases', (n) => `{ ${Array.from({ length: 200 }, (_, each) => `a${n}_${each}: viewerx`).join(' ')} }`],
    ['a syntax error at the end', (n) => `{ ${'viewer { id } '.repeat(150)} a${n}`],
    ['a long name', (n) => `{ a${n}${'x'.repeat(50_000)} }`],
    ['too many tokens', (n) => `{ ${'id '.repeat(5000)} a${n} }`],
  ]
  test.each(refused)('a refused text (%s) keeps its message and nothing else', (_, text) => {
    const documents = createDocuments(schema, { suggestions: false })
    documents(text(-1))
    const before = heap()
    for (let n = 0; n < 60; n++) expect(documents(text(n)).errors).not.toEqual([])
    expect(heap() - before).toBeLessThan(3 * MIB)
    const [error] = documents(text(0)).errors
    expect(error).toMatchObject({ nodes: undefined, source: undefined, originalError: undefined })
    expect(error?.extensions).toEqual({ code: 'BAD_USER_INPUT' })
    expect(documents(text(0)).document.definitions).toEqual([])
  })

  test('valid documents are kept as far as the memory for them goes, and are not pushed out by refused texts', () => {
    const documents = createDocuments(schema, { suggestions: false })
    const first = documents('{ viewer { id } }')
    for (let n = 0; n < 300; n++) documents(`{ nothing${n} ${' '.repeat(4000)} }`)
    expect(documents('{ viewer { id } }')).toBe(first)
    const before = heap()
    for (let n = 0; n < 150; n++)
      documents(`query A${n} { ${'viewer { id name } '.repeat(40)} ${'user(id: 1) { id name avatar } '.repeat(40)} }`)
    expect(documents('{ viewer { id } }')).not.toBe(first)
    expect(heap() - before).toBeLessThan(18 * MIB)
  })
})

describe('errors of documents and variables', () => {
  const long = 'x'.repeat(30_000)
  const cases: [what: string, document: string, variables?: Record<string, unknown>][] = [
    [
      'an object that lacks 50 fields',
      `query (${Array.from({ length: 50 }, (_, n) => `$v${n}: ID!`).join(' ')}) { ${Array.from({ length: 25 }, (_, n) => `a${n}: user(id: $v${n}) { id } `).join(' ')} group(id: $v25) { id } ${Array.from({ length: 24 }, (_, n) => `...on Query @include(if: true) { group(id: $v${n + 26}) { id } }`).join(' ')} }`,
      Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`v${n}`, { long }])),
    ],
    [
      'fields that nobody declared',
      SEND_INPUT,
      { input: { content: long, ...Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, 1])) } },
    ],
    ['a field with a long name', SEND_INPUT, { input: { content: 'x', [long]: 1 } }],
    ['an object where a text is expected', SEND_INPUT, { input: { content: { long }, receiverId: [long] } }],
    ['a long number', 'query ($n: Int) { conversations(first: $n) { edges { cursor } } }', { n: long }],
    [
      'a long value of an enum',
      'mutation ($r: GroupRole!) { setGroupRole(groupId: 1, userId: 1, role: $r) { id } }',
      { r: long },
    ],
    ['a long literal', `mutation { setGroupRole(groupId: 1, userId: 1, role: "${long}") { id } }`],
    ['a large literal', `mutation { sendMessage(input: { content: { a: "${long}" } }) { id } }`],
    ['a deep value', SEND_INPUT, { input: { content: JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) as unknown } }],
  ]
  test.each(cases)('are at most 10, and show at most 100 characters of a value: %s', (_, document, variables) => {
    const errors = refusal(document, variables)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.length).toBeLessThanOrEqual(10)
    for (const { message, extensions } of errors) {
      expect(message).not.toContain('x'.repeat(101))
      expect(message.length).toBeLessThan(500)
      expect(extensions).toEqual({ code: 'BAD_USER_INPUT' })
    }
  })

  test('name the variable, where in it, and what was expected', () => {
    expect(refusal(SEND_INPUT, { input: { content: null } })).toMatchObject([
      {
        message:
          'Variable "$input" got invalid value null at "input.content"; Expected non-nullable type "String!" not to be null.',
        locations: [{ line: 1, column: 11 }],
      },
    ])
    expect(refusal(SEND_INPUT)).toMatchObject([
      { message: 'Variable "$input" of required type "SendMessageInput!" was not provided.' },
    ])
    expect(refusal(SEND_INPUT, { input: null })).toMatchObject([
      { message: 'Variable "$input" of non-null type "SendMessageInput!" must not be null.' },
    ])
  })
})

describe('the cost is that of what is executed', () => {
  const page = (
    variables: string,
    first: string,
    fields = 'node { id messages(first: 100) { edges { node { id readBy { readAt } } } } }',
  ) => `query ${variables} { conversations(first: ${first}) { edges { ${fields} } } }`
  const TOO_MUCH = [
    { message: expect.stringContaining('ask for smaller pages') as string, extensions: { code: 'BAD_USER_INPUT' } },
  ]
  const deep = 'node { messages { edges { node { conversation { messages { edges { node { id } } } } } } } }'

  test('null is no number: the page is as large as without it, whatever the default of the variable', () => {
    const text = `query ($n: Int = 1) { conversations(first: 100) { edges { node { messages(first: $n) { edges { node { conversation { messages(first: $n) { edges { node { id } } } } } } } } } } }`
    expect(refusal(text)).toEqual([])
    expect(refusal(text, { n: 1 })).toEqual([])
    expect(refusal(text, { n: null })).toMatchObject(TOO_MUCH)
    expect(refusal(text.replace(' = 1', ''))).toMatchObject(TOO_MUCH)
    expect(refusal(text.replace('= 1', '= null'))).toMatchObject(TOO_MUCH)
  })

  test('a default counts where the variable is absent', () => {
    expect(refusal(page('($n: Int = 1)', '$n'))).toEqual([])
    expect(refusal(page('($n: Int = 100)', '$n', deep))).toMatchObject(TOO_MUCH)
    expect(refusal(page('($n: Int = 100)', '$n', deep), { n: 1 })).toEqual([])
  })

  test('what a directive leaves out costs nothing, by literal and by variable', () => {
    for (const directive of [
      '@skip(if: true)',
      '@include(if: false)',
      '@skip(if: $out)',
      '@include(if: $in)',
      '@skip(if: false) @include(if: $in)',
    ]) {
      const text = page(
        '($out: Boolean = true, $in: Boolean = false)',
        '100',
        `cursor @skip(if: $out) @include(if: $in) ${deep.replace('node', `node ${directive}`)}`,
      )
      expect(refusal(text), directive).toEqual([])
      if (directive.includes('$')) expect(refusal(text, { out: false, in: true }), directive).toMatchObject(TOO_MUCH)
    }
    expect(refusal(page('', '100', `... @skip(if: true) { ${deep} }`))).toEqual([])
  })
})

describe('variables that an operation does not declare', () => {
  const junk = { big: { a: [1, 2, 3] } }
  test('are dropped before anything keeps them', () => {
    const query = 'query ($id: ID!) { user(id: $id) { id } }'
    expect(operations.accept({ query, variables: { id: '1', ...junk }, extensions: junk })).toEqual({
      document: query,
      variables: { id: '1' },
    })
    expect(operations.accept({ query: '{ viewer { id } }', variables: junk })).toMatchObject({ variables: {} })
    expect(operations.accept({ query: '{ nothing }', variables: junk })).toMatchObject({ variables: {} })
  })
})
