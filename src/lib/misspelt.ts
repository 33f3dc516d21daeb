/** An unknown variable, and the setting that it probably means. */
export interface Misspelt {
  readonly got: string
  readonly meant: string
}

/** Short names are close to unrelated ones. */
const LONG_NAME = 7

const plain = (name: string): string => name.toUpperCase().replaceAll(/[^A-Z\d]/g, '')

/** Variables whose names are close to settings that are not set. */
export function findMisspelt(env: NodeJS.ProcessEnv, settings: ReadonlySet<string>): Misspelt[] {
  const absent = [...settings].filter((name) => (env[name] ?? '') === '').map((name) => ({ name, text: plain(name) }))
  const found: Misspelt[] = []
  for (const [got, value = ''] of Object.entries(env)) {
    if (value === '' || settings.has(got)) continue
    const text = plain(got)
    let closest: { meant: string; edits: number } | undefined
    for (const { name, text: other } of absent) {
      const most = other.length < LONG_NAME ? 1 : 2
      if (Math.abs(text.length - other.length) > most) continue
      const edits = countEdits(text, other)
      if (edits <= most && edits < (closest?.edits ?? Infinity)) closest = { meant: name, edits }
    }
    if (closest) found.push({ got, meant: closest.meant })
  }
  return found
}

/** Characters added, dropped or replaced, or swapped with the next one. */
function countEdits(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const at = (cells: number[], index: number): number => cells[index] ?? Infinity
      row.push(
        Math.min(
          at(last, j) + 1,
          at(row, j - 1) + 1,
          at(last, j - 1) + (isSame ? 0 : 1),
          isSwapped ? at(beforeLast, j - 2) + 1 : Infinity,
        ),
      )
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? Infinity
}

/** The message for the user. */
export const describeMisspelt = ({ got, meant }: Misspelt): string => `${got} is not a setting, perhaps ${meant} is meant`
