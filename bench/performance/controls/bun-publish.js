import { randomUUID } from 'node:crypto'
import { answerTo, greeting, pushOf } from './push.js'
import { verify } from './verify.js'

/** Runs in Bun: a message is published to a topic that every socket has subscribed to, by Bun's own code. */
const TOPIC = 'group'
let lastId = 0

// Bun has types of its own, which would change those of Node.js for all files.
const { Bun } = /** @type {any} */ (globalThis)
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  fetch(request, server) {
    let user
    try {
      user = verify(request.headers.get('authorization')?.slice('Bearer '.length))
    } catch {
      return new Response(null, { status: 401 })
    }
    return server.upgrade(request, { data: user }) ? undefined : new Response(null, { status: 404 })
  },
  websocket: {
    open(socket) {
      socket.subscribe(TOPIC)
      socket.send(greeting(socket.data.id, randomUUID()))
    },
    message(socket, text) {
      const frame = JSON.parse(text)
      server.publish(TOPIC, pushOf(frame, socket.data, ++lastId))
      socket.send(answerTo(frame))
    },
  },
})

process.on('SIGTERM', () => process.exit(0))
console.log(`ready on http://127.0.0.1:${server.port}\n`)
