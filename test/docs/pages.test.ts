import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { anchorsOf, fencesOf, filesIn, pathOf, proseOf, read } from '../support/pages.ts'

const PAGES = filesIn('').filter((path) => path.endsWith('.md'))
/** Pages whose commands are run, or say why they are not. */
const CHECKED = PAGES.filter((path) => /^(README|CONTRIBUTING)\.md$|^docs\//.test(path))
/** Files that the reader is to make. */
const MADE = new Set(['deploy/.env'])
const FOLDERS = 'src|test|bench|docs|prisma|deploy|examples'

const problemWithLink = (page: string, target: string): string | null => {
  if (/^[a-z]+:/.test(target)) return URL.canParse(target) ? null : 'is no URL'
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : join(dirname(page), path)
  if (!existsSync(pathOf(file))) return 'is not there'
  if (anchor !== undefined && !anchorsOf(read(file)).has(anchor)) return 'has no such anchor'
  return null
}

test('there are pages', () => {
  expect(PAGES).toEqual(expect.arrayContaining(['README.md', 'docs/README.md', 'docs/protocol.md', 'docs/architecture.md']))
})

test('README.md has at most 250 lines', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(251)
})

test('docs/README.md links to every page of docs/', () => {
  const index = read('docs/README.md')
  for (const page of PAGES.filter((path) => /^docs\/[^/]+\.md$/.test(path) && path !== 'docs/README.md'))
    expect(index).toContain(`](${page.slice('docs/'.length)})`)
})

describe.each(PAGES)('%s', (page) => {
  const text = read(page)

  test('links to what is there', () => {
    const prose = proseOf(text).replaceAll(/`[^`\n]*`/g, '')
    const targets = [...prose.matchAll(/\]\(<?([^)\s>]+)>?\)/g)].map(([, target = '']) => target)
    const problems = targets.flatMap((target) => {
      const problem = problemWithLink(page, target)
      return problem === null ? [] : [`${target} ${problem}`]
    })
    expect(problems).toEqual([])
  })

  test('names paths of the project that are there', () => {
    // Of the past, paths may be named that have gone.
    if (page === 'CHANGELOG.md') return
    const paths = [...proseOf(text).matchAll(new RegExp(`\`((?:${FOLDERS})/[\\w./-]+)\``, 'g'))].map(([, path = '']) => path)
    expect(paths.filter((path) => !MADE.has(path) && !existsSync(pathOf(path)))).toEqual([])
  })
})

test('the functions that docs/architecture.md names are where it says', () => {
  const pairs = [...read('docs/architecture.md').matchAll(/`([\w.]+)`\s+\(`(src\/[^`]+\.ts)`/g)]
  expect(pairs.length).toBeGreaterThan(10)
  const missing = pairs.filter(([, name = '', path = '']) => !new RegExp(`\\b${name.split('.').at(-1)}\\b`).test(read(path)))
  expect(missing.map(([pair]) => pair)).toEqual([])
})

test.each(CHECKED)('every shell command of %s is run by a test, or says why not', (page) => {
  const unmarked = fencesOf(read(page)).filter(
    ({ language, notRun }) => ['sh', 'bash'].includes(language) && notRun === undefined,
  )
  // examples.test.ts runs those of these pages.
  if (['README.md', 'docs/getting-started.md', 'docs/protocol.md', 'docs/clients.md'].includes(page)) return
  expect(unmarked.map(({ line, code }) => `line ${line}: ${code.split('\n')[0]}`)).toEqual([])
})
