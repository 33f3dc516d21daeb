import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { verify } from './verify.js'

/** Socket.IO with rooms; with REDIS_URL its Redis adapter. Both are put together as its documentation shows. Nothing is stored. */
const ROOM = 'group'
const server = createServer()
const io = new Server(server)
let lastId = 0

if (process.env.REDIS_URL) {
  const publisher = new Redis(process.env.REDIS_URL)
  io.adapter(createAdapter(publisher, publisher.duplicate()))
}

io.use((socket, next) => {
  try {
    socket.data.user = verify(socket.handshake.auth.token)
    next()
  } catch (error) {
    next(error)
  }
})

io.on('connection', (socket) => {
  const { user } = socket.data
  void socket.join(ROOM)
  socket.on('message_sent', ({ conversationId, content }, acknowledge) => {
    io.to(ROOM).emit('message_sent', {
      id: ++lastId,
      session_id: conversationId,
      sender_id: user.id,
      sender_name: user.name,
      sender_avatar: null,
      content,
      message_type: 'text',
      media_url: null,
      is_group: true,
      timestamp: new Date().toISOString().replace(/\.\d{3}Z$/, 'Z'),
    })
    acknowledge({ success: true })
  })
})

process.on('SIGTERM', () => process.exit(0))
const port = () => /** @type {import('node:net').AddressInfo} */ (server.address()).port
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`ready on http://127.0.0.1:${port()}\n`))
