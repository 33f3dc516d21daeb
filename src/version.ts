import { createRequire } from 'node:module'

/** Parley's own, as package.json says. */
export const { version } = createRequire(import.meta.url)('../package.json') as { version: string }
