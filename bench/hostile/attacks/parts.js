import { sleep } from '../../support/processes.js'
import { filled, frame } from '../frames.js'

/** R: messages that come in parts. */
const SOCKETS = 20

const open = (attacker, options) => Promise.all(Array.from({ length: SOCKETS }, () => attacker.socket('legacy', options)))

const BEGIN = frame('x', { fin: false })
const PART = frame('x', { opcode: 0, fin: false })

export const parts = [
  {
    id: 'R1',
    title: 'messages of 16,000 parts of one byte without an end, on 20 sockets',
    async run(attacker) {
      const sockets = await open(attacker)
      const bytes = Buffer.concat([BEGIN, filled(PART, 16_000 * PART.length)])
      await Promise.all(sockets.map((socket) => attacker.raw(socket, bytes)))
      await sleep(Math.max(0, attacker.until - performance.now()))
    },
  },
  {
    id: 'R2',
    title: 'messages without an end, 32 KB of pongs between their parts, on 20 sockets',
    async run(attacker) {
      const sockets = await open(attacker)
      const pongs = filled(frame('x'.repeat(125), { opcode: 10 }), 32_768)
      for (const socket of sockets) await attacker.raw(socket, BEGIN)
      const bytes = Buffer.concat([PART, pongs])
      await Promise.all(sockets.map((socket) => attacker.repeat(() => attacker.raw(socket, bytes))))
    },
  },
  {
    id: 'R3',
    title: 'frames of 60 KB that come byte by byte, on 20 sockets',
    async run(attacker) {
      const sockets = await open(attacker)
      for (const socket of sockets) socket._socket.setNoDelay(true)
      const whole = frame('x'.repeat(60_000))
      await Promise.all(
        sockets.map(async (socket) => {
          for (let at = 0; at < whole.length && !attacker.isOver; at++) {
            await new Promise((resolve) => socket._socket.write(whole.subarray(at, at + 1), resolve))
          }
        }),
      )
    },
  },
]
