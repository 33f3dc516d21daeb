/** Calls about every `ms` milliseconds, each time a little different, so that nodes don't do it all at once; returns what stops it. */
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
