import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { createAuth } from '../auth/verify.ts'
import type { Settings } from '../settings.ts'
import type { Finding } from './finding.ts'
import { checkDatabase, checkRedis } from './diagnosis-services.ts'
import { engines } from '../telemetry/version.ts'

const TLS_WARN_DAYS = 30
const DAY_MS = 86_400_000
/** Memory a server needs before the first connection, and may need for each one, sends and buffers included. */
const BASE_BYTES = 250 * 1024 * 1024
const BYTES_PER_CONNECTION = 50 * 1024
/** Open files besides connections of clients and to the database. */
const OTHER_FILES = 64
const WEAK_BITS = 100
const GUESSABLE = /secret|passw|change.?me|example|qwert|12345|abcdef/i

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
