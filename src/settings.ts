import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { OperatorError } from './errors.ts'
import { findMisspelt, describeMisspelt, type Misspelt } from './lib/misspelt.ts'
import { type LOG_LEVELS, type Setting, TABLE, type Values } from './settings/table.ts'
import { BadValueError, type JwtKey, shown } from './settings/values.ts'

export type { JwtKey } from './settings/values.ts'
export type LogLevel = (typeof LOG_LEVELS)[number]

/** The texts of two PEM files that belong together. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** Rows whose value depends on others. */
type Dependent = 'nodeEnv' | 'jwtSecret' | 'jwtPublicKey' | 'tlsCert' | 'tlsKey' | 'metricsHost' | 'demo' | 'graphiql'

/** The environment, read once at start. Names and units are those of the variables; the table describes each. */
export interface Settings extends Omit<Values, Dependent> {
  readonly production: boolean
  /** Absent only outside production: the server then creates a secret for development. */
  readonly jwt: JwtKey | undefined
  /** Absent: plain HTTP. */
  readonly tls: TlsFiles | undefined
  readonly metricsHost: string
  /** Demo data and demo tokens; never in production. */
  readonly demo: boolean
  readonly graphiql: boolean
}

export interface Environment {
  readonly settings: Settings
  /** The names of all settings. */
  readonly names: ReadonlySet<string>
  /** Unknown variables with names close to those of settings. */
  readonly misspelt: readonly Misspelt[]
}

/** All problems of the environment at once; contains no secret and no password. */
export class SettingsError extends OperatorError {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`invalid settings:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.name = 'SettingsError'
    this.problems = problems
  }
}

const ROWS = Object.entries(TABLE) as [keyof Values, Setting<unknown>][]
const SECRETS = ROWS.flatMap(([, { variable, isSecret }]) => (isSecret ? [variable] : []))
/** Variables that may be set, secrets as the path of a file too. */
const NAMES: ReadonlySet<string> = new Set([
  ...SECRETS.map((name) => `${name}_FILE`),
  ...ROWS.map(([, { variable }]) => variable),
])
const KEYS = ['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWKS_URL']

/** The environment with the secrets of its files, which container platforms mount. */
function withSecretFiles(env: NodeJS.ProcessEnv, problems: string[]): NodeJS.ProcessEnv {
  const result = { ...env }
  for (const name of SECRETS) {
    const file = `${name}_FILE`
    const path = env[file] ?? ''
    if (path === '') continue
    if ((env[name] ?? '') !== '') problems.push(`${name}, ${file}: came both, expected only one of them`)
    const expected = `the path of a file that holds ${name}`
    try {
      // Editors and most tools end a file with a newline.
      result[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
      if (result[name] === '') problems.push(`${file}: came ${shown(path)}, which is empty, expected ${expected}`)
    } catch {
      problems.push(`${file}: came ${shown(path)}, which can't be read, expected ${expected}`)
    }
  }
  return result
}

/** Each row by itself. A rejected value counts as absent: its problem is recorded and the others are still checked. */
function readTable(env: NodeJS.ProcessEnv, problems: string[]): Values {
  const read = ({ variable, parse, absent }: Setting<unknown>): unknown => {
    const value = env[variable]
    if (value === undefined || value === '') return absent
    try {
      return parse(value)
    } catch (error) {
      if (!(error instanceof BadValueError)) throw error
      problems.push(`${variable}: ${error.message}`)
      return absent
    }
  }
  return Object.fromEntries(ROWS.map(([name, row]) => [name, read(row)])) as unknown as Values
}

type Has = (variable: string) => boolean

/** Requirements of production and of keys on other settings. */
function checkTogether(production: boolean, has: Has, problems: string[]): void {
  const given = KEYS.filter(has)
  if (given.length > 1)
    problems.push(`${given.join(', ')}: came ${given.length === 2 ? 'both' : 'all'}, expected only one of them`)
  if (!production) return
  if (given.length === 0) problems.push(`${KEYS.join(', ')}: came none, expected one of them with NODE_ENV=production`)
  if (has('DATABASE_URL')) return
  if (has('REDIS_URL'))
    problems.push('DATABASE_URL: came none, expected the database that all nodes share, as they share REDIS_URL')
  else if (!has('DATA_DIR'))
    problems.push('DATABASE_URL: came none, expected one with NODE_ENV=production; for the embedded database set DATA_DIR')
}

function tlsOf(
  { tlsCert: cert, tlsKey: key }: Pick<Values, 'tlsCert' | 'tlsKey'>,
  has: Has,
  problems: string[],
): TlsFiles | undefined {
  if (has('TLS_CERT') !== has('TLS_KEY'))
    problems.push(`TLS_CERT, TLS_KEY: came only ${has('TLS_CERT') ? 'TLS_CERT' : 'TLS_KEY'}, expected both or neither`)
  if (cert === undefined || key === undefined) return undefined
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    problems.push('TLS_CERT, TLS_KEY: came a certificate and the key of another one, expected two that belong together')
  return Object.freeze({ cert, key })
}

/**
 * Reads and checks every variable; an empty one counts as absent. Also returns unknown variables whose
 * names are so close to a setting's that they are probably misspelt.
 *
 * @throws SettingsError with all problems, if there are any
 */
export function readEnvironment(environment: NodeJS.ProcessEnv): Environment {
  const problems: string[] = []
  const env = withSecretFiles(environment, problems)
  const has: Has = (variable) => (environment[variable] ?? '') !== '' || (environment[`${variable}_FILE`] ?? '') !== ''
  const { nodeEnv, jwtSecret, jwtPublicKey, tlsCert, tlsKey, ...values } = readTable(env, problems)

  const production = nodeEnv === 'production'
  checkTogether(production, has, problems)
  const demo = values.demo ?? (!production && !has('DATABASE_URL'))
  if (production && demo) problems.push('DEMO: came "1", expected 0 with NODE_ENV=production')

  if (values.workers > 1 && !(has('DATABASE_URL') && has('REDIS_URL')))
    problems.push(`WORKERS: came ${values.workers} processes, expected DATABASE_URL and REDIS_URL besides, which they share`)

  const settings: Settings = {
    ...values,
    production,
    demo,
    jwt: jwtSecret ?? jwtPublicKey,
    tls: tlsOf({ tlsCert, tlsKey }, has, problems),
    metricsHost: values.metricsHost ?? values.host,
    graphiql: values.graphiql ?? !production,
  }
  const misspelt = findMisspelt(env, NAMES)
  if (problems.length > 0) throw new SettingsError([...problems, ...misspelt.map(describeMisspelt)])
  for (const value of [settings.jwt, settings.allowedOrigins]) Object.freeze(value)
  return { settings: Object.freeze(settings), names: NAMES, misspelt }
}

/** Reads and checks every variable. Throws SettingsError with all problems, if there are any. */
export const loadSettings = (env: NodeJS.ProcessEnv): Settings => readEnvironment(env).settings
