import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { quitInOrder, unlessQuitting } from '../support/quit.js'
import { LOG_FOLDER, readOptions } from './options.js'
import { failures, tableOf } from './report.js'
import { Target } from './target.js'

quitInOrder()
const { attacks, engines, seconds, server, output, compare, onlyTable } = readOptions()
const read = (path) => JSON.parse(readFileSync(path, 'utf8')).results
const results = existsSync(output) ? read(output) : {}
const compared = compare && read(compare)

if (!onlyTable) {
  mkdirSync(LOG_FOLDER, { recursive: true })
  mkdirSync(dirname(output), { recursive: true })
  for (const engine of engines) {
    let target = await Target.start(engine, server)
    for (const attack of attacks) {
      results[engine] ??= {}
      let result
      try {
        result = await target.measure(attack, Math.max(seconds, attack.minSeconds ?? 0))
      } catch (error) {
        await unlessQuitting()
        result = { error: error.message }
        await target.remove().catch(() => undefined)
        target = await Target.start(engine, server)
      }
      results[engine][attack.id] = { ...result, takenAt: new Date().toISOString() }
      console.error(
        `${engine} ${attack.id}: ${failures(attack, result).join('; ') || 'holds'} (${Math.round(result.asks?.longest ?? 0)} ms)`,
      )
      const environment = { takenAt: new Date().toISOString(), node: process.version, cpus: availableParallelism(), seconds }
      writeFileSync(output, `${JSON.stringify({ ...environment, results }, null, 1)}\n`)
    }
    await target.remove()
  }
}

console.log(tableOf(results, compared))
const failed = attacks.some((attack) => engines.some((engine) => failures(attack, results[engine]?.[attack.id] ?? {}).length > 0))
process.exit(failed ? 1 : 0)
