import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { choose, fail, number } from '../support/options.js'
import { scenarios } from './scenarios.js'
import { parley } from './systems/parley.js'
import { socketio, socketioCatchUp } from './systems/socketio.js'
import { yoga } from './systems/yoga.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What the nodes print, by system. */
export const LOG_FOLDER = here('../results/logs')

/** Reads the command line; ends the process where it makes no sense. */
export function readOptions() {
  const { values } = parseArgs({
    options: {
      server: { type: 'string', default: here('../../dist/main.js') },
      systems: { type: 'string' },
      scenarios: { type: 'string' },
      clients: { type: 'string', default: '50' },
      rate: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '20' },
      output: { type: 'string', default: here('../results/faults.json') },
    },
  })
  const server = resolve(values.server)
  const all = { parley: parley(server), yoga, socketio, 'socketio-catch-up': socketioCatchUp }
  const systemNames = choose(values, 'systems', Object.keys(all))
  const scenarioIds = choose(
    values,
    'scenarios',
    scenarios.map(({ id }) => id),
  )
  const clients = number(values, 'clients', 20)
  if (clients % 10 !== 0) fail('--clients: expected a multiple of ten')
  if (systemNames.includes('parley') && !existsSync(server)) fail(`--server: ${server} is not there, build Parley first`)
  return {
    systems: systemNames.map((name) => [name, all[name]]),
    scenarios: scenarios.filter(({ id }) => scenarioIds.includes(id)),
    clients,
    rate: number(values, 'rate', 1),
    // Every fault has to fit in.
    seconds: number(values, 'seconds', 15),
    output: resolve(values.output),
  }
}
