import { styleText } from 'node:util'
import { diagnose } from './diagnosis.ts'
import type { Finding } from './finding.ts'
import { describeMisspelt } from '../lib/misspelt.ts'
import { type Arguments, type Command, integerUpTo, type Surroundings } from './command.ts'
import { print } from './terminal.ts'
import { readEnvironment, SettingsError, type Settings } from '../settings.ts'

const HELP = `Checks what a server relies on, and tells what to do about it: settings, key, TLS files, limits of the system,
database, migrations, Redis, clocks. Run it where and as whom the server is to run; it may run meanwhile.

  npm run doctor [-- --connections N] [--token TOKEN] [--env-file FILE]

  --connections N  how many clients one node is to serve, 10000 if absent
  --token TOKEN    one of your login service: whether the server takes it, and what of it is doubtful
  --env-file FILE  reads settings from a file of NAME=value lines; what the environment has wins over it
  --help           this text

One line for each check: ok, warn or FAIL. Exit status 1 where something must be repaired. Nothing is changed: in Redis it
uses keys and a channel of its own under REDIS_PREFIX, and the embedded database is checked only while no server has it.

Settings: all of those of the server, from the environment (npm start -- --help). Colours: on a terminal, not with NO_COLOR.

Examples:
  npm run doctor
  NODE_ENV=production DATABASE_URL=... REDIS_URL=... JWT_SECRET=... npm run doctor -- --connections 50000
  docker compose exec parley1 node dist/cli/parley.js doctor`

const OPTIONS = { connections: { type: 'string' }, token: { type: 'string' } } as const
const DEFAULT_CONNECTIONS = 10_000
const MAX_CONNECTIONS = 10_000_000
const SHOWN: Record<Finding['level'], ['green' | 'yellow' | 'red', string]> = {
  ok: ['green', 'ok  '],
  warn: ['yellow', 'warn'],
  fail: ['red', 'FAIL'],
}

async function run(given: Arguments, { env, stdout }: Surroundings): Promise<number> {
  const connections = given.read('connections', integerUpTo(MAX_CONNECTIONS))
  const token = given.read('token', () => null)
  given.finish()

  const counts = { ok: 0, warn: 0, fail: 0 }
  const tell = ({ level, area, text, advice }: Finding): void => {
    counts[level]++
    const [colour, word] = SHOWN[level]
    const toDo = advice === undefined ? text : `${text.replace(/\.$/, '')}. To do: ${advice}`
    print(stdout, `${styleText(colour, word, { stream: stdout })}  ${area.padEnd(10)}  ${toDo}`)
  }
  const settings = readSettings(env, tell)
  if (settings) for await (const finding of diagnose(settings, Number(connections ?? DEFAULT_CONNECTIONS), token)) tell(finding)
  print(stdout, `${counts.ok} ok, ${counts.warn} to look at, ${counts.fail} to repair`)
  return counts.fail === 0 ? 0 : 1
}

/** Undefined if the settings are invalid: nothing else can be checked then. */
function readSettings(env: NodeJS.ProcessEnv, tell: (finding: Finding) => void): Settings | undefined {
  try {
    const { settings, misspelt } = readEnvironment(env)
    for (const each of misspelt)
      tell({ level: 'warn', area: 'settings', text: describeMisspelt(each), advice: `rename it to ${each.meant}` })
    return settings
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    for (const text of error.problems) tell({ level: 'fail', area: 'settings', text, advice: 'correct it; the rest comes then' })
    return undefined
  }
}

export const doctor: Command = { help: HELP, options: OPTIONS, readsSettings: true, run }
