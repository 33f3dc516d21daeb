import { createSecretKey, KeyObject, type webcrypto } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { ChatError } from '../errors.ts'
import { BannedError } from './bans.ts'
import { problemWithName, problemWithUrl } from '../limits.ts'

/** The caller, from a verified token. `expiresAt` is in milliseconds since the epoch. */
export interface Viewer {
  userId: number
  /** Undefined if the token has no such claim. */
  name: string | undefined
  avatar: string | null | undefined
  isAdmin: boolean
  /** When the token was issued, in milliseconds since the epoch; 0 without `iat`. */
  issuedAt: number
  expiresAt: number
}

/** A key and the one algorithm for its kind, so that the token can't choose the algorithm. */
export interface TokenKey {
  kind: 'HS256' | 'RS256' | 'ES256'
  key: KeyObject
}

/** A key, or the URL of a key set (RFC 7517). */
export type AuthKey = TokenKey | { kind: 'JWKS'; url: string; key?: undefined }

export interface AuthOptions {
  key: AuthKey
  issuer: string | undefined
  audience: string | undefined
  /** Tolerated clock difference between issuer and server for `nbf` and `exp`; 0 if absent. */
  leewaySeconds?: number
  /**
   * Called when a claim is ignored or looks like a mistake of the issuer: once for each user, or once at all. Never contains
   * the token.
   */
  onOddClaim?: (oddity: { userId: number; claim: string; problem: string }) => void
  /** Whether an administrator has revoked the viewer's tokens issued at that time. */
  isRevoked: (viewer: Viewer) => boolean
  /** The text for a banned user; undefined for everyone else. */
  banOf?: (userId: number) => string | undefined
  /** Called when the keys can't be fetched. */
  onError: (error: unknown) => void
  /** Called for each rejected token; the reason contains nothing of the token. */
  onRefused?: (reason: string, address: string) => void
}

export interface Auth {
  /**
   * Verifies a token sent from a client's address. Rejects with UNAUTHENTICATED and a reason that contains nothing of the
   * token, with UNAVAILABLE if its key can't be fetched now, or with FORBIDDEN (BannedError) for a banned user.
   */
  verify(token: string, address?: string): Promise<Viewer>
  /** Verifies the value of an `Authorization` header, `Bearer <jwt>`. */
  verifyHeader(header: string | null | undefined, address?: string): Promise<Viewer>
  /** Why a viewer is refused whose token was good when it was verified: banned or revoked since; undefined for everyone else. */
  refusalOf(viewer: Viewer): ChatError | undefined
}

const refuse = (reason: string): ChatError => new ChatError('UNAUTHENTICATED', reason)

/** Tokens longer than this are rejected unread. */
const TOKEN_LIMIT = 8192
/** An `exp` from here on, in seconds, is not a date that JavaScript can represent. */
const EXP_LIMIT = 8.64e12
/** An `exp` beyond this, the year 5138, was most likely given in milliseconds. */
const EXP_DOUBTFUL = 1e11
/** For how many users to remember that a warning about a claim was logged. */
const WARNED_LIMIT = 10_000
/** A name from a token is ignored if it is blank or has control characters or line breaks. */
const UNPRINTABLE_NAME = /^\s*$|[\p{Cc}\u2028\u2029]/u

/** Why a token is rejected: a closed list, so that nothing of a token leaks. */
const REASONS = {
  algorithm: 'the token is signed with another algorithm than this server expects',
  malformed: 'the token is malformed',
}

/** jose's codes of what is wrong with the key that a token names; any other is a failure to fetch the keys. */
const KEY_REASONS: Readonly<Record<string, string>> = {
  ERR_JWKS_NO_MATCHING_KEY: 'the token names a key that is not known',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'the token does not name its key',
}

/** The beginnings of jsonwebtoken's messages. */
const VERIFY_REASONS: readonly (readonly [message: string, reason: string])[] = [
  ['jwt expired', 'the token has expired'],
  ['jwt not active', 'the token is not valid yet'],
  ['jwt audience invalid', 'the token is for another audience'],
  ['jwt issuer invalid', 'the token is from another issuer'],
  ['invalid algorithm', REASONS.algorithm],
  ['invalid signature', 'the signature of the token is wrong'],
  ['jwt signature is required', 'the token is not signed'],
]

const reasonOf = ({ message }: Error): string =>
  VERIFY_REASONS.find(([start]) => message.startsWith(start))?.[1] ?? REASONS.malformed

export function createAuth(options: AuthOptions): Auth {
  const { key, issuer, audience, leewaySeconds = 0, isRevoked, banOf = () => undefined, onOddClaim, onError, onRefused } = options
  const limits = {
    clockTolerance: leewaySeconds,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  }
  const warned = new Set<number>()
  let isExpiryWarned = false

  function warnOnce(userId: number, { claim, problem }: OddClaim): void {
    if (claim === 'exp' ? isExpiryWarned : warned.has(userId)) return
    if (claim === 'exp') isExpiryWarned = true
    else {
      if (warned.size >= WARNED_LIMIT) warned.delete(warned.values().next().value as number)
      warned.add(userId)
    }
    onOddClaim?.({ userId, claim, problem })
  }

  const keysOf = key.kind === 'JWKS' ? byKeySet(key.url, onError) : () => key

  async function claimsOf(token: string): Promise<jsonwebtoken.JwtPayload> {
    const keyOfToken = keysOf(token)
    return verifyWith(keyOfToken instanceof Promise ? await keyOfToken : keyOfToken, token, limits)
  }

  async function check(token: string): Promise<Viewer> {
    if (token.length > TOKEN_LIMIT) throw refuse(`the token is longer than ${TOKEN_LIMIT} characters`)
    const { viewer, odd } = toViewer(await claimsOf(token))
    for (const claim of odd) warnOnce(viewer.userId, claim)
    const refusal = refusalOf(viewer)
    if (refusal) throw refusal
    return viewer
  }

  function refusalOf(viewer: Viewer): ChatError | undefined {
    const ban = banOf(viewer.userId)
    if (ban !== undefined) return new BannedError(ban)
    return isRevoked(viewer) ? refuse('the token was revoked') : undefined
  }

  async function checkHeader(header: string | null | undefined): Promise<Viewer> {
    if (!header) throw refuse('no token: expected the header "Authorization: Bearer <jwt>"')
    const match = /^Bearer +([\w.~+/=-]+) *$/i.exec(header)
    if (!match) throw refuse('the Authorization header is not of the form "Bearer <jwt>"')
    return await check(match[1] as string)
  }

  async function report(checked: Promise<Viewer>, address: string): Promise<Viewer> {
    try {
      return await checked
    } catch (error) {
      if (error instanceof ChatError && error.code !== 'UNAVAILABLE') onRefused?.(error.message, address)
      throw error
    }
  }

  return {
    refusalOf,
    verify: (token, address = 'unknown') => report(check(token), address),
    verifyHeader: (header, address = 'unknown') => report(checkHeader(header), address),
  }
}

interface ClaimLimits {
  clockTolerance: number
  issuer?: string
  audience?: string
}

function verifyWith({ kind, key }: TokenKey, token: string, limits: ClaimLimits): jsonwebtoken.JwtPayload {
  // jsonwebtoken builds a key object from a string or PEM at each call, at 50 times the cost.
  let verified: jsonwebtoken.Jwt
  try {
    verified = jsonwebtoken.verify(token, key, { algorithms: [kind], ...limits, complete: true })
  } catch (error) {
    throw refuse(reasonOf(error as Error))
  }
  const { header, payload } = verified
  // An extension that must be understood (RFC 7515, section 4.1.11) is not.
  if (header.crit !== undefined) throw refuse(REASONS.malformed)
  if (typeof payload === 'string') throw refuse('the token carries no claims')
  return payload
}

/** Maximum size of a key set. */
const KEY_SET_LIMIT = 1_048_576
/** Pause before keys are fetched again after a failure. */
const PAUSE_MS = 5000

/** `fetch` with a bounded response body. */
async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > KEY_SET_LIMIT) throw new Error(`the key set is larger than ${KEY_SET_LIMIT} bytes`)
    chunks.push(chunk)
  }
  return response.ok ? new Response(Buffer.concat(chunks)) : response
}

type Key = Awaited<ReturnType<JWTVerifyGetKey>>
type GetKey = (...about: Parameters<JWTVerifyGetKey>) => Promise<Key>

/**
 * Keys are fetched when a token first names an unknown key, at most every half minute, and cached for ten minutes. While they
 * can't be refreshed the cached ones stay valid, so that an outage of the provider does not affect the chat.
 */
function remoteKeys(url: string, onError: (error: unknown) => void): GetKey {
  const durations = { timeoutDuration: 5000, cooldownDuration: 30_000, cacheMaxAge: 600_000 }
  const remote = createRemoteJWKSet(new URL(url), { ...durations, [customFetch]: fetchBounded })
  let failure: { error: unknown; until: number; before: JWTVerifyGetKey | undefined } | undefined
  let isRetrying = false

  const attempt: GetKey = async (header, token) => {
    try {
      const key = await remote(header, token)
      failure = undefined
      return key
    } catch (error) {
      if (isAboutToken(error)) failure = undefined
      else {
        const known = remote.jwks()
        // Report a failure once, not for each caller that waited for the same fetch.
        if (!failure || Date.now() >= failure.until) onError(error)
        failure = { error, until: Date.now() + PAUSE_MS, before: known && createLocalJWKSet(known) }
      }
      throw error
    }
  }

  function retry(...about: Parameters<JWTVerifyGetKey>): void {
    if (isRetrying) return
    isRetrying = true
    const ended = (): void => void (isRetrying = false)
    attempt(...about).then(ended, ended)
  }

  async function keyOfBefore(...about: Parameters<JWTVerifyGetKey>): Promise<Key | undefined> {
    try {
      return await failure?.before?.(...about)
    } catch {
      return undefined
    }
  }

  return async (header, token) => {
    const known = failure && (await keyOfBefore(header, token))
    if (known) {
      // Nobody whose key is known waits for the next attempt: the provider may hang.
      if (failure && Date.now() >= failure.until) retry(header, token)
      return known
    }
    // An unknown key may be a new one.
    if (failure && Date.now() < failure.until) throw failure.error
    try {
      return await attempt(header, token)
    } catch (error) {
      const key = await keyOfBefore(header, token)
      if (key) return key
      throw error
    }
  }
}

function byKeySet(url: string, onError: (error: unknown) => void): (token: string) => Promise<TokenKey> {
  const keys = remoteKeys(url, onError)
  return async (token) => {
    const { alg: kind, kid } = headerOf(token)
    if (kind !== 'RS256' && kind !== 'ES256') throw refuse(REASONS.algorithm)
    try {
      const key = await keys({ alg: kind, ...(kid === undefined ? {} : { kid }) }, { payload: '', signature: '' })
      return { kind, key: KeyObject.from(key as webcrypto.CryptoKey) }
    } catch (error) {
      const reason = KEY_REASONS[(error as { code?: string }).code ?? '']
      if (reason !== undefined) throw refuse(reason)
      throw new ChatError('UNAVAILABLE', 'the keys of the tokens can not be fetched now; try again', { cause: error })
    }
  }
}

/** The header of a token that is not verified yet. Throws UNAUTHENTICATED for a malformed one. */
function headerOf(token: string): jsonwebtoken.JwtHeader {
  try {
    const decoded = jsonwebtoken.decode(token, { complete: true })
    if (decoded) return decoded.header
  } catch {
    // Its payload is not JSON.
  }
  throw refuse(REASONS.malformed)
}

const isAboutToken = (error: unknown): boolean => Object.hasOwn(KEY_REASONS, (error as { code?: string }).code ?? '')

interface OddClaim {
  claim: string
  problem: string
}

/** The viewer, and the claims that were ignored or look wrong. */
function toViewer({ sub, exp, iat, name, avatar, role }: Record<string, unknown>): { viewer: Viewer; odd: OddClaim[] } {
  const userId = typeof sub === 'string' && /^[1-9]\d{0,9}$/.test(sub) ? Number(sub) : (sub as unknown)
  if (typeof userId !== 'number' || !Number.isInteger(userId) || userId < 1 || userId > 2_147_483_647) {
    throw refuse('the claim "sub" is not a user id: expected a number from 1 to 2147483647')
  }
  if (typeof exp !== 'number') throw refuse('the claim "exp" is missing')
  if (!(exp < EXP_LIMIT)) throw refuse('the claim "exp" is no date: expected seconds since 1970')
  const odd: OddClaim[] = []
  if (exp > EXP_DOUBTFUL)
    odd.push({
      claim: 'exp',
      problem: 'exp lies thousands of years ahead: it may be in milliseconds, expected seconds since 1970',
    })
  // Invalid optional claims must not keep a user out.
  const claimed = (value: unknown, claim: string, check: (value: string, claim: string) => string | null): string | undefined => {
    if (value === undefined || value === null) return undefined
    const problem = typeof value === 'string' ? check(value, claim) : `${claim} is not a string`
    if (problem === null) return value as string
    odd.push({ claim, problem })
    return undefined
  }
  const viewer: Viewer = {
    userId,
    name: claimed(name, 'name', problemWithClaimedName),
    avatar: avatar === null ? null : claimed(avatar, 'avatar', problemWithUrl),
    isAdmin: role === 'admin',
    issuedAt: typeof iat === 'number' && iat > 0 ? iat * 1000 : 0,
    expiresAt: exp * 1000,
  }
  return { viewer, odd }
}

const problemWithClaimedName = (name: string, claim: string): string | null =>
  problemWithName(name, claim) ?? (UNPRINTABLE_NAME.test(name) ? `${claim} is blank or has control characters` : null)

export interface TokenClaims {
  userId: number
  name?: string
  avatar?: string
  isAdmin?: boolean
  ttlSeconds: number
  /** In seconds since the epoch; now if absent. */
  issuedAt?: number
  issuer?: string | undefined
  audience?: string | undefined
}

/** Signs a token with a shared secret, for demos, tests and the token command. */
export function signToken(
  secret: KeyObject | string,
  { userId, name, avatar, isAdmin, ttlSeconds, issuedAt, issuer, audience }: TokenClaims,
): string {
  const key = typeof secret === 'string' ? createSecretKey(Buffer.from(secret)) : secret
  const claims = {
    sub: String(userId),
    ...(issuedAt === undefined ? {} : { iat: issuedAt }),
    ...(name === undefined ? {} : { name }),
    ...(avatar === undefined ? {} : { avatar }),
    ...(isAdmin ? { role: 'admin' } : {}),
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audience === undefined ? {} : { aud: audience }),
  }
  return jsonwebtoken.sign(claims, key, { algorithm: 'HS256', expiresIn: ttlSeconds })
}
