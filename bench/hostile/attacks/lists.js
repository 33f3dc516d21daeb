import { groupOfOthers, groupWith, history } from '../world.js'

/** P: lists within items, documents in URLs, and mutations full of long messages. */
const PER_SECOND = 45
/** So many aliases may a document have, and so many sends a mutation. */
const ALIASES = 29

const aliases = (fields) => Array.from({ length: ALIASES }, (_, index) => `a${index}: ${fields}`).join(' ')
const page = (conversationId, fields) =>
  `{ conversation(id: "${conversationId}") { messages(first: 100) { edges { node { ${fields} } } } } }`

const atOnce = (id, title, prepare, queryOf) => ({
  id,
  title,
  prepare,
  async run(attacker, prepared) {
    const body = { query: queryOf(prepared) }
    await Promise.all(Array.from({ length: 4 }, () => attacker.repeat(() => attacker.post(body))))
  },
})

/** 100 messages that mention 50 friends each. */
async function mentions(attacker) {
  const made = await groupWith(attacker, 50)
  const send = `mutation ($input: SendMessageInput!) { ${aliases('sendMessage(input: $input) { id }')} }`
  const input = {
    conversationId: made.conversationId,
    content: 'all of you',
    mentionIds: made.friends.map(({ userId }) => String(userId)),
  }
  for (let count = 0; count < 4; count++) await attacker.query(send, { input })
  return made
}

/** 100 messages that 10 friends have read. */
async function receipts(attacker) {
  const made = await groupWith(attacker, 10)
  const ids = await history(attacker, { ...made, friends: [attacker] }, 100)
  const read = 'mutation ($id: ID!, $last: ID!) { markConversationRead(conversationId: $id, upToMessageId: $last) }'
  for (const { token } of made.friends) await attacker.query(read, { id: made.conversationId, last: ids.at(-1) }, token)
  return made
}

const USER = 'sender { id name avatar }'
const MESSAGE = `id content messageType mediaUrl timestamp editedAt deletedAt replyToId replyCount mentionsAll ${USER} a: ${USER} b: ${USER} c: ${USER}`
/** As many fields of each message as depth and tokens allow. */
const manyFields = (levels) => (levels === 0 ? MESSAGE : `${MESSAGE} replyTo { ${manyFields(levels - 1)} }`)

/** Messages each of which answers the one before. */
async function answers(attacker) {
  const made = await groupWith(attacker, 1)
  let replyToId = null
  for (let count = 0; count < 110; count++) {
    const input = { conversationId: made.conversationId, content: 'an answer', replyToId }
    const send = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
    replyToId = (await attacker.query(send, { input })).sendMessage.id
  }
  return made
}

const LONG = '長'.repeat(5000)
const MEDIA = `https://media.example/${'x'.repeat(1500)}`

export const lists = [
  atOnce('P1', '100 messages, 29 times the 50 users that each mentions, 4 at once', mentions, ({ conversationId }) =>
    page(conversationId, aliases('mentions { id }')),
  ),
  atOnce('P2', '100 messages, 29 times the 10 users who have read each, 4 at once', receipts, ({ conversationId }) =>
    page(conversationId, aliases('readBy { messageId readerId readAt }')),
  ),
  atOnce('P3', '100 messages with as many fields as depth and tokens allow, 4 at once', answers, ({ conversationId }) =>
    page(conversationId, manyFields(5)),
  ),
  {
    id: 'P4',
    title: '100 new documents in URLs at once, each 2 s',
    async run(attacker) {
      let number = 0
      await attacker.pace(0.5, () =>
        Promise.all(
          Array.from({ length: 100 }, () => {
            const document = `{ v${number++}: viewer { id } message(id: "1") { ${MESSAGE.repeat(5)} ${aliases(USER)} } }`
            return fetch(attacker.url(`/graphql?query=${encodeURIComponent(document)}`), {
              headers: { authorization: `Bearer ${attacker.token}` },
            }).then((response) => response.text())
          }),
        ),
      )
    },
  },
  {
    id: 'P5',
    title: '29 sends of 5,000 characters in each of 45 mutations a second, to a group that the others are in',
    prepare: groupOfOthers,
    async run(attacker, { conversationId }) {
      const input = { conversationId, content: LONG, mediaUrl: MEDIA }
      const query = `mutation ($input: SendMessageInput!) { ${aliases('sendMessage(input: $input) { id }')} }`
      await attacker.pace(PER_SECOND, () => attacker.post({ query, variables: { input } }))
    },
  },
]
