import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** A figure of throughput, CPU time or memory of what the benchmarks count. */
const FIGURE =
  /\d (?:us|µs|ms|KiB|kB) (?:of CPU )?(?:a|for each|per) |\d (?:deliveries|messages|connections)(?: a second|\/s)|\d a second \(/

describe('the figures of the benchmarks', () => {
  test('in docs/benchmarks.md are those of bench/results', () => {
    const script = fileURLToPath(new URL('../../bench/figures.js', import.meta.url))
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow()
  })

  test.each(['README.md', 'docs/operations.md'])('are not told by hand in %s, which links to the page', (path) => {
    // Tables that are made from the results can't differ from them.
    const text = read(path).replaceAll(/<!-- table: [^]*?<!-- end of table -->/g, '')
    expect(text.split('\n').filter((line) => FIGURE.test(line))).toEqual([])
    expect(text).toContain('benchmarks.md')
  })
})
