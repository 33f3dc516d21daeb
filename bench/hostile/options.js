import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { choose, fail, number, readValues } from '../support/options.js'
import { attacks } from './attacks/index.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What the servers print. */
export const LOG_FOLDER = here('../results/logs/hostile')
export const ENGINES = ['embedded', 'postgres']

const HELP = `One hostile user with a plain token against a server in production mode with its default limits: how long do
others wait, what memory stays, what does the attacker get?

  npm run hostile [-- OPTIONS]

  --attacks A,B     ids of attacks (C1) or letters (C) for all that begin with it; all if absent
  --engine E        embedded or postgres (with Redis); both if absent
  --seconds N       how long each attack takes, 5 if absent
  --server PATH     Parley's entry, ../dist/main.js if absent
  --output PATH     where the figures go, results/hostile.json if absent; those of other attacks stay in it
  --compare PATH    figures of another run, shown beside
  --table           measures nothing, prints the table of what is in the output file
  --list            prints the attacks
  --help            this text

It needs PostgreSQL and Redis installed; it starts its own, on free ports of 127.0.0.1.

Example:
  npm run hostile -- --attacks C,D --engine postgres --seconds 5`

/** Reads the command line; ends the process where it makes no sense. */
export function readOptions() {
  const values = readValues(HELP, {
    attacks: { type: 'string' },
    engine: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    server: { type: 'string', default: here('../../dist/main.js') },
    output: { type: 'string', default: here('../results/hostile.json') },
    compare: { type: 'string' },
    table: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  })
  if (values.list) {
    for (const { id, title } of attacks) console.log(`${id.padEnd(5)} ${title}`)
    process.exit()
  }
  const ids = attacks.map(({ id }) => id)
  const letters = ids.map((id) => id.replace(/\d+$/, ''))
  const chosen = choose(values, 'attacks', [...new Set([...ids, ...letters])])
  const server = resolve(values.server)
  if (!existsSync(server)) fail(`--server: ${server} is not there, build Parley first`)
  return {
    // The control is always among them.
    attacks: attacks.filter(({ id }) => id === 'none' || chosen.includes(id) || chosen.includes(id.replace(/\d+$/, ''))),
    engines: choose({ engine: values.engine }, 'engine', ENGINES),
    seconds: number(values, 'seconds', 1),
    server,
    output: resolve(values.output),
    compare: values.compare && resolve(values.compare),
    onlyTable: values.table,
  }
}
