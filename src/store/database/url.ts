import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import { DatabaseStartError } from './start-error.ts'

/** The target of one attempt to connect; `ssl` false: without encryption. */
export interface Attempt {
  host: string
  port: number
  ssl: false | ConnectionOptions
}

/** A parsed DATABASE_URL. */
export interface DatabaseTarget {
  /** In the order in which they are tried. */
  attempts: readonly [Attempt, ...Attempt[]]
  /** Only a writable server is accepted. */
  needsPrimary: boolean
  /** A password may be sent only if it is bound to the TLS connection. */
  needsChannelBinding: boolean
  /** A pooler is in front, which gives each transaction whichever session is free: nothing of a session outlasts a transaction. */
  isPooled: boolean
  schema: string
  database: string
  /** The rest, for the driver. */
  config: pg.ClientConfig
}

const unreadable = (): DatabaseStartError =>
  new DatabaseStartError("DATABASE_URL can't be read. It looks like postgresql://user:password@host:5432/database.")

/** Parameters that are replaced by a setting. */
const SETTINGS: Readonly<Record<string, string>> = {
  connection_limit: 'set DB_POOL_SIZE instead',
  pool_timeout: 'set DB_ACQUIRE_TIMEOUT_MS instead',
  connect_timeout: 'set DB_ACQUIRE_TIMEOUT_MS instead',
  socket_timeout: 'set DB_STATEMENT_TIMEOUT_MS instead',
  statement_timeout: 'set DB_STATEMENT_TIMEOUT_MS instead',
  query_timeout: 'set DB_STATEMENT_TIMEOUT_MS instead',
  idle_in_transaction_session_timeout: 'set DB_STATEMENT_TIMEOUT_MS instead',
}

/** The values allowed for a parameter whose behaviour the driver always has. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  uselibpqcompat: ['true'],
  client_encoding: ['utf8', 'UTF8', 'utf-8', 'UTF-8', 'auto'],
  encoding: ['utf8', 'UTF8', 'utf-8', 'UTF-8'],
  gssencmode: ['disable', 'prefer'],
  sslcompression: ['0'],
}

/** Parses DATABASE_URL, as libpq does. Throws DatabaseStartError, which contains no password, for parts without effect. */
export function readDatabaseUrl(text: string): DatabaseTarget {
  // Not the URL class, which allows neither several hosts nor a user without a host.
  const match = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text)
  if (!match) throw unreadable()
  const [, userInfo = '', authority = '', path = '', query = ''] = match
  const parameters = new Map(
    query
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const [name = '', ...value] = part.split('=')
        return [decode(name), decode(value.join('='))] as const
      }),
  )
  const problems: string[] = []
  const take = (name: string, choices?: readonly string[]): string | undefined => {
    const value = parameters.get(name)
    parameters.delete(name)
    if (value === undefined || choices === undefined || choices.includes(value)) return value
    problems.push(`${name} came as ${JSON.stringify(value)}, expected ${choices.join(', ')}`)
    return undefined
  }

  const colon = userInfo.indexOf(':')
  const user = take('user') ?? decode(colon < 0 ? userInfo : userInfo.slice(0, colon))
  const password = take('password') ?? (colon < 0 ? '' : decode(userInfo.slice(colon + 1)))
  const database = take('dbname') ?? decode(path)
  const schema = take('schema') ?? 'public'
  if (schema === '' || schema.includes('"') || Buffer.byteLength(schema) > 63) problems.push('schema is no name of a schema')
  const options = take('options')
  if (options?.includes('search_path') === true) problems.push('options sets search_path: set schema instead')
  const keepAlive = take('keepalives', ['0', '1']) !== '0'
  const idle = take('keepalives_idle')
  const order = take('load_balance_hosts', ['disable', 'random'])
  const session = take('target_session_attrs', ['any', 'read-write', 'primary'])
  const pooled = take('pgbouncer', ['true', 'false'])
  const binding = take('channel_binding', ['disable', 'prefer', 'require'])
  const negotiation = take('sslnegotiation', ['postgres', 'direct'])
  const applicationName = take('application_name')
  const fallbackName = take('fallback_application_name') ?? 'parley'
  const encryption = readEncryption(take, problems)
  const servers = readServers(authority, take('host'), take('port'))
  for (const name of Object.keys(FIXED)) take(name, FIXED[name])
  for (const name of parameters.keys())
    problems.push(`${name} has no effect here${name in SETTINGS ? `: ${SETTINGS[name]}` : ''}`)
  if (binding === 'require' && encryption.includes(false))
    problems.push('channel_binding=require needs sslmode=require, verify-ca or verify-full')
  if (problems.length > 0) throw new DatabaseStartError(`DATABASE_URL: ${problems.join('; ')}.`)

  if (order === 'random') servers.sort(() => Math.random() - 0.5)
  const attempts = servers.flatMap(({ host, port }) =>
    // Over a socket of this machine there is nothing to encrypt.
    (host.startsWith('/') ? [false as const] : encryption).map((ssl) => ({ host, port, ssl })),
  )
  return {
    attempts: attempts as [Attempt, ...Attempt[]],
    needsPrimary: session === 'read-write' || session === 'primary',
    needsChannelBinding: binding === 'require',
    isPooled: pooled === 'true',
    schema,
    database,
    config: {
      ...(user === '' ? {} : { user }),
      ...(password === '' ? {} : { password }),
      ...(database === '' ? {} : { database }),
      ...(options === undefined ? {} : { options }),
      ...(applicationName === undefined ? {} : { application_name: applicationName }),
      ...(idle === undefined ? {} : { keepAliveInitialDelayMillis: Number(idle) * 1000 }),
      ...(negotiation === undefined ? {} : { sslnegotiation: negotiation as 'postgres' | 'direct' }),
      ...(binding === undefined ? {} : { enableChannelBinding: binding !== 'disable' }),
      fallback_application_name: fallbackName,
      keepAlive,
    },
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw unreadable()
  }
}

/**
 * `host1:port1,host2:port2`; lists in the parameters take precedence. Absent ones come from the environment, or are localhost.
 */
function readServers(authority: string, hosts?: string, ports?: string): { host: string; port: number }[] {
  const { PGHOST = 'localhost', PGPORT = '5432' } = process.env
  const pairs = authority.split(',').map((each) => {
    const found = /^(\[[^\]]+\]|[^:[\]]*)(?::(\d*))?$/.exec(each)
    if (!found) throw unreadable()
    return { host: decode((found[1] ?? '').replace(/^\[|\]$/g, '')), port: found[2] ?? '' }
  })
  const names = hosts === undefined ? pairs.map(({ host }) => host) : hosts.split(',')
  const numbers = ports === undefined ? pairs.map(({ port }) => port) : ports.split(',')
  if (numbers.length > 1 && numbers.length !== names.length) throw unreadable()
  return names.map((name, index) => {
    const port = Number((numbers.length > 1 ? numbers[index] : numbers[0]) || PGPORT)
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw unreadable()
    return { host: name || PGHOST, port }
  })
}

type TakeParameter = (name: string, choices?: readonly string[]) => string | undefined

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']

/** How to encrypt, in the order of attempts, as libpq's `sslmode` defines it; without it not at all. */
function readEncryption(take: TakeParameter, problems: string[]): readonly (false | ConnectionOptions)[] {
  const ssl = take('ssl', ['true', '1', 'false', '0', 'no-verify'])
  const asked = take('sslmode', MODES) ?? process.env['PGSSLMODE']
  const [cert, key, root] = [take('sslcert'), take('sslkey'), take('sslrootcert')]
  const fallback =
    ssl === undefined || ssl === 'false' || ssl === '0' ? 'disable' : ssl === 'no-verify' ? 'require' : 'verify-full'
  const mode = asked ?? (root === 'system' ? 'verify-full' : fallback)
  const read = (name: string, path: string | undefined): string | undefined => {
    try {
      return path === undefined ? undefined : readFileSync(path, 'utf8')
    } catch {
      problems.push(`${name} is the path of a file that can't be read`)
      return undefined
    }
  }
  const ca = root === 'system' ? undefined : read('sslrootcert', root)
  const files = { cert: read('sslcert', cert), key: read('sslkey', key), ca }
  const common = Object.fromEntries(Object.entries(files).filter(([, text]) => text !== undefined)) as ConnectionOptions
  // As libpq does: a given authority is verified, and without one any server is trusted.
  const isChecked = ca !== undefined
  if (mode === 'verify-ca' && !isChecked) problems.push('sslmode=verify-ca needs sslrootcert, the path of a file')
  const loose: ConnectionOptions = { ...common, rejectUnauthorized: false }
  const ofAuthority: ConnectionOptions = { ...common, checkServerIdentity: () => undefined }
  if (mode === 'disable') return [false]
  if (mode === 'allow') return [false, loose]
  if (mode === 'prefer') return [loose, false]
  if (mode === 'verify-full') return [common]
  return [mode === 'verify-ca' || (mode === 'require' && isChecked) ? ofAuthority : loose]
}
