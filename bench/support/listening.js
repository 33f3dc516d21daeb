const START_PATIENCE_MS = 30_000

/**
 * Resolves with the port of a server when it prints its address; with undefined when it ends instead. Rejects where neither
 * happens in time.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} logFile where one may look for the reason
 * @returns {Promise<number | undefined>}
 */
export function listening(child, logFile) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`a node did not start in time, see ${logFile}`)), START_PATIENCE_MS)
    const settle = (port) => {
      clearTimeout(timer)
      resolve(port)
    }
    let output = ''
    const read = (chunk) => {
      const [, port] = /http:\/\/127\.0\.0\.1:(\d+)\s/.exec((output += chunk)) ?? []
      if (port === undefined) return
      child.stdout.off('data', read)
      settle(Number(port))
    }
    child.stdout.on('data', read)
    child.once('exit', () => settle(undefined))
  })
}
