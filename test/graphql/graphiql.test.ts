import { getVariableValues, Kind, parse, validate, type OperationDefinitionNode } from 'graphql'
import { expect, test } from 'vitest'
import { ADMIN_EXAMPLES } from '../../src/graphql/graphiql/admin-examples.ts'
import { EXAMPLES, renderGraphiqlPage } from '../../src/graphql/graphiql/graphiql.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { startApp, tokenOf } from '../support/app.ts'
import { connectHttp } from '../support/graphql-client.ts'

const schema = createSchema()

const operationOf = (query: string): OperationDefinitionNode => {
  const operations = parse(query).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  expect(operations).toHaveLength(1)
  return operations[0] as OperationDefinitionNode
}

const cases = EXAMPLES.map((example) => [operationOf(example.query).name?.value ?? '', example] as const)

test.each(cases)(
  'the example %s is valid, with its variables and a comment that says what it shows',
  (name, { query, variables }) => {
    expect(name).not.toBe('')
    expect(query).toMatch(/^# /)
    expect(validate(schema, parse(query))).toEqual([])
    const { variableDefinitions } = operationOf(query)
    expect(getVariableValues(schema, variableDefinitions ?? [], variables ?? {}).errors).toBeUndefined()
    const declared = (variableDefinitions ?? []).map(({ variable }) => variable.name.value)
    expect(Object.keys(variables ?? {})).toEqual(declared)
  },
)

test('GraphiQL shows the first example without its variables, so it has none', () => {
  expect(EXAMPLES[0]?.variables).toBeUndefined()
})

test('the page carries the token once, as the header of every tab', () => {
  const page = renderGraphiqlPage('a.b.c')
  expect(page.split('a.b.c')).toHaveLength(2)
  expect(page).toContain(JSON.stringify(JSON.stringify({ Authorization: 'Bearer a.b.c' }, null, 2)))
})

test('what is put into the page can’t end its script', () => {
  expect(renderGraphiqlPage('</script>')).not.toContain('Bearer </script>')
})

test('the page loads nothing from elsewhere', () => {
  const page = renderGraphiqlPage('a.b.c')
  expect(page).not.toMatch(/<(script|link|img|iframe)[^>]+(src|href)="?(https?:)?\/\//i)
  expect(page).not.toMatch(/url\(["']?(https?:)?\/\//i)
})

test('the examples of an admin’s day run on the demo’s data', async () => {
  const app = await startApp({ DEMO: '1' })
  try {
    const admin = connectHttp(app.graphqlUrl, tokenOf({ userId: 100, name: 'Admin', isAdmin: true }))
    const results = new Map<string, unknown>()
    for (const [name, { query, variables = {} }] of cases.filter(([, example]) => ADMIN_EXAMPLES.includes(example)))
      results.set(name, await admin.data(query, variables))
    expect(results.get('FindUser')).toMatchObject({ users: { edges: [{ node: { id: '6', name: 'Rob Bot' } }] } })
    expect(results.get('TakeAway')).toEqual({ deleteMessagesOf: 1 })
    expect(results.get('Reports')).toMatchObject({
      reports: { edges: [{ node: { status: 'OPEN', reporter: { name: 'Dana Levy' }, message: { sender: { id: '6' } } } }] },
    })
    expect(results.get('AnswerReport')).toMatchObject({ resolveReport: { status: 'ACTED', resolvedBy: { name: 'Admin' } } })
    expect(JSON.stringify(results.get('AuditLog'))).toMatch(/resolveReport.*banUser/)
    const banned = await admin.data('{ users(banned: true) { edges { node { name } } } }')
    expect(banned).toEqual({ users: { edges: [{ node: { name: 'Rob Bot' } }] } })
  } finally {
    await app.stop()
  }
})
