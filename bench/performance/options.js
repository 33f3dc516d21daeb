import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { choose, fail, number, readValues } from '../support/options.js'
import { scenarios } from './scenarios/all.js'
import { systemsFor } from './systems.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What the servers print. */
export const LOG_FOLDER = here('../results/logs/performance')
export const PROFILE_FOLDER = here('../results/profiles')

const HELP = `Measures the server's CPU for each delivery, message and connection, next to controls. About 40 minutes.

  npm run bench [-- OPTIONS]

  --systems A,B      of parley-legacy, parley-graphql, ws, ws-framed, ws-insert, ws-batch, bun, socketio,
                     yoga; all if absent
  --scenarios A,B    of fan-out-50, fan-out-500, fan-out-5000, nodes-500, compression, direct, connect, idle,
                     long-groups, statements, workers; all if absent
  --rounds N         how often all is measured, 3 if absent
  --seconds N        how long one measurement takes, 2 if absent
  --server PATH      Parley's entry, ../dist/main.js if absent
  --output PATH      where the figures go, results/performance.json if absent; the chart goes beside it
  --node-options X   what every server is started with, --max-semi-space-size=32 if absent
  --profile          one round of Parley with V8's profiler
  --help             this text

It needs Linux with two cores, taskset, PostgreSQL and Redis installed; it starts its own, on free ports of 127.0.0.1.

Example:
  npm run bench -- --systems parley-legacy,ws --scenarios fan-out-500,direct --rounds 1`

/** Reads the command line; ends the process where it makes no sense. */
export function readOptions() {
  const values = readValues(HELP, {
    server: { type: 'string', default: here('../../dist/main.js') },
    systems: { type: 'string' },
    scenarios: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    output: { type: 'string', default: here('../results/performance.json') },
    profile: { type: 'boolean', default: false },
    'node-options': { type: 'string', default: '--max-semi-space-size=32' },
  })
  const server = resolve(values.server)
  const all = systemsFor(server)
  const parley = Object.keys(all).filter((id) => all[id].isParley)
  // A profile of the others is rarely wanted.
  const systemIds = values.systems === undefined && values.profile ? parley : choose(values, 'systems', Object.keys(all))
  const scenarioIds = choose(
    values,
    'scenarios',
    scenarios.map(({ id }) => id),
  )
  if (!existsSync(server)) fail(`--server: ${server} is not there, build Parley first`)
  return {
    server,
    systems: Object.fromEntries(systemIds.map((id) => [id, all[id]])),
    scenarios: scenarios.filter(({ id }) => scenarioIds.includes(id)),
    rounds: number({ rounds: values.profile ? '1' : '3', ...values }, 'rounds', 1),
    seconds: number(values, 'seconds', 1),
    output: resolve(values.output),
    isProfile: values.profile,
    nodeOptions: values['node-options'].split(' ').filter((option) => option !== ''),
  }
}
