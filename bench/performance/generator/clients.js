import { signToken } from '../../support/token.js'
import { Connection } from './connection.js'

const AT_ONCE = 64

/** Of the user; each is signed once. */
export function tokenOf(userId) {
  let token = tokens.get(userId)
  if (token === undefined) tokens.set(userId, (token = signToken({ userId, name: `User ${userId}` })))
  return token
}
const tokens = new Map()

/**
 * Connects each of these users once, some at a time, alternately to the ports.
 *
 * @param {number[]} userIds
 * @param {object} options
 * @param {number[]} options.ports
 * @param {import('../protocols/protocol.js').Protocol} options.protocol
 * @param {boolean} [options.offersDeflate] as browsers do
 * @returns {Promise<Connection[]>} in the order of the users
 */
export async function connectAll(userIds, { ports, protocol, offersDeflate = false }) {
  const connections = []
  let next = 0
  async function connectSome() {
    while (next < userIds.length) {
      const index = next++
      const token = tokenOf(userIds[index])
      const connection = new Connection({
        port: ports[index % ports.length],
        path: protocol.path,
        headers: {
          ...protocol.headers(token),
          ...(offersDeflate && { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }),
        },
      })
      connections[index] = connection
      await protocol.open(connection, token)
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, connectSome))
  } catch (error) {
    closeAll(connections)
    throw error
  }
  return connections
}

export function closeAll(connections) {
  for (const connection of connections) connection?.close()
}
