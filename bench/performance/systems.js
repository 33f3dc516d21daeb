import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { graphql } from './protocols/graphql.js'
import { legacy } from './protocols/legacy.js'
import { socketio } from './protocols/socketio.js'

const control = (name) => fileURLToPath(new URL(`controls/${name}.js`, import.meta.url))

/**
 * What is measured.
 *
 * @typedef {object} System
 * @property {string} name
 * @property {string} entry the script of a server; it listens on PORT and prints its address
 * @property {Record<string, string>} env
 * @property {import('./protocols/protocol.js').Protocol} protocol
 * @property {boolean} isParley
 * @property {boolean} [storesMessages] starts from a copy of the world
 * @property {string} [runtime] the program that runs it; absent: the Node.js that runs the bench
 */

/** Where npm has put it; it has none for some platforms. */
const bun = findBun()

function findBun() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('bun/package.json')), 'bin', 'bun.exe')
  } catch {
    return undefined
  }
}

/** By id. @returns {Record<string, System>} */
export function systemsFor(server) {
  const parley = { entry: server, env: PARLEY_ENV, storesMessages: true, isParley: true }
  const loop = { env: {}, protocol: legacy, isParley: false }
  return {
    'parley-legacy': { ...parley, name: 'Parley, legacy', protocol: legacy },
    'parley-graphql': { ...parley, name: 'Parley, graphql-ws', protocol: graphql },
    ws: { ...loop, name: 'ws loop', entry: control('ws-loop') },
    'ws-framed': { ...loop, name: 'ws, frame built once', entry: control('ws-framed') },
    'ws-insert': { ...loop, name: 'ws + INSERT', entry: control('ws-insert'), storesMessages: true },
    'ws-batch': { ...loop, name: 'ws + INSERT in batches', entry: control('ws-batch'), storesMessages: true },
    ...(bun && { bun: { ...loop, name: 'Bun publish', entry: control('bun-publish'), runtime: bun } }),
    socketio: { name: 'Socket.IO', entry: control('socketio'), env: {}, protocol: socketio, isParley: false },
    yoga: {
      name: 'Yoga + graphql-ws + Prisma',
      entry: control('yoga'),
      env: { PARLEY_ENTRY: server },
      protocol: graphql,
      storesMessages: true,
      isParley: false,
    },
  }
}

/** All clients have one address. */
export const PARLEY_ENV = { RATE_LIMIT_PER_SECOND: '0', LOG_LEVEL: 'warn', MAX_CONNECTIONS_PER_ADDRESS: '100000' }
