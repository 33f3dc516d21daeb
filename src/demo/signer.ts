import type { KeyObject } from 'node:crypto'
import { signToken, type TokenClaims } from '../auth/verify.ts'
import type { Settings } from '../settings.ts'
import type { DEMO_ADMIN, DEMO_USERS } from './seed.ts'

type DemoUser = (typeof DEMO_USERS)[number] | typeof DEMO_ADMIN

/** Signs a token for one of the demo's users. */
export type DemoSigner = (user: DemoUser) => string

const TOKEN_SECONDS = 7 * 24 * 3600

/** Undefined outside of the demo, and if the server has no secret to sign with. */
export function createDemoSigner(
  { demo, jwtIssuer: issuer, jwtAudience: audience }: Pick<Settings, 'demo' | 'jwtIssuer' | 'jwtAudience'>,
  key: { kind: string; key?: KeyObject | undefined },
): DemoSigner | undefined {
  const { kind, key: secret } = key
  if (!demo || kind !== 'HS256' || !secret) return undefined
  return ({ id: userId, ...rest }) => {
    const claims: TokenClaims = { userId, ttlSeconds: TOKEN_SECONDS, issuer, audience, ...rest }
    return signToken(secret, claims)
  }
}
