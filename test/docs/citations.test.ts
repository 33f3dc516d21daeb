import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesIn, headingsOf, pathOf, read } from '../support/pages.ts'

const FILES = filesIn('')
const NAMES = new Set(FILES.map((path) => basename(path)))
const SOURCES = FILES.filter((path) => /^(src|test|bench)\/.*\.(ts|js|mjs|cjs|graphql)$/.test(path))

/** The comments of a source, each as one line. */
function commentsOf(path: string): string[] {
  const pattern = path.endsWith('.graphql') ? /^\s*#.*$/gm : /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm
  return [...read(path).matchAll(pattern)].map(([text]) => text.replaceAll(/\n\s*(\*|\/\/|#)?\s*/g, ' '))
}

const isThere = (path: string): boolean => existsSync(pathOf(path))

/** What a comment cites and is not there. */
function missingIn(comment: string, path: string): string[] {
  const missing: string[] = []
  for (const [cited] of comment.matchAll(/(?<![\w/.-])(?:docs|src|test|bench|prisma|deploy|examples)\/[\w./-]*[\w/]/g))
    if (!isThere(cited) && !isThere(join(dirname(path), cited))) missing.push(cited)
  // A name alone is that of a file somewhere in the project.
  for (const [cited] of comment.matchAll(/(?<![\w/.*-])[\w.-]+\.(?:md|ts|graphql|prisma|mjs|cjs)\b(?!\/)/g))
    if (!NAMES.has(cited)) missing.push(cited)
  for (const [, page = '', what = ''] of comment.matchAll(
    /\b(docs\/[\w-]+\.md), ((?:sections?|rules?) [\d. ,toand]*\d|[A-Z][^).;,]*)/g,
  )) {
    if (!isThere(page)) continue
    const headings = headingsOf(read(page))
    const [, kind, numbers = ''] = /^(section|rule)s? (.+)$/.exec(what) ?? []
    const wanted = kind === undefined ? [what] : (numbers.match(/\d+(?:\.\d+)*/g) ?? [])
    const isHeading = (each: string): boolean =>
      headings.some((heading) =>
        kind === undefined ? heading === each : new RegExp(`^${kind === 'rule' ? 'Rule ' : ''}${each}[.: ]`).test(heading),
      )
    missing.push(...wanted.filter((each) => !isHeading(each)).map((each) => `${page}, ${kind ?? ''} ${each}`))
  }
  if (/\brules? \d/.test(comment) && !comment.includes('docs/architecture.md'))
    missing.push('a rule without docs/architecture.md')
  return missing
}

describe('what a comment cites', () => {
  test.each(['src', 'test', 'bench'])('is there: %s/', (folder) => {
    const sources = SOURCES.filter((path) => path.startsWith(`${folder}/`))
    expect(sources.length).toBeGreaterThan(10)
    const missing = sources.flatMap((path) =>
      commentsOf(path).flatMap((comment) => missingIn(comment, path).map((cited) => `${path}: ${cited}`)),
    )
    expect(missing).toEqual([])
  })

  test('that is not there is noticed', () => {
    const of = (comment: string): string[] => missingIn(comment, 'src/app.ts')
    expect(of('// as docs/protocol.md, section 3.1, and docs/architecture.md, rule 2, say (docs/graphql.md, Groups)')).toEqual([])
    expect(of('// see docs/nothing.md')).toEqual(['docs/nothing.md'])
    expect(of('// see docs/protocol.md, sections 1 to 99')).toEqual(['docs/protocol.md, section 99'])
    expect(of('// see docs/architecture.md, rule 6')).toEqual(['docs/architecture.md, rule 6'])
    expect(of('// (docs/graphql.md, Unicorns)')).toEqual(['docs/graphql.md,  Unicorns'])
    expect(of('// as in unicorns.ts')).toEqual(['unicorns.ts'])
    expect(of('// as rule 2 says')).toEqual(['a rule without docs/architecture.md'])
  })
})
