import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { table } from '../support/table.js'

const INTERVAL_MICROS = 250
const LINES = 40

const nowMicros = () => Number(process.hrtime.bigint() / 1000n)

/** CPU profiles that the servers write when they end, and where in them the time of a measurement went. */
export class Profiles {
  #folder

  constructor(folder) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    this.#folder = folder
  }

  /** For a server whose profile is to be called so. */
  nodeOptions(name) {
    const interval = `--cpu-prof-interval=${INTERVAL_MICROS}`
    return ['--cpu-prof', `--cpu-prof-dir=${this.#folder}`, `--cpu-prof-name=${name}.cpuprofile`, interval]
  }

  /** Marks a span of time, from now until `end` is called. */
  begin() {
    const since = nowMicros()
    return { end: () => ({ since, until: nowMicros() }) }
  }

  /** Where the first server's time went: by file, and by function, without what it called. */
  summary({ label, title, span }) {
    const file = join(this.#folder, `${label}-0.cpuprofile`)
    const all = samplesOf(JSON.parse(readFileSync(file, 'utf8')), span)
    const samples = all.filter(({ name }) => name !== '(idle)')
    const total = microsOf(samples)
    const share = (micros) => `${((micros / total) * 100).toFixed(1)} %`
    const rows = (nameOf, count) => largest(samples, nameOf, count).map(([name, micros]) => [share(micros), name])
    return [
      `\n${title}: busy ${(total / 1e6).toFixed(2)} s of ${(microsOf(all) / 1e6).toFixed(2)} s (${file})\n`,
      table(
        ['self', 'file'],
        rows(({ file: name }) => name, LINES / 2),
      ),
      '',
      table(
        ['self', 'function'],
        rows(({ name, place }) => `${name}${place && ` ${place}`}`, LINES),
      ),
    ].join('\n')
  }
}

/**
 * Whose turn it was, and for how long, within a span of time.
 *
 * A profile's times are those of the system's monotonic clock, as are the span's.
 */
function samplesOf({ nodes, samples, timeDeltas, startTime }, { since, until }) {
  const nodeOf = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const found = []
  let time = startTime
  for (const [index, id] of samples.entries()) {
    time += timeDeltas[index]
    const micros = timeDeltas[index + 1] ?? 0
    if (time < since || time > until) continue
    const { functionName, url, lineNumber } = nodeOf.get(id)
    const name = functionName || '(anonymous)'
    const file = url ? short(url) : name.startsWith('(') ? name : '(native)'
    found.push({ name, file, place: url && `${file}:${lineNumber + 1}`, micros })
  }
  return found
}

const microsOf = (samples) => samples.reduce((sum, { micros }) => sum + micros, 0)

/** The project's and the packages' own paths are enough. */
function short(url) {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  return path.replace(/^.*\/node_modules\//, '').replace(/^.*\/(dist|performance)\//, '$1/')
}

function largest(samples, nameOf, count) {
  const sums = new Map()
  for (const sample of samples) {
    const name = nameOf(sample)
    sums.set(name, (sums.get(name) ?? 0) + sample.micros)
  }
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, count)
}
