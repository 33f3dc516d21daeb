import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { LOG_FOLDER, readOptions } from './options.js'
import { endEverything, killEverything } from './processes.js'
import { tableOf } from './report.js'
import { run } from './run.js'
import { OwnPostgres } from './services.js'

let isQuitting = false

/** Ends early, leaving nothing behind; asked a second time, it does not wait. */
function quit(code) {
  if (isQuitting) process.exit(code)
  isQuitting = true
  void endEverything().finally(() => process.exit(code))
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => quit(130))
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    // Whatever is under way fails when its processes are ended.
    if (isQuitting) return
    console.error(error)
    quit(1)
  })
}
process.on('exit', killEverything)

const { systems, scenarios, output, ...load } = readOptions()
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
writeFileSync(output, `${JSON.stringify({ ...environment, ...load, runs }, null, 2)}\n`)
console.log(tableOf(runs))
process.exit(runs.some(({ error }) => error !== undefined) ? 1 : 0)

/** A run that could not be made is told of in its place. */
async function attempt(system, scenario, logFolder) {
  try {
    return { result: await run(system, scenario, { ...load, logFolder, postgres }) }
  } catch (error) {
    if (isQuitting) await new Promise(() => undefined)
    console.error(error)
    return { error: error.message }
  }
}
