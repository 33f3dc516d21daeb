import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { RULES } from './checker.ts'
import { MUTATIONS } from './mutations.ts'

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

/** Promises that no simulation can try, and the tests that do. */
const TRIED_ELSEWHERE: Readonly<Record<string, string>> = { 'The embedded database': 'test/end-to-end' }

const firstColumn = (table: string): string[] =>
  Array.from(table.matchAll(/^\| ([^|]+?) +\|/gm), ([, cell]) => cell as string).filter(
    (cell) => !/^(-+|guarantee|rule)$/.test(cell),
  )

test('every guarantee of the documentation has a rule', async () => {
  const text = await read('docs/guarantees.md')
  const inShort = text.slice(text.indexOf('## In short'), text.indexOf('## Message ids'))
  const rules = new Set(Object.values(RULES).map(({ guarantee }) => guarantee))
  const sections = Array.from(text.matchAll(/^## (.+)$/gm), ([, title]) => title as string).filter(
    (title) => title !== 'In short',
  )
  const missing = [...firstColumn(inShort), ...sections].filter((each) => !rules.has(each) && !(each in TRIED_ELSEWHERE))
  expect(missing).toEqual([])
})

test('every rule is of a guarantee of the documentation, and is listed there', async () => {
  const [guarantees, simulation] = await Promise.all([read('docs/guarantees.md'), read('docs/simulation.md')])
  for (const [rule, { guarantee }] of Object.entries(RULES)) {
    expect(guarantees).toContain(guarantee)
    expect(firstColumn(simulation)).toContain(rule)
  }
})

test('every planted fault still has its place, once, and breaks a rule', async () => {
  for (const { name, file, from, breaks } of MUTATIONS) {
    expect({ name, count: (await read(file)).split(from).length - 1 }).toEqual({ name, count: 1 })
    expect(breaks.filter((rule) => !(rule in RULES))).toEqual([])
  }
})
