import { buildSchema, execute, parse, type GraphQLSchema } from 'graphql'
import { describe, expect, test } from 'vitest'
import { Answer } from '../../src/graphql/answer.ts'
import type { OperationContext } from '../../src/graphql/context.ts'
import { compile } from '../../src/graphql/execute.ts'
import { meter } from '../../src/graphql/metering.ts'

/** Lists of all kinds; `page` is as the resolvers of pages make them. */
const SCHEMA = `
  type Query { numbers(count: Int!): [Int!]! items(count: Int!): [Item!]! page(count: Int!): Page! }
  type Item { a: Int b: Int c: Int d: Int e: Int own: Item! items(count: Int!): [Item!]! }
  type Page { edges: [Edge!]! }
  type Edge { node: Item! }
`
const FIELDS = 'a b c d e'

const itemsOf = ({ count }: { count: number }): object[] => Array.from({ length: count }, () => ITEM)
const ITEM = { a: 1, b: 2, c: 3, d: 4, e: 5, items: itemsOf, own: () => ITEM }
const ROOT = {
  numbers: ({ count }: { count: number }) => Array.from({ length: count }, () => 1),
  items: itemsOf,
  page: (args: { count: number }) => ({ edges: itemsOf(args).map((node) => ({ node })) }),
}

const schema = meter(withArguments(buildSchema(SCHEMA)))

/** graphql-jit calls no functions of a parent by itself. */
function withArguments(built: GraphQLSchema): GraphQLSchema {
  for (const type of ['Query', 'Item'])
    for (const field of Object.values((built.getType(type) as ReturnType<GraphQLSchema['getQueryType']> & object).getFields()))
      field.resolve = (source: Record<string, unknown>, args: unknown) => {
        const value = source[field.name]
        return typeof value === 'function' ? (value as (given: unknown) => unknown)(args) : value
      }
  return built
}

/** Executes a query in turns that the test gives; resolves with the units of each, and the data. */
async function turnsOf(query: string, { compiled = false } = {}): Promise<{ units: number[]; data: unknown }> {
  const units: number[] = []
  const context = {
    answer: new Answer(1_000_000),
    turn(wanted: number) {
      units.push(wanted)
      return new Promise((resolve) => setImmediate(resolve))
    },
  } as unknown as OperationContext
  const document = parse(query)
  const [node] = document.definitions
  const result = compiled
    ? await compile(schema, document, node as Parameters<typeof compile>[2])(ROOT, context, {})
    : await execute({ schema, document, rootValue: ROOT, contextValue: context })
  expect(result.errors).toBeUndefined()
  return { units, data: JSON.parse(JSON.stringify(result.data)) as unknown }
}

describe('the items of a list are resolved in the turns of their viewer', () => {
  test('however short the list, and as often as it is asked for', async () => {
    const { units } = await turnsOf(`{ ${Array.from({ length: 20 }, (_, n) => `a${n}: items(count: 3) { a }`).join(' ')} }`)
    expect(units).toHaveLength(20)
  })

  test('by how many fields of them are asked for, in fragments too, and lists in them by themselves', async () => {
    expect((await turnsOf(`{ items(count: 10) { ${FIELDS} } }`)).units).toEqual([5])
    expect((await turnsOf(`{ items(count: 10) { own { ${FIELDS} } ${FIELDS} } }`)).units).toEqual([11])
    const fragments = `fragment F on Item { ...G own { ...G } } fragment G on Item { ${FIELDS} }`
    expect((await turnsOf(`{ items(count: 10) { ...F ... on Item { a } } } ${fragments}`)).units).toEqual([12])
    const { units } = await turnsOf(`{ items(count: 2) { items(count: 30) { ${FIELDS} } } }`)
    expect(units).toEqual([1, 15, 15])
    expect((await turnsOf('{ numbers(count: 1000) }')).units).toEqual([100])
  })

  test('of a page what its own turn does not count', async () => {
    expect((await turnsOf('{ page(count: 100) { edges { node { a } } } }')).units).toEqual([])
    expect((await turnsOf(`{ page(count: 50) { edges { node { ${FIELDS} own { ${FIELDS} } } } } }`)).units).toEqual([10])
  })

  test.each([false, true])('in parts where one turn would be long, and all of them arrive (compiled: %s)', async (compiled) => {
    const { units, data } = await turnsOf(`{ items(count: 1000) { ${FIELDS} } }`, { compiled })
    expect(units).toEqual([100, 100, 100, 100, 100])
    expect(data).toEqual({ items: Array.from({ length: 1000 }, () => ({ a: 1, b: 2, c: 3, d: 4, e: 5 })) })
  })

  test('an empty list takes none', async () => {
    expect(await turnsOf('{ items(count: 0) { a } }')).toEqual({ units: [], data: { items: [] } })
  })
})
