import { createRequire } from 'node:module'

/** Parley's own version and the versions of Node.js that it needs, as package.json says. */
export const { version, engines } = createRequire(import.meta.url)('../../package.json') as {
  version: string
  engines: { node: string }
}
