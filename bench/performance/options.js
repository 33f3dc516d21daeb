import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { choose, fail, number } from '../support/options.js'
import { scenarios } from './scenarios/all.js'
import { systemsFor } from './systems.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What the servers print. */
export const LOG_FOLDER = here('../results/logs/performance')
export const PROFILE_FOLDER = here('../results/profiles')

/** Reads the command line; ends the process where it makes no sense. */
export function readOptions() {
  const { values } = parseArgs({
    options: {
      server: { type: 'string', default: here('../../dist/main.js') },
      systems: { type: 'string' },
      scenarios: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string', default: '2' },
      output: { type: 'string', default: here('../results/performance.json') },
      profile: { type: 'boolean', default: false },
      'node-options': { type: 'string', default: '--max-semi-space-size=32' },
    },
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
