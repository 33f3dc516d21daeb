/**
 * Validation of messages from other nodes. Redis is trusted not to lie, and yet a received value is checked before it is used
 * as its type: a number out of range must not reach a statement, nor a missing member a listener.
 */

export type Received = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Received =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isText = (value: unknown): value is string => typeof value === 'string'
export const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
/** A count, a position in a topic, or an id of the log. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
export const isUserId = (value: unknown): value is number => isCount(value) && value > 0 && value <= 2_147_483_647
/** In milliseconds since the epoch. */
export const isTime = (value: unknown): value is number => typeof value === 'number' && Math.abs(value) <= 8.64e15
export const isNullOr =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === null || is(value)
export const isListOf =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(is)

/** Whether an object has these members, which make it a T; it may have more. */
export const hasMembers =
  <T = Received>(members: Readonly<Record<string, (value: unknown) => boolean>>) =>
  (value: unknown): value is T => {
    if (!isObject(value)) return false
    for (const name in members) if (!(members[name] as (value: unknown) => boolean)(value[name])) return false
    return true
  }

/** The same for an optional member. */
export const isAbsentOr =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || is(value)
