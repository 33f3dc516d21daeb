import { groupWith, history } from '../world.js'

/** J: small questions with large answers. */
async function longTexts(attacker) {
  const made = await groupWith(attacker, 10)
  await history(attacker, made, 110, '汉'.repeat(5000))
  return made
}

async function emoji(attacker) {
  const made = await groupWith(attacker, 10)
  await history(attacker, made, 110, '😀'.repeat(5000))
  return made
}

const ALIASES = 'a: content b: content c: content d: content e: content f: content g: content'
const NESTED = `query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { conversation { messages(first: 100) { edges { node { ${ALIASES} } } } } } } } } }`
const FLAT = `query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { ${ALIASES} } } } } }`
const PLAIN = 'query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { content } } } } }'
const TIMES = (count) =>
  `query ($id: ID!) { ${Array.from({ length: count }, (_, index) => `x${index}: conversation(id: $id) { messages(first: 100) { edges { node { id content sender { name } } } } }`).join(' ')} }`

const asking = (id, title, query, { prepare = longTexts, atOnce = 1, perSecond = undefined } = {}) => ({
  id,
  title,
  prepare,
  async run(attacker, { conversationId }) {
    const ask = () => attacker.post({ query, variables: { id: conversationId } })
    if (perSecond) return await attacker.pace(perSecond, ask)
    await Promise.all(Array.from({ length: atOnce }, () => attacker.repeat(ask)))
  },
})

export const answers = [
  {
    id: 'J1',
    title: '207 bytes whose answer is 1 GB, once',
    prepare: longTexts,
    async run(attacker, { conversationId }) {
      await attacker.post({ query: NESTED, variables: { id: conversationId } })
    },
  },
  asking('J2', 'the same, again and again', NESTED),
  asking('J3', 'the same of emoji', NESTED, { prepare: emoji }),
  asking('J4', '100 messages of 5,000 characters, 7 times each, 8 at once', FLAT, { atOnce: 8 }),
  asking('J5', '100 messages of 5,000 characters, 45 times a second', PLAIN, { perSecond: 45 }),
  asking('J6', 'a page of 100 messages 29 times in one query, 8 at once', TIMES(29), { atOnce: 8 }),
  {
    id: 'J7',
    title: 'large answers over 20 sockets that are not read',
    prepare: longTexts,
    async run(attacker, { conversationId }) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      for (const socket of sockets) socket.pause()
      await attacker.pace(45, (count) =>
        attacker.send(
          sockets[count % sockets.length],
          JSON.stringify({ id: String(count), type: 'subscribe', payload: { query: PLAIN, variables: { id: conversationId } } }),
        ),
      )
    },
  },
  asking(
    'J8',
    'as many fields as the cost allows, small ones, 8 at once',
    'query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { conversation { messages(first: 100) { edges { node { a: id b: id c: id d: id e: id f: id g: id } } } } } } } } }',
    { atOnce: 8 },
  ),
  asking(
    'J9',
    'members and their names, nested, 8 at once',
    'query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { conversation { members(first: 100) { edges { node { id name online lastActive } } } } readBy { readerId readAt } reactions { count } } } } } }',
    { atOnce: 8 },
  ),
  asking(
    'J10',
    'the inbox with all that it can tell, 20 at once',
    '{ conversations(first: 100) { edges { node { id unreadCount lastMessage { content sender { name } readBy { readerId } } members(first: 100) { edges { node { name } } } } } } }',
    { atOnce: 20 },
  ),
]
