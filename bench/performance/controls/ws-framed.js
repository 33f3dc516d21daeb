import * as ws from 'ws'
import { answerTo, pushOf } from './push.js'
import { serve } from './ws-server.js'

// Not among its types.
const { Sender } = /** @type {any} */ (ws)

/** The same loop, but the frame's bytes are made once, past what `ws` offers. */
const FRAME = { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true }
let lastId = 0

const socketsOf = serve((frame, user, socket) => {
  const bytes = Buffer.concat(Sender.frame(Buffer.from(pushOf(frame, user, ++lastId)), FRAME))
  for (const sockets of socketsOf.values()) {
    for (const { _socket: stream } of /** @type {Set<any>} */ (sockets)) stream.write(bytes)
  }
  socket.send(answerTo(frame))
})
