import { sleep } from '../../support/processes.js'
import { filled, frame, subscribe } from '../frames.js'
import { groupWith, history, variedText } from '../world.js'

/** O: what connections do before they are anybody's, and what comes together with an upgrade. */
const get = (path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
const upgrade = (path, headers = '') =>
  Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`,
  )

/** Opens so many connections, a hundred at a time. */
async function openMany(attacker, count, options) {
  const sockets = []
  while (sockets.length < count && !attacker.isOver)
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => attacker.plain(options)))))
  return sockets
}

/** Sends something on so many connections at once, and opens the next when one was closed. */
const againAndAgain = async (attacker, count, bytes) => {
  await Promise.all(
    Array.from({ length: count }, () =>
      attacker.repeat(async () => {
        const socket = await attacker.plain()
        const closed = new Promise((resolve) => socket.once('close', resolve))
        await attacker.raw(socket, bytes)
        await Promise.race([closed, sleep(1000)])
        socket.destroy()
      }),
    ),
  )
}

const deep = `${'['.repeat(25_000)}${']'.repeat(25_000)}`
const init = (payload) => frame(`{"type":"connection_init","payload":${payload}}`)

async function longTexts(attacker) {
  const made = await groupWith(attacker, 10)
  await history(attacker, made, 110, variedText(1))
  return made
}

const CONTENTS = 'query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { content } } } } }'

export const openings = [
  {
    id: 'O1',
    title: 'HTTP: pipelined GET /nothing on 1,000 connections that are not read, without a token',
    async run(attacker) {
      const bytes = filled(get('/nothing'), 54_000)
      const sockets = await openMany(attacker, 1000, { reads: false })
      await Promise.all(sockets.map((socket) => attacker.repeat(() => attacker.raw(socket, bytes))))
    },
  },
  {
    id: 'O2',
    title: 'HTTP: 2,000 connections that send a header every 100 ms and never the end of them',
    async run(attacker) {
      const sockets = await openMany(attacker, 2000)
      for (const socket of sockets) void attacker.raw(socket, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n'))
      const header = Buffer.from(`x: ${'y'.repeat(100)}\r\n`)
      await attacker.repeat(async () => {
        for (const socket of sockets) void attacker.raw(socket, header)
        await sleep(100)
      })
    },
  },
  {
    id: 'O3',
    title: 'HTTP: 64 KB of a body behind a token that is none, on 1,000 connections that stay',
    async run(attacker) {
      const head =
        'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 1000000000\r\n\r\n'
      const sockets = await openMany(attacker, 1000, { reads: false })
      await Promise.all(
        sockets.map(async (socket) => {
          await attacker.raw(socket, Buffer.from(head))
          await attacker.repeat(() => attacker.raw(socket, Buffer.alloc(65_536, 'x')))
        }),
      )
    },
  },
  {
    id: 'O4',
    title: 'graphql-ws: connection_init with 50,000 brackets and no token, on 100 sockets, again and again',
    async run(attacker) {
      const bytes = Buffer.concat([upgrade('/graphql', 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n'), init(deep)])
      await againAndAgain(attacker, 100, bytes)
    },
  },
  {
    id: 'O5',
    title: 'legacy: an upgrade with 64 KB of {} frames in one write, 20 at once, again and again',
    async run(attacker) {
      const bytes = Buffer.concat([
        upgrade('/ws/connect', `Authorization: Bearer ${attacker.token}\r\n`),
        filled(frame('{}'), 64_000),
      ])
      await againAndAgain(attacker, 20, bytes)
    },
  },
  {
    id: 'O6',
    title: 'HTTP: pipelined GET /nothing behind a stream of events, on 20 connections',
    async run(attacker) {
      const body = JSON.stringify({ query: 'subscription { events { __typename } }' })
      const stream = Buffer.from(
        `POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nAuthorization: Bearer ${attacker.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      const bytes = filled(get('/nothing'), 54_000)
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const socket = await attacker.plain()
          await attacker.raw(socket, stream)
          await attacker.repeat(() => attacker.raw(socket, bytes))
        }),
      )
    },
  },
  {
    id: 'O7',
    title: 'graphql-ws with WS_COMPRESSION=1: an answer of 29 fields, on 20 sockets, 45 a second',
    env: { WS_COMPRESSION: '1' },
    async run(attacker) {
      const query = `{ viewer { ${Array.from({ length: 29 }, (_, index) => `a${index}: name`).join(' ')} } }`
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql', { compresses: true })))
      await attacker.pace(45, (count) => attacker.send(sockets[count % sockets.length], subscribe(count, query)))
    },
  },
  {
    id: 'O8',
    title: 'graphql-ws with WS_COMPRESSION=1: 100 messages of 5,000 characters, on 20 sockets, 45 times a second',
    env: { WS_COMPRESSION: '1' },
    prepare: longTexts,
    async run(attacker, { conversationId }) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql', { compresses: true })))
      await attacker.pace(45, (count) =>
        attacker.send(sockets[count % sockets.length], subscribe(count, CONTENTS, { id: conversationId })),
      )
    },
  },
  {
    id: 'O9',
    title: 'the same: 80 subscriptions with 28 contents each, on 20 sockets, and 10 messages of 5,000 characters a second',
    env: { WS_COMPRESSION: '1' },
    prepare: (attacker) => groupWith(attacker, 1),
    async run(attacker, { conversationId }) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql', { compresses: true })))
      const contents = Array.from({ length: 28 }, (_, index) => `a${index}: content`).join(' ')
      for (let count = 0; count < 80; count++)
        attacker.send(
          sockets[count % sockets.length],
          subscribe(count, `subscription { messageSent { x${count}: id ${contents} } }`),
        )
      await attacker.pace(10, (count) =>
        attacker.post({
          query: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }',
          variables: { input: { conversationId, content: variedText(count) } },
        }),
      )
    },
  },
]
