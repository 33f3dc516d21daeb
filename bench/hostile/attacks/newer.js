import { sleep } from '../../support/processes.js'
import { groupOfOthers, groupWith, history } from '../world.js'

/** M: search, snapshots, edits, mentions, replies, blocks, read pointers. */
const PER_SECOND = 45
const LONG = 5000

const paced = (id, title, prepare, bodyOf) => ({
  id,
  title,
  prepare,
  run: (attacker, prepared) => attacker.pace(PER_SECOND, (count) => attacker.post(bodyOf(prepared, count))),
})

const atOnce = (id, title, prepare, bodyOf, clients = 8) => ({
  id,
  title,
  prepare,
  async run(attacker, prepared) {
    await Promise.all(Array.from({ length: clients }, () => attacker.repeat(() => attacker.post(bodyOf(prepared)))))
  },
})

const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

async function group(attacker) {
  const made = await groupWith(attacker, 10)
  return { ...made, messageIds: await history(attacker, made, 150) }
}

/** Words of which only the beginning is in the index, so that each message has to be looked through. */
async function longTexts(attacker) {
  const made = await groupWith(attacker, 15)
  await history(attacker, made, 300, 'abcdefghé '.repeat(LONG / 10))
  // Until all are indexed.
  await sleep(2000)
  return made
}

async function withOthers(attacker) {
  const made = await groupOfOthers(attacker)
  const { sendMessage } = await attacker.query(SEND, { input: { conversationId: made.conversationId, content: 'first' } })
  return { ...made, messageId: sendMessage.id }
}

/** A user in as many groups as one may create on one day. */
async function manyGroups(attacker) {
  const create = `mutation { ${Array.from({ length: 25 }, (_, index) => `a${index}: createGroup(input: { name: "x" }) { id }`).join(' ')} }`
  await attacker.query('{ viewer { id } }')
  for (let count = 0; count < 8; count++) await attacker.query(create)
}

const SNAPSHOT =
  '{ cursor conversations(first: 10) { edges { node { unreadCount messages(first: 100) { edges { node { id content sender { name } readBy { readerId } reactions { count } } } } } } } }'

export const newer = [
  atOnce('M1', 'search whose hits all have to be looked through, in messages of 5,000 characters, 8 at once', longTexts, () => ({
    query: '{ searchMessages(text: "abcdefghx", first: 100) { edges { node { id } } } }',
  })),
  atOnce('M2', 'the same in a snapshot', longTexts, () => ({
    query: '{ cursor searchMessages(text: "abcdefghx", first: 100) { edges { node { id } } } }',
  })),
  paced('M3', '45 messages a second of 5,000 characters that search has to decompose', group, ({ conversationId }) => ({
    query: SEND,
    variables: { input: { conversationId, content: '\ufdfa'.repeat(LONG) } },
  })),
  paced('M4', '45 messages a second of 5,000 different words to search for', group, ({ conversationId }, count) => ({
    query: SEND,
    variables: {
      input: {
        conversationId,
        content: Array.from({ length: LONG }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7 + count) % 20_000))).join(
          '',
        ),
      },
    },
  })),
  atOnce('M5', 'large pages in a snapshot, 8 at once', longTexts, () => ({ query: SNAPSHOT })),
  {
    id: 'M6',
    title: 'snapshots whose answers are not read, on 20 sockets',
    prepare: longTexts,
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      for (const socket of sockets) socket.pause()
      await attacker.pace(PER_SECOND, (count) =>
        attacker.send(
          sockets[count % sockets.length],
          JSON.stringify({ id: String(count), type: 'subscribe', payload: { query: SNAPSHOT } }),
        ),
      )
    },
  },
  paced('M7', '45 small snapshots a second', group, () => ({ query: '{ cursor viewer { id } }' })),
  paced(
    'M8',
    'a message of 5,000 characters edited to and fro 45 times a second, in a group of the others',
    withOthers,
    ({ messageId }, count) => ({
      query: 'mutation ($input: EditMessageInput!) { editMessage(input: $input) { id } }',
      variables: { input: { messageId, content: `${count % 10}é `.repeat(LONG / 4) } },
    }),
  ),
  paced('M9', '45 messages a second that mention 20 others and everybody', withOthers, ({ conversationId, ids }) => ({
    query: SEND,
    variables: { input: { conversationId, content: 'you', mentionIds: ids, mentionAll: true } },
  })),
  paced('M10', '45 answers to one message a second', withOthers, ({ conversationId, messageId }) => ({
    query: SEND,
    variables: { input: { conversationId, content: 'answer', replyToId: messageId } },
  })),
  paced('M11', 'one of the others blocked and unblocked 45 times a second', group, (_, count) => ({
    query: `mutation { ${count % 2 ? 'unblockUser' : 'blockUser'}(userId: "120") { id } }`,
  })),
  paced('M12', 'a conversation read and made unread 45 times a second', group, ({ conversationId, messageIds }, count) => ({
    query: `mutation ($id: ID!, $message: ID!) { ${count % 2 ? 'markConversationRead(conversationId: $id, upToMessageId: $message)' : 'markConversationUnread(conversationId: $id, fromMessageId: $message)'} }`,
    variables: { id: conversationId, message: count % 2 ? messageIds.at(-1) : messageIds[0] },
  })),
  {
    id: 'M13',
    title: '45 messages a second sent and deleted, in a group of the others',
    prepare: withOthers,
    run: (attacker, { conversationId }) =>
      attacker.pace(PER_SECOND / 2, async () => {
        const sent = await attacker.post({ query: SEND, variables: { input: { conversationId, content: 'x' } } }, { keep: true })
        const { id } = JSON.parse(sent.text).data.sendMessage
        await attacker.post({ query: 'mutation ($id: ID!) { deleteMessage(messageId: $id) { id } }', variables: { id } })
      }),
  },
  paced('M14', 'a conversation pinned and archived 45 times a second', group, ({ conversationId }, count) => ({
    query:
      'mutation ($id: ID!, $on: Boolean) { updateConversationSettings(conversationId: $id, input: { pinned: $on, archived: $on }) { id } }',
    variables: { id: conversationId, on: count % 2 === 0 },
  })),
  {
    id: 'M15',
    title: 'legacy connections of a user in 200 groups, as fast as they go, 20 at once',
    prepare: manyGroups,
    run: (attacker) => attacker.reconnect(),
  },
  atOnce('M16', 'search of a user in 200 groups, 8 at once', manyGroups, () => ({
    query: '{ searchMessages(text: "a b c d e f g h i j", first: 100) { edges { node { id } } } }',
  })),
  paced('M17', '45 reports of one message a second', group, ({ messageIds }, count) => ({
    query: 'mutation ($id: ID!, $reason: String!) { reportMessage(messageId: $id, reason: $reason) { id } }',
    variables: { id: messageIds[count % messageIds.length], reason: 'x'.repeat(1000) },
  })),
  paced('M18', 'the group changed 45 times a second, in a group of the others', withOthers, ({ conversationId }, count) => ({
    query: 'mutation ($id: ID!, $text: String!) { updateGroup(groupId: $id, input: { announcement: $text }) { id } }',
    variables: { id: conversationId.slice('group_'.length), text: String(count).repeat(1000) },
  })),
]
