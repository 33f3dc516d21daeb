import { ChatError } from '../errors.ts'

export interface RateLimit {
  /** Takes one request from the user's bucket. Throws RATE_LIMITED, with the wait, if none is left. */
  take(userId: number): void
}

export interface RateLimitOptions {
  perSecond: number
  burst: number
  /** What is counted, for the error. */
  what?: string
  now?: () => number
}

/** A token bucket for each user, shared by all protocols, on this node. 0 for `perSecond` or `burst` disables it. */
export function createRateLimit({ perSecond, burst, what = 'requests', now = Date.now }: RateLimitOptions): RateLimit {
  const buckets = new Map<number, { level: number; at: number }>()
  let sweepAt = 0

  /** Forgets users whose buckets are full: they are equivalent to new ones. */
  function sweep(at: number): void {
    const fullAfter = (burst / perSecond) * 1000
    for (const [userId, bucket] of buckets) if (at - bucket.at > fullAfter) buckets.delete(userId)
    sweepAt = at + fullAfter + 1000
  }

  return {
    take(userId) {
      if (perSecond === 0 || burst === 0) return
      const at = now()
      if (at >= sweepAt) sweep(at)
      let bucket = buckets.get(userId)
      if (!bucket) buckets.set(userId, (bucket = { level: burst, at }))
      // A clock set back must not cost tokens.
      const elapsed = Math.max(0, at - bucket.at)
      bucket.level = Math.min(burst, bucket.level + (elapsed / 1000) * perSecond)
      bucket.at = at
      if (bucket.level < 1) {
        const retryAfterMs = Math.ceil(((1 - bucket.level) / perSecond) * 1000)
        const message = `too many ${what}: at most ${perSecond} a second; try again in ${retryAfterMs} ms`
        throw new ChatError('RATE_LIMITED', message, { retryAfterMs })
      }
      bucket.level -= 1
    },
  }
}
