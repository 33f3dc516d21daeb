import { buildSchema, parse, type OperationDefinitionNode } from 'graphql'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { OperationContext } from '../../src/graphql/context.ts'
import { createDocuments } from '../../src/graphql/documents.ts'
import type { Execute } from '../../src/graphql/execute.ts'
import { HotOperations } from '../../src/graphql/hot-operations.ts'
import { createSchema } from '../../src/graphql/schema.ts'

/** More than any is interpreted before it is compiled. */
const OFTEN = 300

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const context = {} as OperationContext

describe('which operations are compiled', () => {
  const schema = buildSchema('type Query { hello(name: String): String }')
  const document = parse('query ($name: String) { hello(name: $name) }')
  const node = document.definitions[0] as OperationDefinitionNode
  const facts = { tokens: 10, cost: 1, usesIntrospection: false, check: () => true }
  let fakes = 0
  const fake: Execute = () => ({ data: { hello: 'compiled' } })
  const hot = (): HotOperations => {
    fakes = 0
    return new HotOperations(() => {
      fakes++
      return fake
    })
  }
  const isCompiled = (execute: Execute, variables = {}): boolean => {
    const result = execute({ hello: 'interpreted' }, context, variables)
    if (!('data' in result)) throw new Error('not synchronous')
    return result.data?.['hello'] === 'compiled'
  }
  const often = (execute: Execute): boolean[] => Array.from({ length: OFTEN }, () => isCompiled(execute))

  test('those that are executed often, from then on', () => {
    const outcomes = often(hot().executorOf(schema, document, node, facts))
    expect(outcomes.slice(0, 100)).not.toContain(true)
    expect(outcomes.slice(-50)).not.toContain(false)
    expect(fakes).toBe(1)
  })

  test.each([
    ['of a large document', { tokens: 1000 }],
    ['that may resolve many fields', { cost: 1000 }],
    ['whose size depends on variables', { cost: () => 1 }],
    ['that ask for the schema', { usesIntrospection: true }],
  ])('never those %s', (_, other) => {
    expect(often(hot().executorOf(schema, document, node, { ...facts, ...other }))).not.toContain(true)
    expect(fakes).toBe(0)
  })

  test('not for variables that may be of other types, on which the interpreter decides', () => {
    const check = ({ name }: Record<string, unknown>): boolean => name !== 'unclear'
    const execute = hot().executorOf(schema, document, node, { ...facts, check })
    expect(often(execute)).toContain(true)
    expect(isCompiled(execute, { name: 'unclear' })).toBe(false)
    expect(isCompiled(execute, { name: 'clear' })).toBe(true)
  })

  test('one in a second, whatever clients send', () => {
    const operations = hot()
    const executors = Array.from({ length: 5 }, () => operations.executorOf(schema, document, node, facts))
    for (const execute of executors) often(execute)
    expect(fakes).toBe(1)
    for (let second = 0; second < 10; second++) {
      vi.advanceTimersByTime(1000)
      for (const execute of executors) often(execute)
    }
    expect(fakes).toBe(5)
  })

  test('a bounded number, of which the oldest is given up for a new one', () => {
    const operations = hot()
    const executors = Array.from({ length: 65 }, () => operations.executorOf(schema, document, node, facts))
    for (const execute of executors) {
      vi.advanceTimersByTime(1000)
      often(execute)
    }
    const [first, ...others] = executors.map((execute) => isCompiled(execute))
    expect(first).toBe(false)
    expect(others).not.toContain(false)
  })

  test('one that can’t be compiled is interpreted, and not tried again', () => {
    let tries = 0
    const operations = new HotOperations(() => {
      tries++
      throw new Error('not this one')
    })
    const execute = operations.executorOf(schema, document, node, facts)
    for (let second = 0; second < 3; second++) {
      expect(often(execute)).not.toContain(true)
      vi.advanceTimersByTime(1000)
    }
    expect(tries).toBe(1)
  })
})

describe('a compiled operation answers as an interpreted one', () => {
  const schema = createSchema()
  const message = {
    id: 1,
    conversationId: 'direct_1_2',
    senderId: 1,
    senderName: 'Ann',
    senderAvatar: null,
    content: 'hi',
    at: 0,
  }
  const sending = (send: () => unknown): OperationContext =>
    ({ chat: { messages: { send } }, viewer: { userId: 1 }, answer: { addText: (text: string) => text } }) as never
  const SEND = `mutation ($input: SendMessageInput!, $short: Boolean = false) {
    sendMessage(input: $input) { id text: content ... on Message @skip(if: $short) { conversation { id } sender { name } } }
  }`
  const input = { receiverId: 2, content: 'hi' }
  const fails = (): never => {
    throw new Error('no database')
  }

  test.each<[what: string, variables: object, send: () => unknown]>([
    ['a result at once', { input }, () => message],
    ['a result later', { input }, () => Promise.resolve(message)],
    ['a condition', { input, short: true }, () => message],
    ['an exception', { input }, fails],
    ['a rejection', { input }, () => Promise.reject(new Error('no database'))],
    ['a null where none may be', { input }, () => ({ ...message, content: null })],
    ['an absent variable', {}, () => message],
    ['a variable of another type', { input: { ...input, content: 1 } }, () => message],
  ])('%s', async (_, variables, send) => {
    const execute = executorOf(SEND)
    const answer = async (): Promise<unknown> => {
      const { data, errors } = await execute(undefined, sending(send), variables as Record<string, unknown>)
      return JSON.parse(
        JSON.stringify({ data, errors: errors?.map(({ path, originalError }) => ({ path, is: String(originalError) })) }),
      )
    }
    const first = await answer()
    for (let n = 0; n < OFTEN; n++)
      await execute(
        undefined,
        sending(() => message),
        { input },
      )
    expect(await answer()).toEqual(first)
  })

  test('a mutation with several fields carries out none after one that failed', async () => {
    const execute = executorOf(
      'mutation { a: sendMessage(input: { receiverId: 2, content: "hi" }) { id } b: sendMessage(input: { receiverId: 2, content: "hi" }) { id } }',
    )
    for (let n = 0; n < OFTEN; n++)
      await execute(
        undefined,
        sending(() => message),
        {},
      )
    let sends = 0
    const send = (): never => {
      sends++
      throw new Error('no database')
    }
    await execute(undefined, sending(send), {})
    expect(sends).toBe(1)
  })

  function executorOf(text: string): Execute {
    const { operations, errors } = createDocuments(schema, { suggestions: false })(text)
    expect(errors).toEqual([])
    return (operations.values().next().value as { execute: Execute }).execute
  }
})
