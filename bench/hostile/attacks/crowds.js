import { sleep } from '../../support/processes.js'
import { signToken } from '../../support/token.js'
import { subscribe } from '../frames.js'
import { groupWith, people, variedText } from '../world.js'

/** Q: one change for a thousand users, ids as long as a frame, and what open subscriptions hold and make. */
const PER_SECOND = 45
const FIRST_ID = 2_000_000
const SOCKETS = 20

async function connect(attacker, ids) {
  for (let start = 0; start < ids.length; start += 50)
    await Promise.all(
      ids
        .slice(start, start + 50)
        .map((id) => attacker.socket('legacy', { token: signToken({ userId: Number(id), name: 'x' }) })),
    )
}

const CREATE =
  'mutation ($ids: [ID!], $text: String) { createGroup(input: { name: "G", memberIds: $ids, announcement: $text }) { id } }'

/** 300 of a thousand users are connected, and `memberCount` of these are in the group already. */
const invited = (id, title, memberCount) => ({
  id,
  title,
  async prepare(attacker) {
    const ids = await people(attacker, FIRST_ID, 999)
    const { createGroup } = await attacker.query(CREATE, { ids: ids.slice(0, memberCount) })
    await connect(attacker, ids.slice(0, 300))
    return { ids: ids.slice(memberCount), groupId: createGroup.id }
  },
  run: (attacker, { ids, groupId }) =>
    attacker.post({
      query: 'mutation ($group: ID!, $ids: [ID!]!) { inviteToGroup(groupId: $group, userIds: $ids) { id } }',
      variables: { group: groupId, ids },
    }),
})

/** Opens subscriptions on 20 sockets as fast as the rate allows, for so long, then does something else for the rest. */
const subscribed = (
  id,
  title,
  { seconds, textOf, idOf = (count) => `${count}`, prepare = undefined, afterwards = undefined },
) => ({
  id,
  title,
  minSeconds: seconds + 6,
  prepare,
  async run(attacker, prepared) {
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => attacker.socket('graphql')))
    const until = attacker.until
    attacker.until = performance.now() + seconds * 1000
    await attacker.pace(PER_SECOND, (count) => attacker.send(sockets[count % SOCKETS], subscribe(idOf(count), ...textOf(count))))
    attacker.until = until
    await afterwards?.(attacker, prepared)
    await sleep(Math.max(0, until - performance.now()))
  },
})

const friends = (attacker) => groupWith(attacker, 3)
const contents = Array.from({ length: 28 }, (_, index) => `a${index}: content`).join(' ')
const ids = Array.from({ length: 8500 }, (_, index) => String(index + 1))

export const crowds = [
  {
    id: 'Q1',
    title: '45 sends a second to an id of 60,000 characters',
    run: (attacker) =>
      attacker.pace(PER_SECOND, () =>
        attacker.post({
          query: 'mutation ($id: ID!) { sendMessage(input: { conversationId: $id, content: "x" }) { id } }',
          variables: { id: `group_${'1'.repeat(60_000)}` },
        }),
      ),
  },
  {
    id: 'Q2',
    title: '45 groups a second of 1,000 users with an announcement of 5,000 characters',
    prepare: (attacker) => people(attacker, FIRST_ID, 999),
    run: (attacker, members) =>
      attacker.pace(PER_SECOND, (count) =>
        attacker.post({ query: CREATE, variables: { ids: members, text: variedText(count) } }),
      ),
  },
  invited('Q3', '1,000 users, 300 of them connected, invited to a group at once', 0),
  invited('Q4', '700 users invited at once to a group with 300 connected members', 300),
  subscribed('Q5', '450 subscriptions to onlineStatus of 8,500 ids', {
    seconds: 10,
    textOf: () => ['subscription ($ids: [ID!]) { onlineStatus(userIds: $ids) { userId online } }', { ids }],
  }),
  subscribed('Q6', '360 subscriptions with ids of 60,000 characters, and typing 45 times a second', {
    seconds: 8,
    idOf: (count) => `${count}${'x'.repeat(60_000)}`,
    textOf: () => ['subscription { events { __typename } }'],
    prepare: friends,
    afterwards: (attacker, { conversationId, friends: [friend] }) =>
      attacker.pace(PER_SECOND, (count) =>
        attacker.post(
          {
            query: 'mutation ($id: ID!, $on: Boolean!) { setTyping(conversationId: $id, typing: $on) }',
            variables: { id: conversationId, on: count % 2 === 0 },
          },
          { token: friend.token },
        ),
      ),
  }),
  subscribed('Q7', '540 subscriptions with 28 contents each, and a message of 5,000 characters a second', {
    seconds: 12,
    textOf: (count) => [`subscription { messageSent { x${count}: id ${contents} } }`],
    prepare: friends,
    afterwards: (attacker, { conversationId, friends: [friend] }) =>
      attacker.pace(1, (count) =>
        attacker.post(
          {
            query: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }',
            variables: { input: { conversationId, content: variedText(count) } },
          },
          { token: friend.token },
        ),
      ),
  }),
]
