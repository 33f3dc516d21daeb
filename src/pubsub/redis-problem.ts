import { once } from 'node:events'
import { connect } from 'node:net'
import { OperatorError } from '../errors.ts'
import { isSentinelUrl, redisAddresses } from '../lib/redis-url.ts'

/**
 * Why Redis can't be used, in a sentence for the person who set REDIS_URL. Contains no password, unlike the library's errors.
 */
export interface RedisProblem {
  message: string
  /** Whether it may resolve itself. */
  isTemporary: boolean
}

/** Redis can't be used as REDIS_URL says, and waiting does not help. The message is for the person who starts the server. */
export class RedisStartError extends OperatorError {
  override readonly name = 'RedisStartError'
}

/** Error replies of a server that is not writable, or not at the moment. */
const NOT_WRITABLE = /^(READONLY|MASTERDOWN|LOADING|CLUSTERDOWN)\b/
/** The reply to SELECT; what goes on after it would be in another database. */
const NO_DATABASE = /DB index is out of range|invalid DB index/
/** Error replies after which nothing may be done on a connection. */
export const isUnusable = (message: string): boolean => NOT_WRITABLE.test(message) || NO_DATABASE.test(message)

const NO_TRUST = /certificate|CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/
const LOOK_MS = 1000
/** The request for TLS that only PostgreSQL answers, with one letter. */
const POSTGRES_QUESTION = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])
/** A TLS alert, the answer to anything that is not TLS. */
const TLS_ALERT = 0x15

/** Explains an error of a connection to Redis; if the error is ambiguous, by probing what answers at the address. */
export async function explainRedisError(url: string, error: unknown): Promise<RedisProblem> {
  const { code = '', message } = innermost(error)
  const { addresses, isTls } = redisAddresses(url)
  const { host, port } = addresses[0]
  const at = addresses.map((address) => `${address.host}:${address.port}`).join(', ')
  const where = `${isSentinelUrl(url) ? 'Redis behind Sentinel' : 'Redis'} at ${at}`
  const passing = (text: string): RedisProblem => ({ message: text, isTemporary: true })
  const lasting = (text: string): RedisProblem => ({ message: text, isTemporary: false })

  if (/WRONGPASS|invalid password/i.test(message)) return lasting(`${where} refuses the user or the password of REDIS_URL.`)
  if (/NOAUTH/.test(message))
    return lasting(`${where} asks for a password, and REDIS_URL holds none: redis://:password@host:6379.`)
  if (/NOPERM/.test(message)) return lasting(`${where} does not allow the user of REDIS_URL what the server needs.`)
  if (NO_DATABASE.test(message)) return lasting(`${where} has no database of the number in REDIS_URL. Correct REDIS_URL.`)
  if (/cluster support disabled/.test(message))
    return lasting(`${where} is no cluster. Leave ?cluster=true out of REDIS_URL, and name one server.`)
  if (/unknown command .?sentinel/i.test(message))
    return lasting(
      `Redis itself answers at ${at}, where REDIS_URL expects Sentinel. Write redis:// or name Sentinels in REDIS_URL.`,
    )
  if (NOT_WRITABLE.test(message)) return passing(`${where} takes no writes now (${message}).`)
  if (code === 'ECONNREFUSED') return passing(`No ${where} answers. Start it or correct REDIS_URL.`)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return passing(
      `The host ${addresses.map((address) => address.host).join(', ')} of REDIS_URL is not known. Correct REDIS_URL.`,
    )
  if (NO_TRUST.test(`${code} ${message}`))
    return lasting(
      `The certificate of ${where} is not trusted (${code || message}). Set NODE_EXTRA_CA_CERTS or correct REDIS_URL.`,
    )

  const found = await lookAt(host.replace(/^\[|\]$/g, ''), port)
  if (found === 'PostgreSQL')
    return lasting(`PostgreSQL answers at ${host}:${port}, where REDIS_URL expects Redis. Correct REDIS_URL.`)
  if (found === 'TLS' && !isTls) return lasting(`${where} speaks TLS only. Write rediss:// in REDIS_URL.`)
  if (found === 'Redis' && isTls) return lasting(`${where} does not speak TLS. Write redis:// in REDIS_URL.`)
  if (message.startsWith('Protocol error')) return lasting(`What answers at ${host}:${port} is not Redis. Correct REDIS_URL.`)
  return passing(`${where} can't be used: ${(message || code).replace(/\.$/, '')}.`)
}

function innermost(error: unknown): { code?: string; message: string } {
  const { lastNodeError } = error as { lastNodeError?: unknown }
  return lastNodeError ? innermost(lastNodeError) : (error as { code?: string; message: string })
}

/** What answers there, if it is one of these. */
async function lookAt(host: string, port: number): Promise<'Redis' | 'TLS' | 'PostgreSQL' | undefined> {
  const answer = await ask(host, port, Buffer.from('PING\r\n'))
  if (answer[0] === TLS_ALERT) return 'TLS'
  if (/^[+-]/.test(answer.toString('latin1'))) return 'Redis'
  const other = await ask(host, port, POSTGRES_QUESTION)
  return /^[SN]/.test(other.toString('latin1')) ? 'PostgreSQL' : undefined
}

/** The beginning of an answer; empty if there is none. */
async function ask(host: string, port: number, question: Buffer): Promise<Buffer> {
  const socket = connect({ host, port })
  try {
    socket.write(question)
    const [answer] = (await once(socket, 'data', {
      signal: AbortSignal.any([AbortSignal.timeout(LOOK_MS), closed(socket)]),
    })) as [Buffer]
    return answer
  } catch {
    return Buffer.alloc(0)
  } finally {
    socket.destroy()
  }
}

function closed(socket: ReturnType<typeof connect>): AbortSignal {
  const controller = new AbortController()
  socket.once('close', () => controller.abort())
  return controller.signal
}
