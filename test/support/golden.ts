import { readFileSync } from 'node:fs'

export interface Golden {
  name: string
  direction: 'client' | 'server'
  frame: Record<string, unknown>
}

/** The frames of a file in test/golden. */
export const goldenFrames = (file: string): Golden[] =>
  (JSON.parse(readFileSync(new URL(`../golden/${file}`, import.meta.url), 'utf8')) as { frames: Golden[] }).frames

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
/** Strings that are examples in the golden frames; every other one is fixed. */
const EXAMPLES = new Set([
  'connection_id',
  'error',
  'session_id',
  'content',
  'user_name',
  'username',
  'sender_name',
  'sender_avatar',
  'name',
  'avatar',
  'announcement',
  'media_url',
  'notification_type',
])

/** A frame with its examples taken out: keys and their order, types, fixed texts, and the forms of timestamps and ids stay. */
export function skeleton(text: string, fixesCode: boolean): string {
  const hollow = (key: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one) => hollow(key, one)).slice(0, 1)
    if (typeof value === 'number') return key === 'code' && fixesCode ? value : Number.isInteger(value) ? 0 : 0.5
    if (typeof value === 'boolean') return key === 'success' ? value : true
    if (typeof value !== 'string' || !(EXAMPLES.has(key) || TIMESTAMP.test(value))) return value
    return TIMESTAMP.test(value) ? 'timestamp' : 'text'
  }
  return JSON.stringify(JSON.parse(text), hollow)
}
