import { sleep } from '../../support/processes.js'
import { frame, subscribe } from '../frames.js'
import { groupWith, history } from '../world.js'

/** E: small answers that read much. */
async function past(attacker) {
  const made = await groupWith(attacker, 15)
  await history(attacker, made, 1200)
  return made
}

const EVENTS = 'subscription { events(after: "0") { __typename } }'

export const replays = [
  {
    id: 'E1',
    title: '40 times events(after: "0") { __typename } on one socket, once',
    prepare: past,
    async run(attacker) {
      const socket = await attacker.socket('graphql')
      await attacker.raw(socket, Buffer.concat(Array.from({ length: 40 }, (_, index) => frame(subscribe(index, EVENTS)))))
    },
  },
  {
    id: 'E2',
    title: 'the same again and again, 45 a second, on 20 sockets',
    prepare: past,
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      await attacker.pace(45, async (count) => {
        const socket = sockets[count % sockets.length]
        attacker.send(socket, subscribe(count, EVENTS))
        await sleep(1500)
        attacker.send(socket, JSON.stringify({ id: String(count), type: 'complete' }))
      })
    },
  },
  {
    id: 'E3',
    title: 'legacy: resume from 0, 45 a second, on 20 sockets',
    prepare: past,
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('legacy')))
      const resume = '{"type":"resume","data":{"last_message_id":"0"}}'
      await attacker.pace(45, (count) => attacker.send(sockets[count % sockets.length], resume))
    },
  },
  {
    id: 'E4',
    title: 'legacy: connections with Last-Event-ID: 0, as fast as they go, 20 at once',
    prepare: past,
    run: (attacker) => attacker.reconnect({ headers: { 'last-event-id': '0' } }, 20),
  },
  {
    id: 'E5',
    title: 'conversationEvents(after: "0") with all fields, 45 a second, on 20 sockets',
    prepare: past,
    async run(attacker, { conversationId }) {
      const query =
        'subscription ($id: ID!) { conversationEvents(conversationId: $id, after: "0") { id ... on MessageSent { message { id content sender { name online } reactions { count } readBy { readerId } conversation { id unreadCount } } } } }'
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      await attacker.pace(45, async (count) => {
        const socket = sockets[count % sockets.length]
        attacker.send(socket, subscribe(count, query, { id: conversationId }))
        await sleep(1500)
        attacker.send(socket, JSON.stringify({ id: String(count), type: 'complete' }))
      })
    },
  },
  {
    id: 'E6',
    title: 'events(after: "0") over server-sent events, 20 streams that are not read',
    prepare: past,
    async run(attacker) {
      const body = JSON.stringify({
        query: 'subscription { events(after: "0") { id ... on MessageSent { message { content sender { name } } } } }',
      })
      const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nAuthorization: Bearer ${attacker.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      await attacker.repeat(async () => {
        const streams = await Promise.all(Array.from({ length: 20 }, () => attacker.plain({ reads: false })))
        for (const stream of streams) void attacker.raw(stream, Buffer.from(head))
        await sleep(1000)
        for (const stream of streams) stream.destroy()
      })
    },
  },
]
