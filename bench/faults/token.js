import { randomBytes } from 'node:crypto'
import jwt from 'jsonwebtoken'

/** Of this run of the bench. */
export const JWT_SECRET = randomBytes(32).toString('hex')

export const signToken = ({ userId, ...claims }) => jwt.sign(claims, JWT_SECRET, { subject: String(userId), expiresIn: '1h' })
