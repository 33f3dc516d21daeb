import { createSecretKey, type KeyObject } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, customFetch, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { ChatError } from '../errors.ts'
import { BannedError } from './bans.ts'
import { problemWithName, problemWithUrl } from '../limits.ts'

/** Who asks, from a verified token. `expiresAt` is in milliseconds since the epoch. */
export interface Viewer {
  userId: number
  /** Undefined where the token says nothing of it. */
  name: string | undefined
  avatar: string | null | undefined
  isAdmin: boolean
  /** When the token was issued, in milliseconds since the epoch; 0 where it does not say. */
  issuedAt: number
  expiresAt: number
}

/** The key and the one algorithm that goes with its kind, so that a token can't choose. */
export interface TokenKey {
  kind: 'HS256' | 'RS256' | 'ES256'
  key: KeyObject
}

/** A key, or where to get those that the tokens name (RFC 7517). */
export type AuthKey = TokenKey | { kind: 'JWKS'; url: string; key?: undefined }

export interface AuthOptions {
  key: AuthKey
  issuer: string | undefined
  audience: string | undefined
  /** How far the clocks of issuer and server may differ where a token begins and ends to be good; 0 if absent. */
  leewaySeconds?: number
  /** Told where a claim is left out, or looks like a mistake of the issuer: once for a user, or once at all. Never holds the token. */
  onOddClaim?: (oddity: { userId: number; claim: string; problem: string }) => void
  /** Whether an administrator has revoked the viewer's tokens of then. */
  isRevoked: (viewer: Viewer) => boolean
  /** The text for a user who is banned; undefined for anybody else. */
  banOf?: (userId: number) => string | undefined
  /** Called when the keys can't be fetched. */
  onError: (error: unknown) => void
  /** Called with each refusal; the reason contains nothing of the token. */
  onRefused?: (reason: string, address: string) => void
}

export interface Auth {
  /**
   * Verifies a token that came from a client's address. Rejects with UNAUTHENTICATED and a reason that contains nothing of the token, or with UNAVAILABLE where
   * its key can't be fetched now. A banned user's is FORBIDDEN (BannedError).
   */
  verify(token: string, address?: string): Promise<Viewer>
  /** Verifies the value of an `Authorization` header, `Bearer <jwt>`. */
  verifyHeader(header: string | null | undefined, address?: string): Promise<Viewer>
}

const refuse = (reason: string): ChatError => new ChatError('UNAUTHENTICATED', reason)

/** Longest token that is looked at. */
const TOKEN_LIMIT = 8192
/** From this `exp` on, in seconds, there is no such date. */
const EXP_LIMIT = 8.64e12
/** An `exp` beyond this, the year 5138, was most likely given in milliseconds. */
const EXP_DOUBTFUL = 1e11
/** Of how many users it is remembered that a claim of theirs was left out. */
const TOLD_LIMIT = 10_000
/** Of names from tokens, which nobody checked before: what does not show, or breaks lines. */
const UNPRINTABLE_NAME = /^\s*$|[\p{Cc}\u2028\u2029]/u

type Claims = jsonwebtoken.JwtPayload | JWTPayload

export function createAuth(options: AuthOptions): Auth {
  const { key, issuer, audience, leewaySeconds = 0, isRevoked, banOf = () => undefined, onOddClaim, onError, onRefused } = options
  const limits = {
    clockTolerance: leewaySeconds,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  }
  const told = new Set<number>()
  let isDoubtTold = false

  function tellOnce(userId: number, { claim, problem }: OddClaim): void {
    if (claim === 'exp' ? isDoubtTold : told.has(userId)) return
    if (claim === 'exp') isDoubtTold = true
    else {
      if (told.size >= TOLD_LIMIT) told.delete(told.values().next().value as number)
      told.add(userId)
    }
    onOddClaim?.({ userId, claim, problem })
  }

  const claimsOf = key.kind === 'JWKS' ? byKeySet(key.url, limits, onError) : byKey(key, limits)

  async function check(token: string): Promise<Viewer> {
    if (token.length > TOKEN_LIMIT) throw refuse(`the token is longer than ${TOKEN_LIMIT} characters`)
    const { viewer, odd } = toViewer(await claimsOf(token))
    for (const claim of odd) tellOnce(viewer.userId, claim)
    const ban = banOf(viewer.userId)
    if (ban !== undefined) throw new BannedError(ban)
    if (isRevoked(viewer)) throw refuse('the token was revoked')
    return viewer
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
    verify: (token, address = 'unknown') => report(check(token), address),
    verifyHeader: (header, address = 'unknown') => report(checkHeader(header), address),
  }
}

interface ClaimLimits {
  clockTolerance: number
  issuer?: string
  audience?: string
}

function byKey({ kind, key }: TokenKey, limits: ClaimLimits): (token: string) => Claims {
  // jsonwebtoken makes a key object of a string or PEM at each call, at 50 times the cost.
  const options: jsonwebtoken.VerifyOptions & { complete?: false } = { algorithms: [kind], ...limits }
  return (token) => {
    let claims: string | jsonwebtoken.JwtPayload
    try {
      claims = jsonwebtoken.verify(token, key, options)
    } catch (error) {
      throw refuse(reasonOf(error as Error))
    }
    if (typeof claims === 'string') throw refuse('the token carries no claims')
    return claims
  }
}

/** Largest key set that is read. */
const KEY_SET_LIMIT = 1_048_576
/** How long the keys are not asked for again after that failed. */
const PAUSE_MS = 5000

/** As `fetch`, but the answer is read here, and only so much of it. */
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

/**
 * Keys are fetched when a token first names one that is not known, at most every half minute, and kept for ten minutes; while
 * they can't be fetched again those of before stay good, so that an outage of the provider is none of the chat.
 */
function remoteKeys(url: string, onError: (error: unknown) => void): JWTVerifyGetKey {
  const durations = { timeoutDuration: 5000, cooldownDuration: 30_000, cacheMaxAge: 600_000 }
  const remote = createRemoteJWKSet(new URL(url), { ...durations, [customFetch]: fetchBounded })
  let failure: { error: unknown; until: number; before: JWTVerifyGetKey | undefined } | undefined

  return async (header, token) => {
    if (!failure || Date.now() >= failure.until) {
      try {
        const key = await remote(header, token)
        failure = undefined
        return key
      } catch (error) {
        if (isAboutToken(error)) throw error
        const known = remote.jwks()
        // Those who waited for the same answer are told of it once.
        if (!failure || Date.now() >= failure.until) onError(error)
        failure = { error, until: Date.now() + PAUSE_MS, before: known && createLocalJWKSet(known) }
      }
    }
    const { error, before } = failure
    if (!before) throw error
    try {
      return await before(header, token)
    } catch {
      // A key that was not known before may be a new one.
      throw error
    }
  }
}

function byKeySet(url: string, limits: ClaimLimits, onError: (error: unknown) => void): (token: string) => Promise<Claims> {
  const keys = remoteKeys(url, onError)
  return async (token) => {
    try {
      return (await jwtVerify(token, keys, { algorithms: ['RS256', 'ES256'], ...limits })).payload
    } catch (error) {
      throw keySetError(error)
    }
  }
}

const KEY_SET_REASONS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'the token has expired',
  ERR_JOSE_ALG_NOT_ALLOWED: 'the token is signed with another algorithm than this server expects',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'the signature of the token is wrong',
  ERR_JWKS_NO_MATCHING_KEY: 'the token names a key that is not known',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'the token does not name its key',
  ERR_JWS_INVALID: 'the token is malformed',
  ERR_JWT_INVALID: 'the token is malformed',
}

const isAboutToken = (error: unknown): boolean => Object.hasOwn(KEY_SET_REASONS, (error as { code?: string }).code ?? '')

/** What jose says, as reasons of our own; anything else is a failure to get the keys. */
function keySetError(error: unknown): ChatError {
  const { code = '', claim } = error as { code?: string; claim?: string }
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED') {
    if (claim === 'aud') return refuse('the token is for another audience')
    if (claim === 'iss') return refuse('the token is from another issuer')
    return refuse(claim === 'nbf' ? 'the token is not valid yet' : 'the token is malformed')
  }
  const reason = KEY_SET_REASONS[code]
  if (reason !== undefined) return refuse(reason)
  return new ChatError('UNAVAILABLE', 'the keys of the tokens can not be fetched now; try again', { cause: error })
}

interface OddClaim {
  claim: string
  problem: string
}

/** The viewer, and the claims that were left out or are doubtful. */
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
  // What decorates must keep nobody out.
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

/** jsonwebtoken's messages as reasons of our own: a closed list, so that nothing of a token gets out. */
function reasonOf({ name, message }: Error): string {
  if (name === 'TokenExpiredError') return 'the token has expired'
  if (name === 'NotBeforeError') return 'the token is not valid yet'
  if (message.startsWith('jwt audience invalid')) return 'the token is for another audience'
  if (message.startsWith('jwt issuer invalid')) return 'the token is from another issuer'
  if (message === 'invalid algorithm') return 'the token is signed with another algorithm than this server expects'
  if (message === 'invalid signature') return 'the signature of the token is wrong'
  if (message === 'jwt signature is required') return 'the token is not signed'
  return 'the token is malformed'
}

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
