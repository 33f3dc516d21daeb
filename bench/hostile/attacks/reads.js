import { history, groupWith } from '../world.js'

/** A: a user who was removed from a group reads what is said there now. */
const SECRET = 'said after the removal'
const NESTED = `conversation { lastMessage { content } members { edges { node { name } } } messages(first: 100) { edges { node { content } } } }`

/** The attacker has sent, was removed, and then something is said. */
async function removed(attacker) {
  const owner = attacker.friend(150)
  const { groupId, conversationId, friends } = await groupWith(attacker, 5, { owner })
  const own =
    'mutation ($to: ID!) { sendMessage(input: { conversationId: $to, content: "mine", clientMessageId: "mine" }) { id } }'
  const { sendMessage } = await attacker.query(own, { to: conversationId })
  await history(attacker, { friends, conversationId }, 10)
  await attacker.query(
    'mutation ($group: ID!, $user: ID!) { removeGroupMember(groupId: $group, userId: $user) { id } }',
    { group: groupId, user: String(attacker.userId) },
    owner.token,
  )
  await history(attacker, { friends, conversationId }, 10, SECRET)
  return { conversationId, messageId: sendMessage.id }
}

function look(attacker, text) {
  const count = text.split(SECRET).length - 1
  if (count > 0) attacker.tally.leaked = (attacker.tally.leaked ?? 0) + count
}

export const reads = [
  {
    id: 'A1',
    title: "a removed member navigates from old events to the group's history",
    prepare: removed,
    async run(attacker) {
      const socket = await attacker.socket('graphql', { onText: (text) => look(attacker, text) })
      const query = `subscription { events(after: "0") { __typename ... on MessageSent { message { ${NESTED} } } } }`
      attacker.send(socket, JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
      await new Promise((resolve) => setTimeout(resolve, attacker.seconds * 1000))
    },
  },
  {
    id: 'A2',
    title: 'a removed member repeats an old send and selects the history',
    prepare: removed,
    run: (attacker, { conversationId }) =>
      attacker.pace(10, async () => {
        const query = `mutation ($to: ID!) { sendMessage(input: { conversationId: $to, content: "mine", clientMessageId: "mine" }) { id ${NESTED} } }`
        look(attacker, (await attacker.post({ query, variables: { to: conversationId } }, { keep: true })).text)
      }),
  },
  {
    id: 'A3',
    title: 'a removed member asks for message, conversation and group by id',
    prepare: removed,
    run: (attacker, { conversationId, messageId }) =>
      attacker.pace(10, async () => {
        const query = `query ($c: ID!, $m: ID!, $g: ID!) { conversation(id: $c) { lastMessage { content } } message(id: $m) { ${NESTED} } group(id: $g) { ${NESTED} announcement } }`
        const variables = { c: conversationId, m: messageId, g: conversationId.slice('group_'.length) }
        look(attacker, (await attacker.post({ query, variables }, { keep: true })).text)
      }),
  },
]
