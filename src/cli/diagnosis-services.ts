import { existsSync, readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { LEASE_MS } from '../cluster/lease.ts'
import { redisAddresses } from '../lib/redis-url.ts'
import { diagnoseRedis, type RedisFacts } from '../pubsub/diagnose.ts'
import { redisPrefixOf } from '../pubsub/redis-prefix.ts'
import { explainRedisError } from '../pubsub/redis-problem.ts'
import { DatabaseStartError, openDatabase, type Database } from '../store/database/client.ts'
import { problemWithFolder } from '../store/database/data-folder.ts'
import { diagnoseDatabase, type DatabaseFacts } from '../store/database/diagnose.ts'
import { readDatabaseUrl } from '../store/database/url.ts'
import { readHistory } from '../store/history.ts'
import { missingMigrations } from '../store/migrations/migrate.ts'
import type { Settings } from '../settings.ts'
import type { Finding } from './finding.ts'

/** A larger clock difference makes errors of tokens and presence visible to users. */
const CLOCK_FAIL_MS = 30_000
const CLOCK_WARN_MS = 1000
const LATENCY_WARN_MS = 5

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`

/** Whether the database can be used, and whether it is what a server relies on. Changes nothing in it. */
export async function checkDatabase(settings: Settings): Promise<Finding[]> {
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
      ...(databaseUrl === undefined ? [] : await checkHistory(database)),
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

/** Whether the database is where a server looked last, or went back since. */
async function checkHistory(database: Database): Promise<Finding[]> {
  const area = 'history'
  const history = await readHistory(database)
  if (history === undefined) return []
  const { isKnown, isMoved, lost } = history
  if (!isKnown)
    return [
      {
        level: 'warn',
        area,
        text: 'the user of DATABASE_URL may not call pg_control_system(): no server can tell a restored database or a failover',
        advice: 'GRANT EXECUTE ON FUNCTION pg_control_system() to it',
      },
    ]
  if (isMoved)
    return [
      {
        level: 'ok',
        area,
        text: 'the database is another one, or of an earlier time, than when a server looked last: the next start repairs it, with a warning in the log',
      },
    ]
  const times = lost === 0 ? 'never went back' : `went back ${lost} ${lost === 1 ? 'time' : 'times'}, and was repaired`
  return [{ level: 'ok', area, text: `the database is where a server looked last, and ${times}` }]
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

/** A URL that can't be read is a finding about the database. */
function schemaOf(databaseUrl: string | undefined): string {
  try {
    return databaseUrl === undefined ? 'public' : readDatabaseUrl(databaseUrl).schema
  } catch {
    return 'public'
  }
}

export async function checkRedis({ redisUrl, redisPrefix, databaseUrl }: Settings): Promise<Finding[]> {
  const area = 'Redis'
  if (redisUrl === undefined) {
    const text = `none: one node only${databaseUrl === undefined ? '' : '; others would hear of its events late, and not of typing and presence'}`
    return [{ level: 'ok', area, text }]
  }
  const where = redisAddresses(redisUrl)
    .addresses.map(({ host, port }) => `${host}:${port}`)
    .join(', ')
  const prefix = redisPrefixOf(redisPrefix, schemaOf(databaseUrl))
  let facts: RedisFacts
  try {
    facts = await diagnoseRedis(redisUrl, prefix, LEASE_MS)
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
      text: `prefix ${JSON.stringify(prefix)}, used by ${facts.nodes} running nodes`,
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
