import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { conversationsOf, insertMessage, messagesAfter, verify } from './store.js'

/**
 * Socket.IO with connection state recovery on its Redis Streams adapter; with CATCH_UP=1 it also sends what a client missed
 * from the database where that recovery fails. Both are put together as its documentation and its tutorial show.
 */
const redis = new Redis(process.env.REDIS_URL)
redis.on('error', (error) => console.error('Redis:', error.message))

const server = createServer()
const io = new Server(server, { adapter: createAdapter(redis), connectionStateRecovery: {} })

io.use((socket, next) => {
  try {
    socket.data.userId = verify(socket.handshake.auth.token)
    next()
  } catch (error) {
    next(error)
  }
})

io.on('connection', async (socket) => {
  const { userId } = socket.data
  socket.on('message', async ({ key, conversation, content }, acknowledge) => {
    try {
      const message = await insertMessage({ key, conversation, sender: userId, content })
      if (message) io.to(conversation).emit('message', message)
      acknowledge({ success: true })
    } catch (error) {
      acknowledge({ success: false, error: error.message })
    }
  })
  if (socket.recovered) return
  await socket.join(conversationsOf(userId))
  if (process.env.CATCH_UP !== '1') return
  try {
    const missed = await messagesAfter(userId, socket.handshake.auth.serverOffset)
    for (const message of missed) socket.emit('message', message)
  } catch (error) {
    console.error('PostgreSQL:', error.message)
  }
})

process.on('SIGTERM', () => void io.close(() => process.exit(0)))
const port = () => /** @type {import('node:net').AddressInfo} */ (server.address()).port
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`ready on http://127.0.0.1:${port()}\n`))
