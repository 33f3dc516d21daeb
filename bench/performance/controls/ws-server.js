import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { greeting } from './push.js'
import { verify } from './verify.js'

/**
 * A server of `ws` that knows who connects.
 *
 * @param {(frame: any, user: { id: number, name: string }, socket: import('ws').WebSocket) => unknown} onMessage
 * @returns {Map<number, Set<import('ws').WebSocket>>} the open sockets of each user
 */
export function serve(onMessage) {
  const socketsOf = new Map()
  const http = createServer((_request, response) => response.writeHead(404).end())
  const server = new WebSocketServer({ noServer: true })

  http.on('upgrade', (request, socket, head) => {
    let user
    try {
      user = verify(request.headers.authorization?.slice('Bearer '.length))
    } catch {
      socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
      return
    }
    server.handleUpgrade(request, socket, head, (ws) => open(ws, user))
  })

  function open(ws, user) {
    const sockets = socketsOf.get(user.id) ?? new Set()
    socketsOf.set(user.id, sockets.add(ws))
    ws.on('error', () => undefined)
    ws.on('close', () => {
      sockets.delete(ws)
      if (sockets.size === 0) socketsOf.delete(user.id)
    })
    ws.on('message', (data) => onMessage(JSON.parse(data), user, ws))
    ws.send(greeting(user.id, randomUUID()))
  }

  process.on('SIGTERM', () => process.exit(0))
  const port = () => /** @type {import('node:net').AddressInfo} */ (http.address()).port
  http.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`ready on http://127.0.0.1:${port()}\n`))
  return socketsOf
}
