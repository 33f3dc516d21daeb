import { parse, type OperationDefinitionNode } from 'graphql'
import { expect, test } from 'vitest'
import { problemWithTexts } from '../../src/graphql/input-texts.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { checkOf, coerceVariables } from '../../src/graphql/variables.ts'

const schema = createSchema()

const cases: [what: string, definitions: string, given: string, isPlain: boolean][] = [
  ['nothing that is required', '$id: ID', '{}', true],
  ['null where it may be', '$id: ID', '{ "id": null }', true],
  ['an id as a text', '$id: ID!', '{ "id": "1" }', true],
  ['an id as a number', '$id: ID!', '{ "id": 1 }', true],
  ['an id as a fraction', '$id: ID!', '{ "id": 1.5 }', false],
  ['nothing where it is required', '$id: ID!', '{}', false],
  ['null where it must not be', '$id: ID!', '{ "id": null }', false],
  ['a default', '$id: ID! = "1"', '{}', true],
  ['a text that cannot be stored', '$name: String', '{ "name": "\\u0000" }', false],
  ['half of a character', '$name: String', '{ "name": "\\ud800" }', false],
  ['a number for a text', '$name: String', '{ "name": 1 }', false],
  ['a number', '$first: Int', '{ "first": 2147483647 }', true],
  ['a number too large', '$first: Int', '{ "first": 2147483648 }', false],
  ['a text for a number', '$first: Int', '{ "first": "1" }', false],
  ['a flag', '$typing: Boolean!', '{ "typing": true }', true],
  ['a list', '$ids: [ID!]', '{ "ids": ["1", 2] }', true],
  ['an item for a list', '$ids: [ID!]', '{ "ids": "1" }', false],
  ['null in a list', '$ids: [ID!]', '{ "ids": ["1", null] }', false],
  ['a scalar of its own', '$before: DateTime', '{ "before": "2026-01-01T00:00:00Z" }', false],
  ['an input', '$input: SendMessageInput!', '{ "input": { "receiverId": "1", "content": "hello" } }', true],
  ['an input without what it requires', '$input: SendMessageInput!', '{ "input": { "receiverId": "1" } }', false],
  ['an input with more', '$input: SendMessageInput!', '{ "input": { "content": "hello", "more": 1 } }', false],
  ['a prototype', '$input: SendMessageInput!', '{ "input": { "content": "hello", "__proto__": {} } }', false],
  ['a method', '$input: SendMessageInput!', '{ "input": { "content": "hello", "toString": null } }', false],
  ['a text for an input', '$input: SendMessageInput!', '{ "input": "hello" }', false],
]

test.each(cases)('%s', (_, definitions, given, isPlain) => {
  const node = parse(`query (${definitions}) { viewer { id } }`).definitions[0] as OperationDefinitionNode
  const variables = JSON.parse(given) as Record<string, unknown>
  expect(checkOf(schema, node)(variables)).toBe(isPlain)
  if (!isPlain) return
  const coerced = coerceVariables(schema, node, variables, true)
  expect(coerced).toHaveProperty('values')
  expect(problemWithTexts((coerced as { values: Record<string, unknown> }).values)).toBeNull()
})
