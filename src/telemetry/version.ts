import { createRequire } from 'node:module'

/** Parley's version and the Node.js versions that it needs, from package.json. */
export const { version, engines } = createRequire(import.meta.url)('../../package.json') as {
  version: string
  engines: { node: string }
}
