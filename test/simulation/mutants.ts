/**
 * `npm run mutants` (`-- --from 3 --to 5`, `-- --only cursor`, `-- --seeds 501..1000`): plants each fault in a copy of the sources and counts the seeds that it takes to find it. A fault
 * whose place is not there any more fails loudly.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { MUTATIONS, type Mutation } from './mutations.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = ['src', 'test/simulation', 'test/tsconfig.json', 'tsconfig.json', 'package.json', 'schema.graphql']

const { values } = parseArgs({
  options: { only: { type: 'string' }, seeds: { type: 'string' }, from: { type: 'string' }, to: { type: 'string' } },
})
const seeds = values.seeds ?? '10000'
const range = seeds.includes('..') ? seeds : `1..${seeds}`
/** Which of them, by their number from 1 on. */
const chosen = MUTATIONS.slice(Number(values.from ?? 1) - 1, Number(values.to ?? MUTATIONS.length))

const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** The file's text with the fault in it. */
async function plant(folder: string, { file, from, to, name }: Mutation): Promise<string> {
  const path = join(folder, file)
  const text = await readFile(path, 'utf8')
  const count = text.split(from).length - 1
  if (count !== 1) throw new Error(`"${name}": its place in ${file} is there ${count} times, expected once`)
  await writeFile(
    path,
    text.replace(from, () => to),
  )
  return text
}

async function hunt(folder: string): Promise<{ seeds: number; found: string }> {
  const main = join(folder, 'test/simulation/main.ts')
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs')
  const parameters = [tsx, main, '--seeds', range, '--first']
  const output = await run(process.execPath, parameters, { cwd: folder, maxBuffer: 1 << 26 }).then(
    ({ stdout }) => stdout,
    (error: unknown) => {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return stdout.includes('seed ') ? stdout : `${stdout}\n${stderr}`
    },
  )
  const seeds = Number(/^seed (\d+):/m.exec(output)?.[1] ?? Number.NaN)
  const rules = [...new Set(Array.from(output.matchAll(/^ {2}\[([^\]]+)\]/gm), ([, rule]) => rule))]
  return { seeds, found: rules.length > 0 ? rules.join(', ') : output.trim().slice(-300) }
}

const folder = await mkdtemp(join(tmpdir(), 'parley-mutants-'))
try {
  for (const part of COPIED) await cp(join(root, part), join(folder, part), { recursive: true })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  let missed = 0
  for (const mutation of chosen) {
    if (values.only !== undefined && !mutation.name.includes(values.only)) continue
    const before = await plant(folder, mutation)
    const { seeds, found } = await hunt(folder)
    await writeFile(join(folder, mutation.file), before)
    if (!Number.isFinite(seeds)) missed++
    print(`| ${mutation.name} | ${Number.isFinite(seeds) ? seeds : 'not found'} | ${found} |`)
  }
  process.exitCode = missed === 0 ? 0 : 1
} finally {
  await rm(folder, { recursive: true })
}
