/** A server named by a Redis URL. */
export interface RedisAddress {
  host: string
  port: number
}

/** Sentinel servers, and how to reach the primary that they monitor. */
export interface SentinelTarget {
  sentinels: RedisAddress[]
  /** The primary's name in Sentinel. */
  name: string
  db: number
  isTls: boolean
  /** Credentials and TLS of the primary and its replicas. */
  username: string | undefined
  password: string | undefined
  sentinelUsername: string | undefined
  sentinelPassword: string | undefined
}

const SENTINEL = /^redis(s?)\+sentinel:\/\/(?:([^@/?]*)@)?([^/?@]+)\/([^/?]+)(?:\/(\d+))?\/?(?:\?(.*))?$/
const HOST = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/
const SENTINEL_PORT = 26_379
const REDIS_PORT = 6379
const PARAMETERS = ['sentinel_username', 'sentinel_password']

export const isSentinelUrl = (text: string): boolean => /^rediss?\+sentinel:/.test(text)

/**
 * Parses `redis+sentinel://user:password@host:26379,host:26379/name/0?sentinel_password=...`, with `rediss+sentinel` for TLS to
 * all of them; undefined for any other text.
 */
export function readSentinelUrl(text: string): SentinelTarget | undefined {
  const [, tls, userInfo = '', hosts = '', name = '', db = '0', query = ''] = SENTINEL.exec(text) ?? []
  const sentinels = hosts.split(',').map((each) => addressOf(each.trim(), SENTINEL_PORT))
  const parameters = new URLSearchParams(query)
  const isKnown = [...parameters.keys()].every((key) => PARAMETERS.includes(key))
  if (name === '' || !isKnown || sentinels.includes(undefined)) return undefined
  try {
    const [username = '', ...password] = userInfo.split(':')
    return {
      sentinels: sentinels as RedisAddress[],
      name: decodeURIComponent(name),
      db: Number(db),
      isTls: tls === 's',
      username: textOf(decodeURIComponent(username)),
      password: textOf(decodeURIComponent(password.join(':'))),
      sentinelUsername: textOf(parameters.get('sentinel_username')),
      sentinelPassword: textOf(parameters.get('sentinel_password')),
    }
  } catch {
    return undefined
  }
}

/** The servers that REDIS_URL names, in any of its forms, and whether they use TLS. */
export function redisAddresses(text: string): { addresses: [RedisAddress, ...RedisAddress[]]; isTls: boolean } {
  const target = readSentinelUrl(text)
  if (target) return { addresses: target.sentinels as [RedisAddress], isTls: target.isTls }
  const urls = text.split(',').map((each) => new URL(each.trim()))
  const addresses = urls.map(({ hostname, port }) => ({ host: hostname, port: Number(port || REDIS_PORT) }))
  return { addresses: addresses as [RedisAddress], isTls: urls[0]?.protocol === 'rediss:' }
}

const textOf = (text: string | null): string | undefined => (text === null || text === '' ? undefined : text)

function addressOf(text: string, defaultPort: number): RedisAddress | undefined {
  const [, host, port] = HOST.exec(text) ?? []
  if (host === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return undefined
  return { host: host.replace(/^\[|]$/g, ''), port: Number(port ?? defaultPort) }
}
