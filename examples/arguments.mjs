/** What every example is started with: `node EXAMPLE.mjs URL [TOKEN]`, or TOKEN in the environment. */
export function readArguments(defaultUrl) {
  const [url = defaultUrl, token = process.env.TOKEN] = process.argv.slice(2)
  if (token) return { url, token }
  console.error(
    `Usage: node ${process.argv[1]} [URL] [TOKEN]   (URL: ${defaultUrl}; the server prints tokens of demo users when it starts)`,
  )
  throw new Error('no token')
}

/** Doubles with each failure up to 10 s, and a random half of it, so that not all clients come back at once. */
export const backoff = (failures) =>
  new Promise((resolve) => setTimeout(resolve, Math.min(10_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2)))
