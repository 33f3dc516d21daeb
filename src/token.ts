import { parseArgs } from 'node:util'
import { signToken, type TokenClaims } from './chat/auth.ts'
import { problemWithName, problemWithUrl } from './chat/limits.ts'
import { devSecret } from './dev-secret.ts'
import { loadSettings, SettingsError } from './settings.ts'

const HELP = `Prints a token for a user, signed with the server's own secret.

  npm run --silent token -- --sub ID [--name NAME] [--avatar URL] [--admin] [--ttl SECONDS]

  --sub ID        the user, 1 to 2147483647
  --name NAME     the user's name, 1 to 100 characters; without it a new user is called user<ID>
  --avatar URL    http(s) address of the user's picture
  --admin         with the rights of an admin
  --ttl SECONDS   how long the token is good, 3600 if absent
  --help          this text

The secret is JWT_SECRET; without one, outside production, the secret that the server keeps in DATA_DIR.
JWT_ISSUER and JWT_AUDIENCE go into the token where they are set.`

const OPTIONS = {
  sub: { type: 'string' },
  name: { type: 'string' },
  avatar: { type: 'string' },
  admin: { type: 'boolean' },
  ttl: { type: 'string' },
  help: { type: 'boolean' },
} as const

const MAX_INT = 2_147_483_647

/** What can't be done, in words for whoever called; one line for each problem. */
class Refusal extends Error {}

/** Reads the arguments; every bad one is reported at once. */
function parseClaims(args: string[]): TokenClaims | 'help' {
  // Not strict: that would stop at the first problem.
  const { tokens } = parseArgs({ args, options: OPTIONS, strict: false, tokens: true })
  const values = new Map<string, string>()
  const problems = new Map<string, string>()

  for (const token of tokens) {
    if (token.kind === 'positional') problems.set(token.value, `${JSON.stringify(token.value)}: expected options only`)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const problem =
      problemWithOption(name, value, inlineValue === true) ?? (values.has(name) ? 'came twice, expected it once' : null)
    if (problem !== null) problems.set(name, `${rawName}: ${problem}`)
    values.set(name, value ?? '')
  }
  if (values.has('help') && problems.size === 0) return 'help'

  /** An option's value after its check, undefined where it is absent or was found bad before. */
  const read = (name: string, check: (value: string, field: string) => string | null): string | undefined => {
    const value = problems.has(name) ? undefined : values.get(name)
    const problem = value === undefined ? null : check(value, `--${name}`)
    if (problem !== null) problems.set(name, problem)
    return value
  }
  const sub = read('sub', problemWithNumber)
  const name = read('name', problemWithName)
  const avatar = read('avatar', problemWithUrl)
  const ttl = read('ttl', problemWithNumber)
  if (!values.has('sub')) problems.set('sub', '--sub is missing, expected the id of a user')
  if (problems.size > 0) throw new Refusal([...problems.values(), 'See --help.'].join('\n'))
  return {
    userId: Number(sub),
    ...(name === undefined ? {} : { name }),
    ...(avatar === undefined ? {} : { avatar }),
    isAdmin: values.has('admin'),
    ttlSeconds: Number(ttl ?? 3600),
  }
}

function problemWithOption(name: string, value: string | undefined, isInline: boolean): string | null {
  if (!Object.hasOwn(OPTIONS, name)) return `expected one of --${Object.keys(OPTIONS).join(', --')}`
  if (OPTIONS[name as keyof typeof OPTIONS].type === 'boolean')
    return value === undefined ? null : 'came with a value, expected none'
  // What looks like the next option is not taken for the value of this one.
  return value === undefined || (!isInline && value.startsWith('--')) ? 'came without a value, expected one' : null
}

function problemWithNumber(value: string, field: string): string | null {
  if (/^[1-9]\d{0,9}$/.test(value) && Number(value) <= MAX_INT) return null
  return `${field} is ${JSON.stringify(value)}, expected an integer from 1 to ${MAX_INT}`
}

async function run(args: string[]): Promise<string> {
  const claims = parseClaims(args)
  if (claims === 'help') return HELP
  const { jwt, jwtIssuer, jwtAudience, dataDir } = loadSettings(process.env)
  if (jwt !== undefined && jwt.kind !== 'HS256')
    throw new Refusal(
      'JWT_PUBLIC_KEY is set: it only verifies. Sign with the private key that belongs to it, wherever that is kept.',
    )
  if (jwt === undefined && dataDir === 'memory:')
    throw new Refusal('DATA_DIR is memory: the server keeps no secret that this command could read. Set JWT_SECRET for both.')
  return signToken(jwt?.key ?? (await devSecret(dataDir)), { ...claims, issuer: jwtIssuer, audience: jwtAudience })
}

try {
  console.log(await run(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof Refusal || error instanceof SettingsError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
