import { sleep } from '../../support/processes.js'
import { subscribe } from '../frames.js'
import { groupWith, history } from '../world.js'

/** D: subscriptions that are cheap to open and cost at every event. */

/** About 150 bytes; `unreadCount` depends on the viewer, so nothing of it is shared with other users. */
const expensive = (index) =>
  `subscription { messageSent { a${index}: id conversation { unreadCount messages(first: 100) { edges { node { content sender { name } readBy { readerId } } } } } } }`

const cheap = (index) => `subscription { messageSent { a${index}: id conversation { unreadCount } } }`

async function group(attacker) {
  const made = await groupWith(attacker, 10)
  await history(attacker, made, 150)
  return made
}

const SEND = 'mutation ($to: ID!) { sendMessage(input: { conversationId: $to, content: "one message" }) { id } }'

const subscribed = (id, title, { sockets, each, textOf, messages, shared = false }) => ({
  id,
  title,
  prepare: group,
  async run(attacker, { conversationId, friends }) {
    const open = []
    for (let number = 0; number < sockets; number++) open.push(await attacker.socket('graphql'))
    // Within the rate limit, so that all of them are opened.
    const perSecond = 45
    const until = attacker.until
    attacker.until = Infinity
    let count = 0
    for (const socket of open) {
      for (let number = 0; number < each; number++, count++) {
        attacker.send(socket, subscribe(number, textOf(shared ? 0 : count)))
        if (count >= 90) await sleep(1000 / perSecond)
        if (performance.now() >= until - 1000) break
      }
    }
    attacker.until = until
    await sleep(500)
    for (let number = 0; number < messages; number++) {
      const { token } = friends[number % friends.length]
      await attacker.post({ query: SEND, variables: { to: conversationId } }, { token })
      if (messages > 1) await sleep(100)
      if (attacker.isOver) return
    }
  },
})

export const subscriptions = [
  subscribed('D1', '100 expensive subscriptions and one message', { sockets: 1, each: 100, textOf: expensive, messages: 1 }),
  {
    ...subscribed('D2', '2,000 expensive subscriptions and one message', {
      sockets: 20,
      each: 100,
      textOf: expensive,
      messages: 1,
    }),
    minSeconds: 50,
  },
  {
    ...subscribed('D3', '1,000 cheap subscriptions, each another one, and ten messages a second', {
      sockets: 20,
      each: 50,
      textOf: cheap,
      messages: 100,
    }),
    minSeconds: 32,
  },
  {
    ...subscribed('D4', '100 expensive subscriptions and ten messages a second', {
      sockets: 1,
      each: 100,
      textOf: expensive,
      messages: 1000,
    }),
  },
]
