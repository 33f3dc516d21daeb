import { expect, test } from 'vitest'
import { describeOwnEngines } from '../support/database.ts'

describeOwnEngines((on) => {
  test('names are found in every range of ids, page by page, whatever is between them', async () => {
    const { store, query } = on()
    // More than are scanned; what is looked for lies behind them, at the edges of the ranges, in a cluster, and at the largest id.
    await query(`INSERT INTO users (id, name) SELECT 5000000 + i, 'Filler ' || i FROM generate_series(1, 2100) i`)
    const edges = [13, 16].flatMap((level) => [0, 1, 2, 3].flatMap((n) => [-1, 0, 1].map((d) => (620 + n) * 2 ** level + d)))
    const cluster = Array.from({ length: 60 }, (_, i) => 70_000_000 + i)
    const ids = [...new Set([...edges, ...cluster, 2_147_483_647].filter((id) => id > 5_002_100))].toSorted((a, b) => a - b)
    await query(`INSERT INTO users (id, name) SELECT i, 'Qæ王x user' FROM unnest('{${ids.join(',')}}'::int[]) i`)
    for (const search of ['q', 'QÆ', '王x', 'qæ王X use', 'Qæ王x user']) {
      const found: number[] = []
      for (let page; page === undefined || page.length > 0; found.push(...page))
        page = (await store.directory.users({ search }, found.at(-1) ?? 5_000_000, 7)).map(({ id }) => id)
      expect(found, search).toEqual(ids)
    }
    for (const search of ['qæ王xx', 'x王', 'user q'])
      expect(await store.directory.users({ search }, 5_000_000, 7), search).toEqual([])
  })
})
