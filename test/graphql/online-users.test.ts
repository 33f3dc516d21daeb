import { describe, expect, test } from 'vitest'
import type { OperationContext } from '../../src/graphql/context.ts'
import { adminQueries } from '../../src/graphql/resolvers/admin-queries.ts'

const USERS = 20_000
/** Every fourth user is online: more than one statement looks up. */
const isOnline = (id: number): boolean => id % 4 === 0
const everyone = Array.from({ length: USERS / 4 }, (_, index) => 4 * (index + 1))

interface Page {
  edges: { node: { id: number } }[]
  pageInfo: { hasNextPage: boolean; endCursor: string }
}
type Users = (root: unknown, args: object, context: OperationContext) => Promise<Page>
type Filter = { search: string | undefined; ids?: readonly number[] }

/** Users whose names are their numbers, as the store pages through them. */
function createDirectory() {
  const calls: Filter[] = []
  const directory = (filter: Filter, after: number, limit: number) => {
    calls.push(filter)
    const { search = '', ids } = filter
    const all = ids ?? Array.from({ length: USERS }, (_, index) => index + 1)
    return Promise.resolve(all.flatMap((id) => (id > after && String(id).includes(search) ? [{ id }] : [])).slice(0, limit))
  }
  const presence = {
    // In no order, as the nodes report them.
    everyone: () => Promise.resolve(everyone.toReversed()),
    online: (ids: readonly number[]) => Promise.resolve(new Set(ids.filter(isOnline))),
  }
  const chat = { reads: { directory }, presence }
  return { calls, context: { viewer: { isAdmin: true }, chat, turn: () => undefined } as unknown as OperationContext }
}

describe('more users online than one statement looks up', () => {
  test.each([
    ['without a name', undefined, 1],
    ['a name that many have', '1', 1],
    ['a name that few have', '999', 2],
    ['a name that nobody has', 'x', 2],
    ['a name of the last one', '20000', 2],
  ])('%s: pages with each of them once, in order', async (_, search, statements) => {
    for (const online of [true, false]) {
      const { calls, context } = createDirectory()
      const ids: number[] = []
      let after: string | null = null
      do {
        const page: Page = await (adminQueries.users as Users)({}, { search, online, first: 100, after }, context)
        ids.push(...page.edges.map(({ node }) => node.id))
        if (online && after === null) expect(calls).toHaveLength(statements)
        after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null
      } while (after !== null)
      const expected = Array.from({ length: USERS }, (_, index) => index + 1).filter(
        (id) => isOnline(id) === online && String(id).includes(search ?? ''),
      )
      expect(ids).toEqual(expected)
    }
  })
})
