import { sleep } from '../../support/processes.js'
import { filled } from '../frames.js'

/** What reaches the server without a token, and connections that only cost. */
const get = (path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)

const pipelined = (id, title, bytes, options) => ({
  id,
  title,
  ...options,
  async run(attacker) {
    let socket = await attacker.plain()
    await attacker.repeat(async () => {
      if (options?.isBurst && attacker.tally.bytesOut > 0) return void (await sleep(100))
      if (!(await attacker.raw(socket, bytes))) socket = await attacker.plain()
    })
  },
})

/** The same on so many connections, each with the next bytes when the kernel has taken those before. */
const onMany = (id, title, count, bytesOf) => ({
  id,
  title,
  async run(attacker) {
    const bytes = bytesOf(attacker)
    await Promise.all(
      Array.from({ length: count }, async () => {
        let socket = await attacker.plain()
        await attacker.repeat(async () => {
          if (!(await attacker.raw(socket, bytes))) socket = await attacker.plain()
        })
      }),
    )
  },
})

const post = (token, body) =>
  Buffer.from(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )

export const http = [
  pipelined('C20', 'HTTP: 54 KB of GET /metrics in one write, once, without a token', filled(get('/metrics'), 54_000), {
    isBurst: true,
  }),
  pipelined('C21', 'HTTP: 54 KB of GET /metrics, again and again, without a token', filled(get('/metrics'), 54_000)),
  pipelined('C22', 'HTTP: 54 KB of GET /ready, again and again, without a token', filled(get('/ready'), 54_000)),
  pipelined('C23', 'HTTP: 54 KB of GET /nothing, again and again, without a token', filled(get('/nothing'), 54_000)),
  pipelined('C24', 'HTTP: POSTs with a token that is none, again and again', filled(post('a.b.c', '{}'), 54_000)),
  {
    id: 'C25',
    title: 'HTTP: POSTs with a good token, many in one write, again and again',
    async run(attacker) {
      const bytes = filled(post(attacker.token, '{"query":"{ x }"}'), 54_000)
      let socket = await attacker.plain()
      await attacker.repeat(async () => {
        if (!(await attacker.raw(socket, bytes))) socket = await attacker.plain()
      })
    },
  },
  {
    id: 'K1',
    title: '1,000 POST bodies that come byte by byte',
    async run(attacker) {
      const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${attacker.token}\r\nContent-Length: 60000\r\n\r\n{"query":"${'x'.repeat(50_000)}`
      const sockets = []
      for (let count = 0; count < 1000 && !attacker.isOver; count++) {
        const socket = await attacker.plain()
        void attacker.raw(socket, Buffer.from(head))
        sockets.push(socket)
      }
      await attacker.repeat(async () => {
        for (const socket of sockets) void attacker.raw(socket, Buffer.from('x'))
        await sleep(500)
      })
    },
  },
  pipelined(
    'C26',
    'HTTP: 54 KB of preflights, again and again, without a token',
    filled(Buffer.from('OPTIONS /graphql HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\r\n'), 54_000),
  ),
  onMany('C27', 'HTTP: a body of 60,000 chunks of one byte, again and again, 20 at once', 20, ({ token }) => {
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n`
    return Buffer.concat([Buffer.from(head), filled(Buffer.from('1\r\nx\r\n'), 6 * 60_000), Buffer.from('0\r\n\r\n')])
  }),
  onMany('C28', 'HTTP: 54 KB of GET /nothing on 200 connections, again and again, without a token', 200, () =>
    filled(get('/nothing'), 54_000),
  ),
  {
    id: 'K7',
    title: '4,000 connections that say nothing',
    async run(attacker) {
      const sockets = []
      while (sockets.length < 4000 && !attacker.isOver)
        sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => attacker.plain()))))
      await attacker.repeat(() => sleep(100))
    },
  },
  {
    id: 'K2',
    title: 'legacy connections opened and closed as fast as they go, 20 at once',
    run: (attacker) => attacker.reconnect(),
  },
  {
    id: 'K3',
    title: 'graphql-ws connections opened and closed as fast as they go, 20 at once',
    async run(attacker) {
      await Promise.all(
        Array.from({ length: 20 }, () =>
          attacker.repeat(async () => {
            const socket = await attacker.socket('graphql')
            socket.terminate()
          }),
        ),
      )
    },
  },
  {
    id: 'K4',
    title: '2,000 graphql-ws connections that never say who they are, and come back when closed',
    async run(attacker) {
      await Promise.all(
        Array.from({ length: 100 }, () =>
          attacker.repeat(async () => {
            const some = await Promise.all(
              Array.from({ length: 20 }, () => attacker.socket('graphql', { init: false, headers: { authorization: '' } })),
            )
            await sleep(3500)
            for (const socket of some) socket.terminate()
          }),
        ),
      )
    },
  },
  {
    id: 'K5',
    title: 'upgrades with a token that is none, 20 at once',
    async run(attacker) {
      const token = `${'a'.repeat(4000)}.${'b'.repeat(2000)}.${'c'.repeat(1000)}`
      await Promise.all(Array.from({ length: 20 }, () => attacker.repeat(() => attacker.socket('legacy', { token }))))
    },
  },
  {
    id: 'K6',
    title: 'server-sent event streams opened and dropped, 45 a second',
    run: (attacker) =>
      attacker.pace(45, () => {
        const body = JSON.stringify({ query: 'subscription { events(after: "0") { id __typename } }' })
        const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nAuthorization: Bearer ${attacker.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        return attacker.plain().then(async (socket) => {
          await attacker.raw(socket, Buffer.from(head))
          await sleep(200)
          socket.destroy()
        })
      }),
  },
]
