/** The values of settings: from the text of a variable to what the server uses. Each parser throws BadValueError. */
import { createPrivateKey, createPublicKey, createSecretKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import ipaddr from 'ipaddr.js'
import { isSentinelUrl, readSentinelUrl } from '../lib/redis-url.ts'

/** Largest number accepted: the longest delay of a Node timer, and the maximum of `Int` in GraphQL and PostgreSQL. */
const MAX_NUMBER = 2_147_483_647
const MIN_SECRET_BYTES = 32
const MIN_RSA_BITS = 2048

/** The algorithm is fixed with the key, so that a token can't choose how it is verified. */
export interface JwtKey {
  readonly kind: 'HS256' | 'RS256' | 'ES256'
  readonly key: KeyObject
}

/** Why a value was rejected: what was received, in words that may be printed, and what was expected. */
export class BadValueError extends Error {
  constructor(got: string, expected: string) {
    super(`came ${got}, expected ${expected}`)
  }
}

/** A value as it may be printed: user and password removed from URLs, long texts cut. */
export const shown = (value: string): string => {
  const text = value.replace(/\/\/.*@/s, '//***@')
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text)
}

export const parseNumber =
  (min: number, max = MAX_NUMBER) =>
  (value: string): number => {
    const number = /^(0|[1-9]\d{0,9})$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw new BadValueError(shown(value), `an integer from ${min} to ${max}`)
  }

export const positive = parseNumber(1)
export const zeroOrMore = parseNumber(0)

export const parseChoice =
  <T extends string>(choices: readonly T[]) =>
  (value: string): T => {
    const choice = choices.find((each) => each === value)
    if (choice !== undefined) return choice
    throw new BadValueError(shown(value), `one of ${choices.join(', ')}`)
  }

export const parseFlag = (value: string): boolean => parseChoice(['0', '1'])(value) === '1'

export const parseCompression = (value: string): boolean | 'shared' => {
  const choice = parseChoice(['0', '1', 'shared'])(value)
  return choice === 'shared' ? choice : choice === '1'
}

export const parseText = (value: string): string => value

const tryUrl = (value: string): URL | null => (URL.canParse(value) ? new URL(value) : null)

/** Never prints the URL: an invalid one may still contain a password. */
const parseUrl =
  (schemes: readonly string[], needsHost: boolean) =>
  (value: string): string => {
    const expected = `a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`
    const url = tryUrl(value)
    if (url === null || !value.includes('://')) throw new BadValueError('text that is no URL', expected)
    if (!schemes.includes(url.protocol)) throw new BadValueError(`a URL that starts with ${url.protocol}//`, expected)
    if (needsHost && url.hostname === '') throw new BadValueError('a URL without a host', expected)
    return value
  }

/** Several hosts, and a user without a host, are valid for libpq and not for URL: the store parses the rest. */
export const parsePostgresUrl = (value: string): string =>
  /^postgres(ql)?:\/\//.test(value) ? value : parseUrl(['postgres:', 'postgresql:'], false)(value)

/** One server, nodes of a cluster that all speak TLS or all do not, or Sentinels. Parts without effect are rejected. */
export const parseRedisUrl = (value: string): string => {
  if (isSentinelUrl(value)) {
    if (readSentinelUrl(value) === undefined)
      throw new BadValueError(
        'a URL of Sentinel that is incomplete, or has another parameter',
        'redis+sentinel://user:password@host:26379,host:26379/name, with the name of the primary, and no parameters but sentinel_username and sentinel_password',
      )
    return value
  }
  const texts = value.split(',').map((each) => parseUrl(['redis:', 'rediss:'], true)(each.trim()))
  const urls = texts.map((text) => new URL(text))
  const [first] = urls as [URL]
  if (urls.some(({ protocol }) => protocol !== first.protocol))
    throw new BadValueError('redis:// and rediss:// together', 'the same for all nodes of a cluster')
  const unknown = urls.flatMap(({ searchParams }) => [...searchParams.keys()]).filter((name) => name !== 'cluster')
  if (unknown.length > 0) throw new BadValueError(`the parameter ${unknown.join(', ')}`, 'no parameter but cluster')
  if (urls.some(({ searchParams }) => !['true', 'false'].includes(searchParams.get('cluster') ?? 'true')))
    throw new BadValueError('the parameter cluster with another value', 'cluster=true or cluster=false')
  const isCluster = urls.length > 1 || first.searchParams.get('cluster') === 'true'
  if (isCluster && urls.some(({ pathname }) => !['', '/', '/0'].includes(pathname)))
    throw new BadValueError('the number of a database', 'none for a cluster, which has one only')
  if (urls.some(({ hash }) => hash !== ''))
    throw new BadValueError('a part that begins with #', 'none; in a password it is written %23')
  if (urls.some(({ pathname }) => !/^\/?\d*$/.test(pathname)))
    throw new BadValueError('a path', 'none, or the number of a database')
  const isAsFirst = ({ username, password }: URL): boolean =>
    (username === '' && password === '') || (username === first.username && password === first.password)
  if (!urls.every(isAsFirst)) throw new BadValueError('several users or passwords', 'the same for all nodes of a cluster')
  return texts.join(',')
}

/** Origins in the form that browsers send: lower-case host, no default port, nothing after it. */
export const parseOrigins = (value: string): readonly string[] =>
  value.split(',').map((item) => {
    const text = item.trim()
    const url = tryUrl(text)
    const isOrigin = url !== null && url.host !== '' && /^[a-z][a-z\d+.-]*:\/\/[^/?#@\\\s]+\/?$/i.test(text)
    if (!isOrigin) throw new BadValueError(shown(text), 'origins such as https://chat.example.com, separated by commas')
    return `${url.protocol}//${url.host}`
  })

/** A network, by an address in it and the number of bits that its addresses share. */
export type Network = [ipaddr.IPv4 | ipaddr.IPv6, bits: number]

/** A network such as `10.0.0.0/8`, or one address. Throws for anything else. */
function parseNetwork(text: string): Network {
  const [address = '', bits] = text.split('/')
  const version = isIP(address)
  if (version === 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) throw new Error('not an address or network')
  return ipaddr.parseCIDR(bits === undefined ? `${address}/${version === 6 ? 128 : 32}` : text)
}

export const parseProxies = (value: string): readonly Network[] =>
  value.split(',').map((each) => {
    try {
      return parseNetwork(each.trim())
    } catch {
      throw new BadValueError(shown(each.trim()), 'addresses or networks such as 10.0.0.0/8, separated by commas')
    }
  })

/** Keys decide who a caller is: only over TLS, except from this machine. */
export const parseJwksUrl = (value: string): string => {
  const text = parseUrl(['https:', 'http:'], true)(value)
  const { protocol, hostname } = new URL(text)
  if (protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname))
    throw new BadValueError('a URL that starts with http://', 'one that starts with https://')
  return text
}

export const parseDocumentsFile = (path: string): ReadonlyMap<string, string> => {
  const expected = 'the path of a JSON file with an object of documents by their ids'
  let documents: unknown
  try {
    documents = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new BadValueError(`${shown(path)}, which can't be read as JSON`, expected)
  }
  const isObject = typeof documents === 'object' && documents !== null && !Array.isArray(documents)
  const entries = isObject ? Object.entries(documents as object) : []
  if (!isObject || entries.some(([, text]) => typeof text !== 'string'))
    throw new BadValueError(`${shown(path)}, which holds no such thing`, expected)
  return new Map(entries as [string, string][])
}

export const parseSecret = (value: string): JwtKey => {
  const bytes = Buffer.from(value)
  if (bytes.length < MIN_SECRET_BYTES) throw new BadValueError(`${bytes.length} bytes`, `at least ${MIN_SECRET_BYTES} bytes`)
  return { kind: 'HS256', key: createSecretKey(bytes) }
}

/**
 * Line ends may be written as `
 * `, as needed in env files with one line for each variable.
 */
export const parsePublicKey = (value: string): JwtKey => {
  const expected = `the PEM of a public RSA key of at least ${MIN_RSA_BITS} bits or of a public EC key on P-256`
  const pem = value.replaceAll('\\n', '\n')
  if (pem.includes('PRIVATE KEY-----')) throw new BadValueError('a private key', expected)
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    throw new BadValueError('text that is no PEM of a key', expected)
  }
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < MIN_RSA_BITS) throw new BadValueError(`an RSA key of ${modulusLength} bits`, expected)
    return { kind: 'RS256', key }
  }
  if (key.asymmetricKeyType === 'ec') {
    if (namedCurve !== 'prime256v1') throw new BadValueError(`an EC key on ${namedCurve}`, expected)
    return { kind: 'ES256', key }
  }
  throw new BadValueError(`a key of type ${key.asymmetricKeyType}`, expected)
}

/** Reads a file; `check` throws if it is not what the name says. */
const parsePemFile =
  (what: string, check: (pem: string) => unknown) =>
  (path: string): string => {
    const expected = `the path of a PEM file with ${what}`
    if (path.includes('-----BEGIN')) throw new BadValueError('the PEM itself', expected)
    let pem: string
    try {
      pem = readFileSync(path, 'utf8')
    } catch {
      throw new BadValueError(`${shown(path)}, which can't be read`, expected)
    }
    try {
      check(pem)
    } catch {
      throw new BadValueError(`${shown(path)}, which holds no such thing`, expected)
    }
    return pem
  }

export const parseCertFile = parsePemFile('a certificate', (pem) => new X509Certificate(pem))
export const parseKeyFile = parsePemFile('an unencrypted private key', createPrivateKey)

const MAX_WORKERS = 256

/** Number of processes; `auto` is one for each core available to this process. */
export const parseWorkers = (value: string): number => {
  if (value === 'auto') return availableParallelism()
  const number = /^[1-9]\d{0,3}$/.test(value) ? Number(value) : NaN
  if (number <= MAX_WORKERS) return number
  throw new BadValueError(shown(value), `auto, or an integer from 1 to ${MAX_WORKERS}`)
}
