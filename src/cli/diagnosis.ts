import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { totalmem } from 'node:os'
import { resolve } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import { createAuth } from '../auth/verify.ts'
import { LEASE_MS } from '../cluster/lease.ts'
import { diagnoseRedis, type RedisFacts } from '../pubsub/diagnose.ts'
import { explainRedisError } from '../pubsub/redis-problem.ts'
import type { Settings } from '../settings.ts'
import { DatabaseStartError, openDatabase, type Database } from '../store/database/client.ts'
import { problemWithFolder } from '../store/database/data-folder.ts'
import { diagnoseDatabase, type DatabaseFacts } from '../store/database/diagnose.ts'
import { missingMigrations } from '../store/migrations/migrate.ts'
import { engines } from '../telemetry/version.ts'

/** `fail`: a server would not start, or would not keep its guarantees; `warn`: worth a look. */
export interface Finding {
  level: 'ok' | 'warn' | 'fail'
  area: string
  text: string
  /** What to do about it. */
  advice?: string
}

/** A larger clock difference makes errors of tokens and presence visible to users. */
const CLOCK_FAIL_MS = 30_000
const CLOCK_WARN_MS = 1000
const LATENCY_WARN_MS = 5
const TLS_WARN_DAYS = 30
const DAY_MS = 86_400_000
/** Memory a server needs before the first connection, and may need for each one, sends and buffers included. */
const BASE_BYTES = 250 * 1024 * 1024
const BYTES_PER_CONNECTION = 50 * 1024
/** Open files besides connections of clients and to the database. */
const OTHER_FILES = 64
const WEAK_BITS = 100
const GUESSABLE = /secret|passw|change.?me|example|qwert|12345|abcdef/i

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`
const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`

/** Checks everything that a server with these settings depends on; changes nothing permanently. */
export async function* diagnose(settings: Settings, connections: number, token?: string): AsyncGenerator<Finding> {
  yield { level: 'ok', area: 'Node.js', text: `${process.versions.node}; ${engines.node} is supported` }
  yield* checkSettings(settings)
  yield* checkKey(settings)
  if (token !== undefined) yield* await checkToken(settings, token)
  yield* checkTls(settings)
  yield* checkLimits(settings, connections)
  yield* await checkDatabase(settings)
  yield* await checkRedis(settings)
}

function* checkSettings({ production, host, tls, databaseUrl, redisUrl, demo }: Settings): Generator<Finding> {
  const area = 'settings'
  yield { level: 'ok', area, text: `all can be read; NODE_ENV is ${production ? '' : 'not '}production` }
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(host)
  if (!production && !isLocal)
    yield {
      level: 'warn',
      area,
      text: `HOST=${host} serves other machines outside of production${demo ? ', with the demo and its tokens' : ''}`,
      advice: 'set NODE_ENV=production',
    }
  if (production && databaseUrl === undefined)
    yield {
      level: 'warn',
      area,
      text: 'production on the embedded database: one process, no second node',
      advice: 'set DATABASE_URL, and take backups with the server stopped until then',
    }
  if (redisUrl !== undefined && databaseUrl === undefined)
    yield {
      level: 'warn',
      area,
      text: 'REDIS_URL without DATABASE_URL: nodes that share no database are no cluster',
      advice: 'set DATABASE_URL to the database of all nodes',
    }
  if (production && isLocal && tls === undefined)
    yield { level: 'ok', area, text: `plain HTTP on ${host}: for a proxy on this machine that does TLS` }
}

function* checkKey({ jwt, jwksUrl, production, jwtIssuer, jwtAudience }: Settings): Generator<Finding> {
  const area = 'key'
  if (jwksUrl !== undefined) {
    yield { level: 'ok', area, text: `the key set of ${new URL(jwksUrl).host}, fetched when a token first names a key` }
    return
  }
  if (jwt === undefined) {
    yield {
      level: 'warn',
      area,
      text: 'none: tokens are signed with a secret that the server makes for development',
      advice: 'set JWT_SECRET (openssl rand -hex 32) or JWT_PUBLIC_KEY',
    }
    return
  }
  const scope = [jwtIssuer === undefined ? '' : `issuer ${jwtIssuer}`, jwtAudience === undefined ? '' : `audience ${jwtAudience}`]
    .filter((part) => part !== '')
    .join(', ')
  const suffix = scope === '' ? '; tokens of any issuer and audience count' : `; ${scope}`
  if (jwt.kind !== 'HS256') {
    yield { level: 'ok', area, text: `${jwt.kind}, ${strengthOf(jwt.key)}${suffix}` }
    return
  }
  const secret = jwt.key.export()
  if (isGuessable(secret)) {
    yield {
      level: production ? 'fail' : 'warn',
      area,
      text: `HS256, ${secret.length} bytes that look like they could be guessed`,
      advice: 'set JWT_SECRET to random bytes, for the login service too (openssl rand -hex 32)',
    }
  } else yield { level: 'ok', area, text: `HS256, ${secret.length} bytes${suffix}` }
}

/**
 * Whether the server would accept a token, and which of its claims look like mistakes of the issuer. Never prints the token.
 */
async function checkToken(settings: Settings, token: string): Promise<Finding[]> {
  const area = 'token'
  const { jwt, jwksUrl, jwtIssuer: issuer, jwtAudience: audience, jwtLeewaySeconds: leewaySeconds } = settings
  const key = jwksUrl === undefined ? jwt : { kind: 'JWKS' as const, url: jwksUrl }
  if (key === undefined) return [{ level: 'fail', area, text: 'can not be verified without a key', advice: 'set JWT_SECRET' }]
  const odd: Finding[] = []
  const auth = createAuth({
    ...{ key, issuer, audience, leewaySeconds, isRevoked: () => false, onError: () => undefined },
    onOddClaim: ({ problem }) =>
      odd.push({ level: 'warn', area, text: problem, advice: 'correct the service that signs tokens' }),
  })
  try {
    const { userId } = await auth.verify(token)
    return [{ level: 'ok', area, text: `good, of user ${userId}` }, ...odd]
  } catch (error) {
    return [{ level: 'fail', area, text: (error as Error).message, advice: 'correct the service that signs tokens' }]
  }
}

function strengthOf(key: KeyObject): string {
  const { modulusLength } = key.asymmetricKeyDetails ?? {}
  return modulusLength === undefined ? 'P-256' : `RSA of ${modulusLength} bits`
}

/** Whether a secret is obviously weak: few distinct bytes, a short text repeated, or a word that everybody tries. */
export function isGuessable(secret: Buffer): boolean {
  const counts = new Map<number, number>()
  for (const byte of secret) counts.set(byte, (counts.get(byte) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= count * Math.log2(count / secret.length)
  const text = secret.toString('latin1')
  return bits < WEAK_BITS || /^(.{1,16}?)\1+.{0,15}$/s.test(text) || GUESSABLE.test(text)
}

function* checkTls({ tls }: Settings): Generator<Finding> {
  if (tls === undefined) return
  const area = 'TLS'
  const certificates = tls.cert.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? []
  const now = Date.now()
  for (const [index, pem] of certificates.entries()) {
    const certificate = new X509Certificate(pem)
    const { validFrom, validTo, subject } = certificate
    const name = `${index === 0 ? 'the certificate' : `certificate ${index + 1} of the chain`} (${subject.replaceAll('\n', ', ')})`
    const days = Math.floor((new Date(validTo).getTime() - now) / DAY_MS)
    const until = `until ${new Date(validTo).toISOString().slice(0, 10)}`
    const advice = 'renew it, put the new files where TLS_CERT and TLS_KEY point, and send the nodes SIGHUP'
    if (days < 0) yield { level: 'fail', area, text: `${name} was good ${until}`, advice }
    else if (new Date(validFrom).getTime() > now)
      yield { level: 'fail', area, text: `${name} is not good yet`, advice: "set this machine's clock, or wait" }
    else if (days < TLS_WARN_DAYS) yield { level: 'warn', area, text: `${name} is good ${until}, ${days} days more`, advice }
    else if (index === 0 && certificate.checkIssued(certificate))
      yield {
        level: 'warn',
        area,
        text: `${name} is signed by itself`,
        advice: 'clients refuse it unless they are told to trust it: get one that is signed',
      }
    else yield { level: 'ok', area, text: `${name} is good ${until}` }
  }
  const { asymmetricKeyType = '' } = createPrivateKey(tls.key)
  yield { level: 'ok', area, text: `the private key belongs to it (${asymmetricKeyType})` }
}

function* checkLimits({ dbPoolSize, databaseUrl }: Settings, connections: number): Generator<Finding> {
  const area = 'limits'
  const needed = connections + dbPoolSize + OTHER_FILES
  const files = openFilesLimit()
  const wanted = `${connections} connections need ${needed}`
  if (files === undefined) yield { level: 'ok', area, text: 'open files: this system tells no limit' }
  else if (files < needed)
    yield {
      level: 'fail',
      area,
      text: `open files: ${files}, ${wanted}`,
      advice: `raise it where the server is started (ulimit -n ${needed}, LimitNOFILE of systemd), or expect fewer with --connections`,
    }
  else yield { level: 'ok', area, text: `open files: ${files === Infinity ? 'no limit' : files}, ${wanted}` }

  const memory = Math.min(totalmem(), memoryLimit())
  const bytes = BASE_BYTES * (databaseUrl === undefined ? 3 : 1) + connections * BYTES_PER_CONNECTION
  const text = `memory: ${megabytes(memory)}, ${connections} connections may need ${megabytes(bytes)}`
  if (memory < bytes)
    yield { level: 'fail', area, text, advice: 'give it more, or spread the connections over more nodes (--connections)' }
  else yield { level: 'ok', area, text }
  const { heap_size_limit: heap } = getHeapStatistics()
  const heapNeeded = bytes / 2
  if (heap < heapNeeded)
    yield {
      level: 'warn',
      area,
      text: `heap of Node: ${megabytes(heap)}, ${connections} connections may need ${megabytes(heapNeeded)}`,
      advice: `start with NODE_OPTIONS=--max-old-space-size=${Math.ceil(heapNeeded / 1024 / 1024)}`,
    }
}

/** This process's limit, which is the server's if both are started alike; undefined if the system has none. */
function openFilesLimit(): number | undefined {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: number | string } } }
  const soft = userLimits?.open_files?.soft
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Infinity : Number(soft)
}

/** The container's limit; 0 and numbers beyond all memory mean no limit. */
function memoryLimit(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? limit : Infinity
}

async function checkDatabase(settings: Settings): Promise<Finding[]> {
  const area = 'database'
  const { databaseUrl, dataDir, dbAcquireTimeoutMs, dbStatementTimeoutMs } = settings
  if (databaseUrl === undefined) {
    if (dataDir === 'memory:') return [{ level: 'ok', area, text: 'embedded, in memory: nothing is kept' }]
    const folder = resolve(dataDir)
    const problem = await problemWithFolder(folder)
    if (problem !== undefined)
      return [{ level: 'fail', area, text: problem, advice: 'correct that or set DATA_DIR to another folder' }]
    // Opening it would create it.
    if (!existsSync(folder) || readdirSync(folder).every((name) => name === 'parley.dev-secret'))
      return [{ level: 'ok', area, text: `embedded: the first start makes it in ${folder}` }]
  }
  let database: Database | undefined
  try {
    database = await openDatabase({
      databaseUrl,
      dataDir,
      asIs: true,
      poolSize: 1,
      acquireTimeoutMs: dbAcquireTimeoutMs,
      statementTimeoutMs: dbStatementTimeoutMs,
    })
    const facts = await diagnoseDatabase(database)
    return [
      ...rightsFindings(settings),
      ...databaseFindings(settings, facts),
      await checkMigrations(database),
      ...clockFindings('the database', facts),
    ]
  } catch (error) {
    if (!(error instanceof DatabaseStartError)) throw error
    const isInUse = databaseUrl === undefined && /\bprocess\b/.test(error.message)
    if (isInUse) return [{ level: 'warn', area, text: error.message, advice: 'stop the server to have its database checked' }]
    return [{ level: 'fail', area, text: error.message }]
  } finally {
    await database?.close()
  }
}

/** Whether other users of this machine may read the embedded database. */
function rightsFindings({ databaseUrl, dataDir }: Settings): Finding[] {
  const folder = resolve(dataDir)
  if (databaseUrl !== undefined || dataDir === 'memory:' || (statSync(folder).mode & 0o077) === 0) return []
  const text = `other users of this machine may read ${folder}`
  return [{ level: 'warn', area: 'database', text, advice: `chmod 700 ${folder}, which the server tries at its start` }]
}

function databaseFindings({ databaseUrl, dbPoolSize }: Settings, facts: DatabaseFacts): Finding[] {
  const area = 'database'
  const findings: Finding[] = [
    {
      level: 'ok',
      area,
      text: `${databaseUrl === undefined ? 'embedded, ' : ''}PostgreSQL ${facts.version}, ${facts.encoding}`,
    },
  ]
  if (databaseUrl === undefined) return findings
  if (facts.isReplica)
    findings.push({ level: 'fail', area, text: 'a replica, which takes no writes', advice: 'set DATABASE_URL to the primary' })
  if (!facts.mayCreate)
    findings.push({
      level: 'fail',
      area,
      text: `the user of DATABASE_URL may not make tables in the schema ${facts.schema}`,
      advice: `GRANT CREATE, USAGE ON SCHEMA ${facts.schema} to it`,
    })
  if (!facts.isDurable)
    findings.push({
      level: 'warn',
      area,
      text: 'fsync or synchronous_commit is off: what was acknowledged can be lost in a crash',
      advice: 'set both to on',
    })
  const slow = facts.latencyMs > LATENCY_WARN_MS
  findings.push({
    level: slow ? 'warn' : 'ok',
    area,
    text: `answers within ${ms(facts.latencyMs)}`,
    ...(slow ? { advice: 'put nodes and database into one network: every request waits for several answers' } : {}),
  })
  // One for migrations and one for psql, besides the pool.
  const each = dbPoolSize + 2
  const nodes = Math.floor(facts.maxConnections / each)
  const text = `connections: DB_POOL_SIZE=${dbPoolSize}, of ${facts.maxConnections} that it takes ${facts.usedConnections} are in use; room for ${nodes} nodes in all`
  const advice = 'lower DB_POOL_SIZE or raise max_connections'
  if (nodes < 1) findings.push({ level: 'fail', area, text, advice })
  else if (facts.maxConnections - facts.usedConnections < each) findings.push({ level: 'warn', area, text, advice })
  else findings.push({ level: 'ok', area, text })
  return findings
}

async function checkMigrations(database: Database): Promise<Finding> {
  const area = 'migrations'
  try {
    const missing = await missingMigrations(database)
    if (missing.length === 0) return { level: 'ok', area, text: 'all are applied' }
    return { level: 'ok', area, text: `the next start applies ${missing.join(', ')}; back up first where there is data` }
  } catch (error) {
    if (!(error instanceof DatabaseStartError)) throw error
    return { level: 'fail', area, text: error.message }
  }
}

function* clockFindings(whose: string, { clockAheadMs }: Pick<DatabaseFacts, 'clockAheadMs'>): Generator<Finding> {
  const area = 'clock'
  const off = Math.abs(clockAheadMs)
  const text = `this machine is ${ms(off)} ${clockAheadMs < 0 ? 'ahead of' : 'behind'} ${whose}`
  const advice = 'have all machines set their clocks by NTP: tokens expire and times are told by them'
  if (off > CLOCK_FAIL_MS) yield { level: 'fail', area, text, advice }
  else if (off > CLOCK_WARN_MS) yield { level: 'warn', area, text, advice }
  else yield { level: 'ok', area, text }
}

/** Versions before 6.2 are untested. */
export function isOldRedis(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 6 || (major === 6 && minor < 2)
}

async function checkRedis({ redisUrl, redisPrefix, databaseUrl }: Settings): Promise<Finding[]> {
  const area = 'Redis'
  if (redisUrl === undefined) {
    const text = `none: one node only${databaseUrl === undefined ? '' : '; others would hear of its events late, and not of typing and presence'}`
    return [{ level: 'ok', area, text }]
  }
  const where = redisUrl
    .split(',')
    .map((url) => new URL(url).host)
    .join(', ')
  let facts: RedisFacts
  try {
    facts = await diagnoseRedis(redisUrl, redisPrefix, LEASE_MS)
  } catch (error) {
    const { message } = await explainRedisError(redisUrl, error)
    return [{ level: 'fail', area, text: `at ${where}: ${message}`, advice: 'start it or correct REDIS_URL' }]
  }
  const slow = facts.latencyMs > LATENCY_WARN_MS
  const findings: Finding[] = [
    { level: 'ok', area, text: `${facts.version} at ${where}${facts.isCluster ? ', a cluster' : ''}` },
    {
      level: slow ? 'warn' : 'ok',
      area,
      text: `answers within ${ms(facts.latencyMs)}, what is published comes within ${ms(facts.pubSubMs)}`,
      ...(slow ? { advice: 'put nodes and Redis into one network' } : {}),
    },
    {
      level: 'ok',
      area,
      text: `prefix ${JSON.stringify(redisPrefix)}, used by ${facts.nodes} running nodes`,
    },
  ]
  if (isOldRedis(facts.version))
    findings.push({ level: 'fail', area, text: `${facts.version} is too old`, advice: 'use Redis 6.2 or newer' })
  if (facts.maxMemory > 0 && facts.evictionPolicy.startsWith('allkeys'))
    findings.push({
      level: 'warn',
      area,
      text: `maxmemory-policy ${facts.evictionPolicy} may take away who is online`,
      advice: 'set it to noeviction or volatile-lru',
    })
  return [...findings, ...clockFindings('Redis', facts)]
}
