import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { LOG_FOLDER, readOptions } from './options.js'
import { quitInOrder, unlessQuitting } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { tableOf } from './report.js'
import { run } from './run.js'

quitInOrder()
const { systems, scenarios, output, add, ...load } = readOptions()
rmSync(LOG_FOLDER, { recursive: true, force: true })
mkdirSync(dirname(output), { recursive: true })
const postgres = await OwnPostgres.start()
const runs = []
for (const scenario of scenarios) {
  for (const [name, system] of systems) {
    console.error(`${scenario.id}: ${scenario.title}: ${system.name}`)
    const logFolder = `${LOG_FOLDER}/${name}`
    mkdirSync(logFolder, { recursive: true })
    runs.push({
      scenario: scenario.id,
      title: scenario.title,
      system: system.name,
      ...(await attempt(system, scenario, logFolder)),
    })
  }
}
await postgres.remove()

const environment = { takenAt: new Date().toISOString(), node: process.version, cpus: availableParallelism() }
const earlier = add && existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')).runs : []
const isAnew = (one) => runs.some(({ scenario, system }) => scenario === one.scenario && system === one.system)
const all = [...earlier.filter((one) => !isAnew(one)), ...runs]
writeFileSync(output, `${JSON.stringify({ ...environment, ...load, runs: all }, null, 2)}\n`)
console.log(tableOf(runs))
process.exit(runs.some(({ error }) => error !== undefined) ? 1 : 0)

/** A failed run is reported in its place. */
async function attempt(system, scenario, logFolder) {
  try {
    return { result: await run(system, scenario, { ...load, logFolder, postgres }) }
  } catch (error) {
    await unlessQuitting()
    console.error(error)
    return { error: error.message }
  }
}
