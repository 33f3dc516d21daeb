import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { choose, fail, number, readValues } from '../support/options.js'
import { scenarios } from './scenarios.js'
import { libraries } from './systems/libraries.js'
import { parley } from './systems/parley.js'
import { socketio, socketioCatchUp } from './systems/socketio.js'
import { yoga } from './systems/yoga.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What the nodes print, by system. */
export const LOG_FOLDER = here('../results/logs')

const HELP = `Measures what arrives when things go wrong: cuts, kills, outages and restarts. About 20 minutes.

  npm run faults [-- OPTIONS]

  --systems A,B      of parley, yoga, socketio, socketio-catch-up, which are taken if absent; and resume, plain
  --scenarios A,B    of a, b, c1, c2, d, d2, d3, e, f, g, as bench/README.md tells them, which are taken if absent; and h, i
  --clients N        a multiple of ten, from 20 on; 50 if absent
  --rate N           messages a second, all clients together, 100 if absent
  --seconds N        how long they write in each scenario, from 15 on; 20 if absent
  --server PATH      Parley's entry, ../dist/main.js if absent
  --add              keeps what the output has of other systems and scenarios
  --output PATH      where the figures go, results/faults.json if absent
  --help             this text

It needs PostgreSQL and Redis installed; it starts its own, on free ports of 127.0.0.1.

Example:
  npm run faults -- --systems parley --scenarios a,b`

/** Reads the command line; ends the process where it makes no sense. */
export function readOptions() {
  const values = readValues(HELP, {
    server: { type: 'string', default: here('../../dist/main.js') },
    systems: { type: 'string' },
    scenarios: { type: 'string' },
    clients: { type: 'string', default: '50' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '20' },
    add: { type: 'boolean', default: false },
    output: { type: 'string', default: here('../results/faults.json') },
  })
  const server = resolve(values.server)
  const compared = { parley: parley(server), yoga, socketio, 'socketio-catch-up': socketioCatchUp }
  const resumeModule = pathToFileURL(join(dirname(server), 'clients/resume/resume.js')).href
  const all = { ...compared, resume: libraries(server, resumeModule), plain: libraries(server) }
  const systemNames = values.systems === undefined ? Object.keys(compared) : choose(values, 'systems', Object.keys(all))
  const ids = scenarios.filter(({ isOfParley }) => values.scenarios !== undefined || !isOfParley).map(({ id }) => id)
  const scenarioIds = choose(values, 'scenarios', ids)
  const clients = number(values, 'clients', 20)
  if (clients % 10 !== 0) fail('--clients: expected a multiple of ten')
  const needsServer = systemNames.some((name) => ['parley', 'resume', 'plain'].includes(name))
  if (needsServer && !existsSync(server)) fail(`--server: ${server} is not there, build Parley first`)
  return {
    systems: systemNames.map((name) => [name, all[name]]),
    scenarios: scenarios.filter(({ id }) => scenarioIds.includes(id)),
    clients,
    rate: number(values, 'rate', 1),
    // Every fault has to fit in.
    seconds: number(values, 'seconds', 15),
    add: values.add,
    output: resolve(values.output),
  }
}
