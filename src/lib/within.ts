import { ChatError } from '../errors.ts'

/** Resolves as `work` does, or rejects with UNAVAILABLE after `ms` milliseconds; a later result is passed to `discard`. */
export function within<T>(ms: number, what: string, work: Promise<T>, discard: (late: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(new ChatError('UNAVAILABLE', `${what} took longer than ${ms / 1000} seconds: try again`))
    }, ms)
    work.then(
      (value) => {
        clearTimeout(timer)
        if (isLate) discard(value)
        else resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error as Error)
      },
    )
  })
}
