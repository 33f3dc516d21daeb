import { IMPORT_TYPES, type ImportType } from '../chat/import/lines.ts'
import type { RecordOutcome } from '../chat/import/import.ts'
import type { ImportProgress } from '../store/imported.ts'
import { clockTime, type Output, print } from './terminal.ts'

const OUTCOMES = ['added', 'changed', 'present', 'bad'] as const
type Outcome = (typeof OUTCOMES)[number]

/** Lines by type and outcome; `unreadable` are those whose type is unknown. */
export type Counts = Record<ImportType | 'unreadable', Record<Outcome, number>>

export const noCounts = (): Counts =>
  Object.fromEntries(
    [...IMPORT_TYPES, 'unreadable'].map((type) => [type, { added: 0, changed: 0, present: 0, bad: 0 }]),
  ) as Counts

export function countLines(outcomes: readonly Pick<RecordOutcome, 'type' | 'status'>[], unreadable: number): Counts {
  const counts = noCounts()
  for (const { type, status } of outcomes) counts[type][status]++
  counts.unreadable.bad = unreadable
  return counts
}

/** `stored` may come from another version, which knew fewer types. */
export function addCounts(counts: Counts, stored: Partial<Counts>): Counts {
  const sum = noCounts()
  for (const type of Object.keys(sum) as (keyof Counts)[])
    for (const outcome of OUTCOMES) sum[type][outcome] = counts[type][outcome] + (stored[type]?.[outcome] ?? 0)
  return sum
}

export const countOf = (counts: Counts, outcome: Outcome): number =>
  Object.values(counts).reduce((sum, count) => sum + count[outcome], 0)

/** What earlier runs did with the beginning of the file. */
export type Earlier = Pick<ImportProgress, 'lines' | 'bad' | 'counts'>
export const NO_EARLIER: Earlier = { lines: 0, bad: 0, counts: {} }

/** Columns with their titles. */
export type Titles = Partial<Record<Outcome, string>>
export const STORED: Titles = { added: 'stored', changed: 'changed', present: 'there already', bad: 'bad' }
export const CHECKED: Titles = { present: 'good', bad: 'bad' }

/** Prints the outcomes of this run's lines, and of all lines unless it was the first run. */
export function summarize(to: Output, counts: Counts, titles: Titles, lines: number, since: number, earlier: Earlier): void {
  const isResumed = earlier.lines > 0
  printTable(to, isResumed ? 'this run' : '', counts, titles)
  // Null where a version interrupted it that did not keep them.
  if (isResumed && earlier.counts) printTable(to, 'in total', addCounts(counts, earlier.counts), titles)
  const seconds = (Date.now() - since) / 1000
  const rate = `${clockTime(seconds)}, ${Math.round(lines / Math.max(seconds, 0.001))}/s`
  print(to, `${lines} lines ${isResumed ? 'by this run ' : ''}in ${rate}`)
  if (!isResumed) return
  const bad = countOf(counts, 'bad') + earlier.bad
  const all = lines + earlier.lines
  print(to, `${all} lines in total, ${earlier.lines} of them by the runs before: ${all - bad} good, ${bad} bad`)
}

function printTable(to: Output, heading: string, counts: Counts, titles: Titles): void {
  const row = (name: string, cells: (string | number)[]): void =>
    print(to, [name.padEnd(12), ...cells.map((cell) => String(cell).padStart(14))].join(''))
  const columns = OUTCOMES.filter((outcome) => titles[outcome] !== undefined)
  row(
    heading,
    columns.map((column) => titles[column] as string),
  )
  for (const [type, count] of Object.entries(counts)) {
    if (OUTCOMES.some((outcome) => count[outcome] > 0))
      row(
        type,
        columns.map((column) => count[column]),
      )
  }
}
