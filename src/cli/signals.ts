/** Maximum time between the terminal's signal and the same one passed on by npm. */
const SAME_SIGNAL_MS = 500
const PARENT_CHECK_MS = 1000

type Stop = (signal: NodeJS.Signals) => void

/**
 * Calls `stop` for SIGTERM and SIGINT. Under npm there are two more cases: Ctrl-C arrives twice, from the terminal and from
 * npm, and counts once; and when npm is killed without passing a signal on, that counts as SIGTERM, so that no process stays
 * behind that holds the port and the folder. Returns a function that takes signals no longer.
 */
export function onStopSignal(stop: Stop, env: NodeJS.ProcessEnv = process.env): () => void {
  const isUnderNpm = ['start', 'dev', 'import'].includes(env['npm_lifecycle_event'] ?? '')
  let last: { signal: NodeJS.Signals; at: number } | undefined
  const take: Stop = (signal) => {
    const now = performance.now()
    const isRepeat = isUnderNpm && last?.signal === signal && now - last.at < SAME_SIGNAL_MS
    if (isRepeat) return
    last = { signal, at: now }
    stop(signal)
  }
  process.on('SIGTERM', take)
  process.on('SIGINT', take)
  const watch = isUnderNpm ? watchParent(() => stop('SIGTERM')) : undefined
  return () => {
    process.off('SIGTERM', take)
    process.off('SIGINT', take)
    clearInterval(watch)
  }
}

function watchParent(onGone: () => void): NodeJS.Timeout {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onGone()
  }, PARENT_CHECK_MS)
  return timer.unref()
}
