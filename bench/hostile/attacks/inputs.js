import { subscribe } from '../frames.js'
import { groupWith, history } from '../world.js'

/** F, G, H: variables and ids that are not what they seem. */
async function group(attacker) {
  const made = await groupWith(attacker, 5)
  return { ...made, messageIds: await history(attacker, made, 150) }
}

const NULLED =
  'query ($id: ID!, $n: Int = 1) { conversation(id: $id) { messages(first: $n) { edges { node { conversation { messages(first: $n) { edges { node { a: id b: id c: id d: content e: content f: sender { id name online } } } } } } } } } }'
const HIDDEN =
  'query ($id: ID!, $on: Boolean = false) { conversation(id: $id) { messages(first: 100) @include(if: $on) { edges { node { conversation { messages(first: 100) @skip(if: $on) { edges { node { id } } } members(first: 100) @include(if: $on) { edges { node { name } } } } } } } } }'

const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

const paced = (id, title, bodyOf, { perSecond = 45 } = {}) => ({
  id,
  title,
  prepare: group,
  run: (attacker, prepared) => attacker.pace(perSecond, (count) => attacker.post(bodyOf(prepared, count))),
})

const NUL = String.fromCharCode(0)
const SURROGATE = String.fromCharCode(0xd800)

export const inputs = [
  paced(
    'F1',
    'pages whose size is a variable with the default 1, given as null',
    ({ conversationId }) => ({ query: NULLED, variables: { id: conversationId, n: null } }),
    { perSecond: 5 },
  ),
  paced('F2', 'pages behind @include by a variable', ({ conversationId }) => ({
    query: HIDDEN,
    variables: { id: conversationId, on: true },
  })),
  paced('G1', 'NUL and lone surrogates in the ids of sends', (_, count) => ({
    query: SEND,
    variables: { input: { conversationId: count % 2 ? `group_${NUL}` : `group_${SURROGATE}`, content: 'hello' } },
  })),
  paced('G2', 'NUL and lone surrogates in keys and receivers of sends', ({ conversationId }, count) => ({
    query: SEND,
    variables: {
      input:
        count % 2
          ? { conversationId, content: 'hello', clientMessageId: `a${NUL}${count}` }
          : { receiverId: `1${SURROGATE}`, content: 'hello' },
    },
  })),
  paced('G3', 'NUL in the ids of queries', (_, count) => ({
    query: 'query ($id: ID!) { message(id: $id) { id } conversation(id: $id) { id } group(id: $id) { id } user(id: $id) { id } }',
    variables: { id: count % 2 ? `1${NUL}` : `direct_1_${SURROGATE}` },
  })),
  paced('G4', 'forged cursors', ({ conversationId }, count) => ({
    query:
      'query ($id: ID!, $after: String) { conversation(id: $id) { messages(after: $after) { edges { node { id } } } members(after: $after) { edges { node { id } } } } conversations(after: $after) { edges { node { id } } } }',
    variables: {
      id: conversationId,
      after: [
        NUL,
        Buffer.from(`x${NUL}`).toString('base64'),
        Buffer.from('99999999999999999999').toString('base64'),
        'MQ==',
        '-1',
      ][count % 5],
    },
  })),
  paced('H1', 'a variable of 59 KB in which 50 fields are wrong', () => ({
    query: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }',
    variables: {
      input: {
        content: 'x'.repeat(57_000),
        ...Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`unknown${index}`, 1])),
      },
    },
  })),
  paced('H2', 'a list of 5,000 wrong ids as a variable', () => ({
    query: 'mutation ($ids: [ID!]!) { inviteToGroup(groupId: "1", userIds: $ids) { id } }',
    variables: { ids: Array.from({ length: 5000 }, () => ({ a: 1 })) },
  })),
  {
    id: 'H3',
    title: '100 open subscriptions, each with 60 KB of variables that it does not declare',
    async run(attacker) {
      const socket = await attacker.socket('graphql')
      const junk = Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`k${index}`, [index]]))
      await attacker.pace(45, (count) => {
        if (count < 100) attacker.send(socket, subscribe(count, 'subscription { events { __typename } }', junk))
      })
    },
  },
  paced('H4', '60 KB of undeclared variables and extensions with each query', (_, count) => ({
    query: '{ viewer { id } }',
    variables: { [`x${count}`]: 'y'.repeat(30_000) },
    extensions: { [`x${count}`]: 'y'.repeat(30_000) },
  })),
]
