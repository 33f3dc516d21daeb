/** `npm run map`: who imports whom, cycles, and the longest functions and files. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from './command.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SHOWN = 10
/** Shorter functions are not listed. */
const FUNCTION_LINES = 30
const FILE_LINES = 100
const IMPORT = /^(?:import|export)\s[^'"]*?from\s+'(\.[^']+)'|^import\s+'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm

const HELP = `Prints a map of the code: the files in src/ itself, which folder imports which, cycles of files, and the longest functions and
files as the linter counts them (no blank lines, no comments).

  npm run map

It takes no options but --help, needs no server and reads no settings.

Example:
  npm run map`

interface Import {
  readonly to: string
  readonly isType: boolean
}

type Graph = ReadonlyMap<string, readonly Import[]>

/** Whether an import is of types only: `import type ...`, or `type` before each name. */
function isOfTypes(statement: string): boolean {
  if (/^(import|export) type\b/.test(statement)) return true
  const names = /\{([^}]*)\}/
    .exec(statement)?.[1]
    ?.split(',')
    .filter((name) => name.trim() !== '')
  return names !== undefined && names.every((name) => name.trim().startsWith('type '))
}

/** The imports of each source file. */
function readImports(): Graph {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts') && !path.includes('generated/'))
    .toSorted()
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(ROOT, 'src', file), 'utf8')
      const imports = [...text.matchAll(IMPORT)].map((match): Import => {
        const path = match[1] ?? match[2] ?? match[3] ?? ''
        return { to: posix.join(dirname(file), path), isType: isOfTypes(match[0]) }
      })
      return [file, imports.filter(({ to }) => files.includes(to))]
    }),
  )
}

/** The folder in src/, or the file's name if it is directly in src/. */
const layerOf = (file: string): string => (file.includes('/') ? `${file.split('/', 1)[0]}/` : file)

/** Imports by folder; in parentheses if they are of types only. */
function layers(graph: Graph): string[] {
  const found = new Map<string, Map<string, boolean>>()
  for (const [file, imports] of graph) {
    const from = layerOf(file)
    const targets = found.get(from) ?? new Map<string, boolean>()
    found.set(from, targets)
    for (const { to, isType } of imports) {
      const layer = layerOf(to)
      if (layer !== from) targets.set(layer, (targets.get(layer) ?? true) && isType)
    }
  }
  return [...found].map(([from, targets]) => {
    const names = [...targets].toSorted(([a], [b]) => a.localeCompare(b)).map(([to, isType]) => (isType ? `(${to})` : to))
    return `  ${from.padEnd(18)}${names.join(' ') || 'nothing'}`
  })
}

/** One cycle for each file that closes one; type imports count. */
function cycles(graph: Graph): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) return void found.push(`  ${[...path.slice(at), file].join(' -> ')}`)
    if (done.has(file)) return
    for (const { to } of graph.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found.length > 0 ? found : ['  none']
}

interface Diagnostic {
  message: string
  code: string
  filename: string
  labels: { span: { line: number } }[]
}

/** The longest functions and files, by the linter's own rules. */
function longest(): { functions: string[]; files: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'parley-map-'))
  try {
    const config = join(folder, 'oxlint.json')
    const rule = (max: number): unknown => ['error', { max, skipBlankLines: true, skipComments: true }]
    const rules = { 'max-lines-per-function': rule(FUNCTION_LINES), 'max-lines': rule(FILE_LINES) }
    writeFileSync(config, JSON.stringify({ rules, categories: { correctness: 'off' } }))
    const { diagnostics } = JSON.parse(lint(config)) as { diagnostics: Diagnostic[] }
    const lines = (name: string): string[] =>
      diagnostics
        .filter(({ code, filename }) => code.includes(`(${name})`) && !filename.includes('generated'))
        .map(({ message, filename, labels }) => ({
          count: Number(/\((\d+)\)/.exec(message)?.[1]),
          where: name === 'max-lines' ? filename : `${filename}:${labels[0]?.span.line} ${/`([^`]+)`/.exec(message)?.[1] ?? ''}`,
        }))
        .toSorted((a, b) => b.count - a.count)
        .slice(0, SHOWN)
        .map(({ count, where }) => `  ${String(count).padStart(4)}  ${where.trimEnd()}`)
    return { functions: lines('max-lines-per-function'), files: lines('max-lines') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The linter's report; it exits with an error because there is something to report. */
function lint(config: string): string {
  const script = join(ROOT, 'node_modules/oxlint/bin/oxlint')
  try {
    return execFileSync(process.execPath, [script, '-c', config, '--format', 'json', 'src'], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

await runCommand(
  {
    help: HELP,
    options: {},
    readsSettings: false,
    async run(given) {
      given.finish()
      const graph = readImports()
      const own = [...graph.keys()].filter((file) => !file.includes('/'))
      const { functions, files } = longest()
      const parts = [
        [`${own.length} files in src/ itself`, [`  ${own.join(' ')}`]],
        ['who imports whom (types only)', layers(graph)],
        ['cycles', cycles(graph)],
        [`longest functions, in lines`, functions],
        [`longest files, in lines`, files],
      ] as const
      console.log(parts.map(([title, lines]) => [title, ...lines].join('\n')).join('\n\n'))
      return 0
    },
  },
  process.argv.slice(2),
)
