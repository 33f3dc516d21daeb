import { createSecretKey, randomBytes } from 'node:crypto'
import jwt from 'jsonwebtoken'

/** Of this run of the bench; its other processes get it from the one that starts them. */
export const JWT_SECRET = process.env.BENCH_JWT_SECRET ?? randomBytes(32).toString('hex')

// A text would be made a key at each call, which takes longer than the signing.
const key = createSecretKey(Buffer.from(JWT_SECRET))

export const signToken = ({ userId, seconds = 3600, ...claims }) =>
  jwt.sign(claims, key, { subject: String(userId), expiresIn: seconds })
