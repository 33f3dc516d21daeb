import { Redis } from 'ioredis'
import { answerTo, pushOf } from './push.js'
import { serve } from './ws-server.js'

/** The loop that one writes first: a message is sent to every socket. With REDIS_URL it goes to other nodes' sockets too. */
const CHANNEL = 'group'
const publisher = process.env.REDIS_URL ? new Redis(process.env.REDIS_URL) : undefined
let lastId = 0

const socketsOf = serve((frame, user, socket) => {
  const text = pushOf(frame, user, ++lastId)
  if (publisher) return publisher.publish(CHANNEL, text).then(() => socket.send(answerTo(frame)))
  broadcast(text)
  socket.send(answerTo(frame))
})

function broadcast(text) {
  for (const sockets of socketsOf.values()) {
    for (const socket of sockets) socket.send(text)
  }
}

if (publisher) {
  const subscriber = publisher.duplicate()
  subscriber.on('message', (_channel, text) => broadcast(text))
  await subscriber.subscribe(CHANNEL)
}
