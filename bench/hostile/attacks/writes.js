import { sleep } from '../../support/processes.js'
import { subscribe } from '../frames.js'
import { groupOfOthers, groupWith, history } from '../world.js'

/** I and L: what is written, at the rate that a user has. */
const PER_SECOND = 45

async function group(attacker) {
  const made = await groupWith(attacker, 10)
  return { ...made, messageIds: await history(attacker, made, 20) }
}

const paced = (
  id,
  title,
  bodyOf,
  { prepare = /** @type {(attacker: any) => Promise<any>} */ (group), perSecond = PER_SECOND } = {},
) => ({
  id,
  title,
  prepare,
  run: (attacker, prepared) => attacker.pace(perSecond, (count) => attacker.post(bodyOf(prepared, count))),
})

const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

async function victims(attacker) {
  const users = Array.from({ length: 150 }, (_, index) => attacker.friend(index))
  for (let start = 0; start < users.length; start += 25)
    await Promise.all(users.slice(start, start + 25).map(({ token }) => attacker.query('{ viewer { id } }', undefined, token)))
  return users.map(({ userId }) => String(userId))
}

const toOthers = ({ conversationId }) => ({ query: SEND, variables: { input: { conversationId, content: '汉'.repeat(5000) } } })
const manyToOthers = (conversationId) => ({
  query: `mutation ($to: ID!, $content: String!) { ${Array.from({ length: 28 }, (_, index) => `a${index}: sendMessage(input: { conversationId: $to, content: $content }) { id }`).join(' ')} }`,
  variables: { to: conversationId, content: 'x'.repeat(5000) },
})

export const writes = [
  paced('I1', '45 different reactions to one message a second', ({ messageIds }, count) => ({
    query: 'mutation ($id: ID!, $reaction: String!) { addReaction(messageId: $id, reaction: $reaction) { count } }',
    variables: { id: messageIds[0], reaction: `r${count}` },
  })),
  paced('I2', 'a reaction given and taken back, 45 times a second', ({ messageIds }, count) => ({
    query: `mutation ($id: ID!) { ${count % 2 ? 'removeReaction' : 'addReaction'}(messageId: $id, reaction: "x") { count } }`,
    variables: { id: messageIds[0] },
  })),
  {
    id: 'I3',
    title: '150 users put into 45 groups a second',
    prepare: victims,
    run: (attacker, ids) =>
      attacker.pace(PER_SECOND, () =>
        attacker.post({
          query: 'mutation ($ids: [ID!]) { createGroup(input: { name: "G", memberIds: $ids }) { id } }',
          variables: { ids },
        }),
      ),
  },
  {
    id: 'I4',
    title: 'the same, 28 groups in each mutation',
    prepare: victims,
    run: (attacker, ids) =>
      attacker.pace(PER_SECOND, () =>
        attacker.post({
          query: `mutation ($ids: [ID!]) { ${Array.from({ length: 28 }, (_, index) => `a${index}: createGroup(input: { name: "G", memberIds: $ids }) { id }`).join(' ')} }`,
          variables: { ids },
        }),
      ),
  },
  paced('I5', '45 messages of 5,000 characters a second to a group that the others are in', toOthers, { prepare: groupOfOthers }),
  paced('I6', '28 sends in each of 45 mutations a second to a group that the others are in', manyToOthers, {
    prepare: groupOfOthers,
  }),
  paced('L1', '45 messages of 5,000 characters a second to a group', ({ conversationId }) => ({
    query: SEND,
    variables: { input: { conversationId, content: '汉'.repeat(5000) } },
  })),
  paced('L2', '45 times a second setTyping to and fro', ({ conversationId }, count) => ({
    query: 'mutation ($id: ID!, $on: Boolean!) { setTyping(conversationId: $id, typing: $on) }',
    variables: { id: conversationId, on: count % 2 === 0 },
  })),
  paced('L3', '28 sends in each of 45 mutations a second', ({ conversationId }) => ({
    query: `mutation ($to: ID!) { ${Array.from({ length: 28 }, (_, index) => `a${index}: sendMessage(input: { conversationId: $to, content: "x" }) { id }`).join(' ')} }`,
    variables: { to: conversationId },
  })),
  paced('L4', '28 groups created in each of 45 mutations a second', () => ({
    query: `mutation { ${Array.from({ length: 28 }, (_, index) => `a${index}: createGroup(input: { name: "x" }) { id }`).join(' ')} }`,
  })),
  paced('L5', '1,000 ids of nobody invited, 45 times a second', ({ groupId }, count) => ({
    query: 'mutation ($group: ID!, $ids: [ID!]!) { inviteToGroup(groupId: $group, userIds: $ids) { id } }',
    variables: { group: groupId, ids: Array.from({ length: 1000 }, (_, index) => String(1_000_000 + count * 1000 + index)) },
  })),
  {
    id: 'L6',
    title: 'a member removed and invited again, 45 times a second',
    prepare: group,
    run: (attacker, { groupId, friends }) =>
      attacker.pace(PER_SECOND, (count) =>
        attacker.post(
          count % 2
            ? {
                query: 'mutation ($group: ID!, $user: ID!) { removeGroupMember(groupId: $group, userId: $user) { id } }',
                variables: { group: groupId, user: String(friends[0].userId) },
              }
            : {
                query: 'mutation ($group: ID!, $user: ID!) { inviteToGroup(groupId: $group, userIds: [$user]) { id } }',
                variables: { group: groupId, user: String(friends[0].userId) },
              },
        ),
      ),
  },
  {
    id: 'L7',
    title: 'presence: 20 sockets of 100 contacts closed and opened again',
    async prepare(attacker) {
      return await groupWith(attacker, 100)
    },
    async run(attacker) {
      await attacker.repeat(async () => {
        const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('legacy')))
        for (const socket of sockets) socket.terminate()
        await sleep(200)
      })
    },
  },
  {
    id: 'L8',
    title: 'subscriptions to onlineStatus with 5,000 ids, 100 on a socket',
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      const ids = Array.from({ length: 5000 }, (_, index) => String(index + 1))
      await attacker.pace(PER_SECOND, (count) =>
        attacker.send(
          sockets[count % sockets.length],
          subscribe(count, 'subscription ($ids: [ID!]) { onlineStatus(userIds: $ids) { userId online } }', { ids }),
        ),
      )
    },
  },
  {
    id: 'L9',
    title: 'names changed by 45 tokens a second',
    prepare: group,
    async run(attacker) {
      const { signToken } = await import('../../support/token.js')
      await attacker.pace(PER_SECOND, (count) =>
        attacker.post({ query: '{ viewer { name } }' }, { token: signToken({ userId: attacker.userId, name: `Name ${count}` }) }),
      )
    },
  },
]
