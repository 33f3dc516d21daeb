import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = new URL('../../', import.meta.url)
const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.data', '.venv', 'coverage', 'generated'])

/** Every file below a folder of the project, as paths from its root; nothing that was installed or generated. */
export function filesIn(folder: string): string[] {
  return readdirSync(new URL(folder === '' ? '.' : `${folder}/`, ROOT), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (NOT_OURS.has(entry.name)) return []
    return entry.isDirectory() ? filesIn(path) : [path]
  })
}

export const pathOf = (path: string): string => fileURLToPath(new URL(path, ROOT))
export const read = (path: string): string => readFileSync(pathOf(path), 'utf8')

export interface Fence {
  language: string
  code: string
  line: number
  /** Why the tests do not run it: `<!-- not run: reason -->` on the line before. */
  notRun: string | undefined
}

const FENCE = /^( *)(`{3,})(\w*)\n([^]*?)\n\1\2$/gm

/** The fenced code of a page. */
export function fencesOf(text: string): Fence[] {
  return [...text.matchAll(FENCE)].map(({ index, 1: indent = '', 3: language = '', 4: code = '' }) => {
    const before = text.slice(0, index)
    return {
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      line: before.split('\n').length,
      notRun: /<!-- not run: ([^>]+) -->\s*$/.exec(before)?.[1],
    }
  })
}

/** The prose of a page: no fenced code. */
export const proseOf = (text: string): string => text.replaceAll(FENCE, '')

/** The text of each heading, without marks. */
export function headingsOf(text: string): string[] {
  return [...proseOf(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) =>
    heading.replaceAll(/[`*]|\[([^\]]*)\]\([^)]*\)/g, '$1').trim(),
  )
}

/** GitHub's anchors for the headings of a page. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const heading of headingsOf(text)) {
    const plain = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    const anchor = plain.replaceAll(' ', '-')
    let unique = anchor
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`
    anchors.add(unique)
  }
  return anchors
}
