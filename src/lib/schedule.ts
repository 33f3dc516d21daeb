/**
 * Calls about every `ms` milliseconds, with jitter, so that nodes don't act at the same time; returns a function that stops it.
 */
export function every(ms: number, call: () => unknown): () => void {
  let timer: NodeJS.Timeout
  const next = (): void => {
    timer = setTimeout(
      () => {
        call()
        next()
      },
      ms * (0.8 + 0.4 * Math.random()),
    )
    timer.unref()
  }
  next()
  return () => clearTimeout(timer)
}
