import { WebSocket } from 'ws'
import { Waits } from '../../hostile/waits.js'

/**
 * Somebody in a process of their own who pings a server every 10 ms (RFC 6455, section 5.5.2) and tells how long the answers take. Started
 * with the port, the path and a token; says `ready`, and at the end what it has measured.
 */
const EVERY_MS = 10
const [port, path, token] = process.argv.slice(2)
const waits = new Waits(EVERY_MS)
let askedAt

const protocols = path === '/graphql' ? ['graphql-transport-ws'] : []
const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers: { authorization: `Bearer ${token}` } })
socket.on('pong', () => {
  waits.add(performance.now() - askedAt)
  askedAt = undefined
})
socket.on('open', () => {
  if (path === '/graphql') socket.send('{"type":"connection_init"}')
  setInterval(() => {
    if (askedAt !== undefined) return
    askedAt = performance.now()
    socket.ping()
  }, EVERY_MS)
  process.send('ready')
})
process.once('message', () => process.send(waits.summary()))
