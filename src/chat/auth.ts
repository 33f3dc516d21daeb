import { createSecretKey, type KeyObject } from 'node:crypto'
import jsonwebtoken from 'jsonwebtoken'
import { ChatError } from '../errors.ts'
import { problemWithName, problemWithUrl } from './limits.ts'

/** Who asks, from a verified token. `expiresAt` is in milliseconds since the epoch. */
export interface Viewer {
  userId: number
  /** Undefined where the token says nothing of it. */
  name: string | undefined
  avatar: string | null | undefined
  isAdmin: boolean
  expiresAt: number
}

/** The key and the one algorithm that goes with its kind, so that a token can't choose. */
export interface TokenKey {
  kind: 'HS256' | 'RS256' | 'ES256'
  key: KeyObject
}

export interface AuthOptions {
  key: TokenKey
  issuer: string | undefined
  audience: string | undefined
}

export interface Auth {
  /** Verifies a token. Throws UNAUTHENTICATED with a reason that contains nothing of the token. */
  verify(token: string): Viewer
  /** Verifies the value of an `Authorization` header, `Bearer <jwt>`. */
  verifyHeader(header: string | null | undefined): Viewer
}

const refuse = (reason: string): ChatError => new ChatError('UNAUTHENTICATED', reason)

/** Longest token that is looked at. */
const TOKEN_LIMIT = 8192

export function createAuth({ key, issuer, audience }: AuthOptions): Auth {
  // jsonwebtoken makes a key object of a string or PEM at each call, at 50 times the cost.
  const options: jsonwebtoken.VerifyOptions & { complete?: false } = { algorithms: [key.kind] }
  if (issuer !== undefined) options.issuer = issuer
  if (audience !== undefined) options.audience = audience

  function verify(token: string): Viewer {
    if (token.length > TOKEN_LIMIT) throw refuse(`the token is longer than ${TOKEN_LIMIT} characters`)
    let claims: string | jsonwebtoken.JwtPayload
    try {
      claims = jsonwebtoken.verify(token, key.key, options)
    } catch (error) {
      throw refuse(reasonOf(error as Error))
    }
    if (typeof claims === 'string') throw refuse('the token carries no claims')
    return toViewer(claims)
  }

  return {
    verify,
    verifyHeader(header) {
      if (!header) throw refuse('no token: expected the header "Authorization: Bearer <jwt>"')
      const match = /^Bearer +([\w.~+/=-]+) *$/i.exec(header)
      if (!match) throw refuse('the Authorization header is not of the form "Bearer <jwt>"')
      return verify(match[1] as string)
    },
  }
}

function toViewer({ sub, exp, name, avatar, role }: jsonwebtoken.JwtPayload): Viewer {
  const userId = typeof sub === 'string' && /^[1-9]\d{0,9}$/.test(sub) ? Number(sub) : (sub as unknown)
  if (typeof userId !== 'number' || !Number.isInteger(userId) || userId < 1 || userId > 2_147_483_647) {
    throw refuse('the claim "sub" is not a user id: expected a number from 1 to 2147483647')
  }
  if (typeof exp !== 'number') throw refuse('the claim "exp" is missing')
  const problem = problemWithClaim(name, 'name', problemWithName) ?? problemWithClaim(avatar, 'avatar', problemWithUrl)
  if (problem !== null) throw refuse(`the claim ${problem}`)
  return {
    userId,
    name: (name as string | null | undefined) ?? undefined,
    avatar: avatar as string | null | undefined,
    isAdmin: role === 'admin',
    expiresAt: exp * 1000,
  }
}

function problemWithClaim(value: unknown, claim: string, check: (value: string, claim: string) => string | null): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? check(value, claim) : `${claim} is not a string`
}

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
  issuer?: string | undefined
  audience?: string | undefined
}

/** Signs a token with a shared secret, for demos, tests and the token command. */
export function signToken(
  secret: KeyObject | string,
  { userId, name, avatar, isAdmin, ttlSeconds, issuer, audience }: TokenClaims,
): string {
  const key = typeof secret === 'string' ? createSecretKey(Buffer.from(secret)) : secret
  const claims = {
    sub: String(userId),
    ...(name === undefined ? {} : { name }),
    ...(avatar === undefined ? {} : { avatar }),
    ...(isAdmin ? { role: 'admin' } : {}),
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audience === undefined ? {} : { aud: audience }),
  }
  return jsonwebtoken.sign(claims, key, { algorithm: 'HS256', expiresIn: ttlSeconds })
}
