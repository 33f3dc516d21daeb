import { fileURLToPath } from 'node:url'
import { io } from 'socket.io-client'
import { FIRST_DELAY_MS, LONGEST_DELAY_MS } from '../backoff.js'
import { TABLE } from '../controls/table.js'
import { query } from '../../support/services.js'

/** @type {import('./system.js').System} */
const common = {
  name: 'Socket.IO + recovery on Redis Streams',
  busConnections: 'normal',
  entry: fileURLToPath(new URL('../controls/socketio.js', import.meta.url)),
  env: ({ conversations }) => ({ CONVERSATIONS: JSON.stringify(conversations) }),
  prepareDatabase: (databaseUrl) => query(databaseUrl, TABLE),
  connect({ address, userId, token, ledger }) {
    const auth = { token, serverOffset: 0 }
    const socket = io(`http://${address}`, {
      auth,
      // Else a balancer needs sticky sessions.
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: FIRST_DELAY_MS,
      reconnectionDelayMax: LONGEST_DELAY_MS,
    })
    let connection = 0
    socket.on('connect', () => connection++)
    socket.on('disconnect', (reason) => {
      if (reason === 'io server disconnect') socket.connect()
    })
    socket.on('connect_error', () => {
      if (!socket.active) setTimeout(() => socket.connect(), FIRST_DELAY_MS)
    })
    socket.on('message', ({ id, key }) => {
      auth.serverOffset = Math.max(auth.serverOffset, id)
      ledger.received(userId, { key, id, place: id, connection })
    })
    return {
      ready: new Promise((resolve) => socket.once('connect', () => resolve())),
      async send({ key, conversation, content }) {
        const answer = await socket.timeout(5000).emitWithAck('message', { key, conversation: conversation.id, content })
        if (!answer.success) throw new Error(answer.error)
      },
      async close() {
        socket.off('disconnect')
        socket.off('connect_error')
        socket.disconnect()
      },
    }
  },
}

export const socketio = common

/** @type {import('./system.js').System} */
export const socketioCatchUp = {
  ...common,
  name: 'the same + catch-up from the database',
  env: (cast) => ({ ...common.env(cast), CATCH_UP: '1' }),
}
