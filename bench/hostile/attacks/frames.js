import { filled, frame, subscribe } from '../frames.js'

/** C: many small frames. */
const BURST = 65_536

/** The same bytes again and again, the next when the kernel has taken those before; on so many sockets. */
const flood = (id, title, protocol, bytes, { sockets = 1, reconnects = true } = {}) => ({
  id,
  title,
  async run(attacker) {
    await Promise.all(
      Array.from({ length: sockets }, async () => {
        let socket = await attacker.socket(protocol)
        await attacker.repeat(async () => {
          if (await attacker.raw(socket, bytes)) return
          if (reconnects) socket = await attacker.socket(protocol)
          await new Promise((resolve) => setTimeout(resolve, 100))
        })
      }),
    )
  },
})

const burst = (id, title, protocol, bytes) => ({
  id,
  title,
  isBurst: true,
  async run(attacker) {
    await attacker.raw(await attacker.socket(protocol), bytes)
  },
})

const empty = filled(frame('{}'), BURST)
const legacyPings = filled(frame('{"type":"ping"}'), BURST)
/** Each with another id: one that is open already would close the socket. */
const numbered = (count, part) => Buffer.concat(Array.from({ length: count }, (_, index) => part(index)))
const refusedSubscribes = numbered(850, (index) => frame(subscribe(index, '{ x }')))
const pings = filled(frame('{"type":"ping"}'), BURST)
const completes = filled(frame('{"type":"complete","id":"a"}'), BURST)
const complete = (id) => frame(JSON.stringify({ id: String(id), type: 'complete' }))
const churn = numbered(550, (index) => Buffer.concat([frame(subscribe(index, '{ __typename }')), complete(index)]))
const streams = numbered(430, (index) =>
  Buffer.concat([frame(subscribe(index, 'subscription { events { __typename } }')), complete(index)]),
)
const controlPings = filled(frame('', { opcode: 9 }), BURST)
const controlPongs = filled(frame('', { opcode: 10 }), BURST)
/** One message of thousands of empty parts, which never ends. */
const parts = filled(frame('', { opcode: 0, fin: false }), BURST)
const large = frame(JSON.stringify({ type: 'message_sent', data: { x: 'y'.repeat(60_000) } }))
const deep = frame(`{"type":"message_sent","data":${'['.repeat(30_000)}${']'.repeat(30_000)}}`)
const wide = frame(`{"type":"message_sent",${Array.from({ length: 6000 }, (_, index) => `"k${index}":1`).join()}}`)

export const frames = [
  burst('C1', 'legacy: 64 KB of {} frames in one write, once', 'legacy', empty),
  flood('C2', 'legacy: 64 KB of {} frames in one write, again and again', 'legacy', empty),
  flood('C3', 'legacy: the same on 20 sockets', 'legacy', empty, { sockets: 20 }),
  flood('C4', 'legacy: pings, 64 KB in one write, again and again', 'legacy', legacyPings),
  flood('C5', 'graphql-ws: refused subscribes, 64 KB in one write, again and again', 'graphql', refusedSubscribes),
  flood('C6', 'graphql-ws: pings, 64 KB in one write, again and again', 'graphql', pings),
  flood('C7', 'graphql-ws: completes, 64 KB in one write, again and again', 'graphql', completes),
  flood('C8', 'graphql-ws: a query and its complete, 64 KB in one write, again and again', 'graphql', churn),
  flood('C9', 'graphql-ws: a subscription and its complete, 64 KB in one write, again and again', 'graphql', streams),
  flood('C10', 'graphql-ws: completes on 20 sockets', 'graphql', completes, { sockets: 20 }),
  flood('C11', 'WebSocket pings of 6 bytes, again and again, on 20 sockets', 'legacy', controlPings, { sockets: 20 }),
  flood('C12', 'WebSocket pongs of 6 bytes, again and again, on 20 sockets', 'legacy', controlPongs, { sockets: 20 }),
  {
    id: 'C13',
    title: 'a message of empty parts without an end, on 20 sockets',
    async run(attacker) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const socket = await attacker.socket('legacy')
          await attacker.raw(socket, frame('', { fin: false }))
          await attacker.repeat(() => attacker.raw(socket, parts))
        }),
      )
    },
  },
  flood('C14', 'legacy: frames of 60 KB that are refused, again and again', 'legacy', large),
  flood('C15', 'legacy: frames nested 30,000 deep', 'legacy', deep),
  flood('C16', 'legacy: frames with 6,000 keys, on 20 sockets', 'legacy', wide, { sockets: 20 }),
  {
    id: 'C17',
    title: 'legacy: {} frames, and the refusals are not read',
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('legacy')))
      for (const socket of sockets) socket.pause()
      await Promise.all(sockets.map((socket) => attacker.repeat(() => attacker.raw(socket, empty))))
    },
  },
]
