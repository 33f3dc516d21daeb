import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { quitInOrder, unlessQuitting } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { JWT_SECRET } from '../support/token.js'
import { chartOf } from './chart.js'
import { takeCores } from './cores.js'
import { LOG_FOLDER, PROFILE_FOLDER, readOptions } from './options.js'
import { allowOpenFiles, coresIdle } from './proc.js'
import { Profiles } from './profiles.js'
import { brief, measurementsTable, ratiosOf, targetsTable } from './report.js'
import { PARLEY_ENV } from './systems.js'
import { createWorld } from './world.js'

const OPEN_FILES = 16_384
/** Above this share of the servers' core taken by others, a measurement is doubtful, and is made again where that may help. */
const NOISY_SHARE = 0.1
const TRIES = 2
/** How long is waited for others to leave the cores alone. */
const IDLE_PATIENCE_MS = 15_000

quitInOrder()
const options = readOptions()
const { server, systems, scenarios, rounds, seconds, output, isProfile, nodeOptions } = options
const cores = takeCores()
allowOpenFiles(OPEN_FILES)
rmSync(LOG_FOLDER, { recursive: true, force: true })
mkdirSync(LOG_FOLDER, { recursive: true })

const postgres = await OwnPostgres.start()
const world = await postgres.createDatabase()
const logFile = join(LOG_FOLDER, 'world.log')
const env = { ...PARLEY_ENV, JWT_SECRET }
await createWorld({ entry: server, databaseUrl: world, core: cores.server, logFile, env })
const profiles = isProfile ? new Profiles(PROFILE_FOLDER) : undefined

/** @type {{ case: string, system: string, round: number, figures: Record<string, number> }[]} */
const measurements = []
const failures = []
for (let round = 0; round < rounds; round++) {
  for (const scenario of scenarios) {
    if (scenario.isMeasuredOnce && round > 0) continue
    // Nobody always comes first.
    const ids = scenario.systems.filter((id) => id in systems)
    for (const id of [...ids.slice(round % ids.length), ...ids.slice(0, round % ids.length)]) await attempt(scenario, id, round)
  }
}
await postgres.remove()

if (!isProfile) {
  console.log(`\n${measurementsTable(measurements, systems)}\n\n${targetsTable(measurements)}`)
  const environment = {
    takenAt: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0].model.trim(),
    cores: cpus().length,
  }
  const result = { ...environment, nodeOptions, rounds, seconds, ratios: ratiosOf(measurements), measurements, failures }
  mkdirSync(dirname(output), { recursive: true })
  writeFileSync(output, `${JSON.stringify(result, null, 2)}\n`)
  const chart = chartOf(measurements, systems)
  if (chart !== '') writeFileSync(`${output.replace(/\.json$/, '')}.svg`, chart)
}
for (const { scenario, system, round, error } of failures)
  console.error(`invalid: ${scenario}, ${system}, round ${round}: ${error}`)
process.exit(failures.length > 0 ? 1 : 0)

/** One run of a scenario on one system. A failed run is not counted, and is reported at the end. */
async function attempt(scenario, id, round) {
  const label = `${scenario.id}-${id}-${round + 1}`
  const bench = { postgres, world, cores, logFolder: LOG_FOLDER, profiles, nodeOptions }
  try {
    let measured
    for (let tries = 0; tries < TRIES && (measured === undefined || measured.some(isNoisy)); tries++) {
      await coresIdle(Object.values(cores), IDLE_PATIENCE_MS)
      measured = await scenario.measure(systems[id], { bench, label, seconds })
    }
    for (const { case: name, figures, span } of measured) {
      measurements.push({ case: name, system: id, round: round + 1, figures })
      const noise = isNoisy({ figures }) ? `  (others took ${Math.round(figures.otherShare * 100)} % of the core)` : ''
      console.error(`round ${round + 1}: ${name}: ${systems[id].name}: ${brief(figures)}${noise}`)
      if (span) console.log(profiles.summary({ label, title: `${name}: ${systems[id].name}`, span }))
    }
  } catch (error) {
    await unlessQuitting()
    console.error(`round ${round + 1}: ${label} is invalid:`, error)
    failures.push({ scenario: scenario.id, system: id, round: round + 1, error: error.message })
  }
}

function isNoisy({ figures: { otherShare } }) {
  return otherShare > NOISY_SHARE
}
