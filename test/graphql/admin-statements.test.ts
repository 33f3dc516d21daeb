import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ADMIN_EXAMPLES } from '../../src/graphql/graphiql/admin-examples.ts'
import { startApp, type TestApp, type TestUser } from '../support/app.ts'
import { copyServerDatabase, dropServerDatabase, skipServer } from '../support/database.ts'
import { createGroup, people, run, say } from '../support/people.ts'

/** How many statements an example tab takes: as many for many rows as for one. */
describe.skipIf(skipServer)('the queries of an admin’s day', () => {
  let url: string
  let app: TestApp
  let statements: ReturnType<typeof vi.spyOn>
  beforeAll(async () => {
    url = await copyServerDatabase()
    app = await startApp({ DATABASE_URL: url })
    statements = vi.spyOn(pg.Client.prototype, 'query')
  })
  afterAll(async () => {
    statements.mockRestore()
    await app.stop()
    await dropServerDatabase(url)
  })

  /** The fewest of some runs: what the server does besides, now and then, is not the query's. */
  async function countOf(query: string, variables: Record<string, unknown>): Promise<number> {
    let fewest = Infinity
    for (let count = 0; count < 4; count++) {
      statements.mockClear()
      await app.admin.data(query, variables)
      fewest = Math.min(fewest, statements.mock.calls.length)
    }
    return fewest
  }

  /** Another conversation of Ann's with a reported message, a group, and a ban. */
  async function addMore(ann: TestUser): Promise<void> {
    const { bob, cat } = await people(app, 'bob', 'cat')
    const message = await say(app, bob, ann, 'reported')
    await run(app, ann, `reportMessage(messageId: "${message}", reason: "x") { id }`)
    const { conversation } = await createGroup(app, bob, [ann, cat])
    await say(app, cat, conversation, 'in the group')
    await app.admin.data(`mutation { banUser(userId: "${cat.id}", reason: "x") { id } }`)
  }

  test('take as many statements for 15 times as many rows', async () => {
    const { ann } = await people(app, 'ann')
    const socket = app.graphqlWs(ann)
    await socket.data('{ viewer { id } }')
    await addMore(ann)
    const queries = ADMIN_EXAMPLES.filter(({ query }) => /^query /m.test(query)).map(({ query, variables = {} }) => ({
      name: /query (\w+)/.exec(query)?.[1] ?? '',
      query,
      variables: 'userId' in variables ? { ...variables, userId: String(ann.id) } : variables,
    }))
    expect(queries.length).toBeGreaterThan(5)
    const count = async (): Promise<Record<string, number>> => {
      const counts: Record<string, number> = {}
      for (const { name, query, variables } of queries) counts[name] = await countOf(query, variables)
      return counts
    }
    const few = await count()
    for (let times = 0; times < 14; times++) await addMore(ann)
    expect(await count()).toEqual(few)
    for (const [name, statementsOfIt] of Object.entries(few)) expect(statementsOfIt, name).toBeLessThanOrEqual(10)
  })
})
