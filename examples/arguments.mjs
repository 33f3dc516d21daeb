/** What every example is started with: `node EXAMPLE.mjs URL [TOKEN]`, or TOKEN in the environment. */
export function readArguments(defaultUrl) {
  const [url = defaultUrl, token = process.env.TOKEN] = process.argv.slice(2)
  if (token) return { url, token }
  console.error(
    `Usage: node ${process.argv[1]} [URL] [TOKEN]   (URL: ${defaultUrl}; the server prints tokens of demo users when it starts)`,
  )
  process.exit(1)
}

/**
 * Ends where coming back is in vain. 4401: the token has expired; 4403: it is not good, or an administrator has
 * disconnected the user. An app of yours would get a new token here, and go on.
 */
export function endIfRefused(code, reason) {
  if (code !== 4401 && code !== 4403) return
  console.error(`refused: ${code} ${reason}. Start again with another token.`)
  process.exit(1)
}

/**
 * Says what is wrong with the connection: an address nobody listens at and a name that is unknown are mistakes, a
 * connection that broke is daily life. `problem` is what a library gives: an error, or the event of an error or a close.
 */
export function sayBroken(url, problem) {
  const { message, code, reason } = problem?.[0] ?? problem?.error ?? problem?.cause ?? problem ?? {}
  const why = message || [code === 1006 ? 'it broke off' : code, reason].filter(Boolean).join(' ') || 'it ended'
  console.error(`no connection to ${url}: ${why}. Coming back.`)
}

/** Doubles with each failure up to 10 s, and a random half of it, so that not all clients come back at once. */
export const backoff = (failures) =>
  new Promise((resolve) => setTimeout(resolve, Math.min(10_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2)))
