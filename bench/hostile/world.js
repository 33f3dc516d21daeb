import { signToken } from '../support/token.js'

/** What attacks need to be there before them. */

/** A group of the attacker with friends in it, who are users by then. */
export async function groupWith(attacker, friendCount, { owner = attacker } = {}) {
  const friends = Array.from({ length: friendCount }, (_, index) => attacker.friend(index))
  await attacker.query('{ viewer { id } }')
  await Promise.all(friends.map(({ token }) => attacker.query('{ viewer { id } }', undefined, token)))
  const memberIds = [attacker, ...friends].map(({ userId }) => String(userId)).filter((id) => id !== String(owner.userId))
  const { createGroup } = await attacker.query(
    'mutation ($ids: [ID!]) { createGroup(input: { name: "Attacked", memberIds: $ids }) { id conversation { id } } }',
    { ids: memberIds },
    owner.token,
  )
  return { friends, groupId: createGroup.id, conversationId: createGroup.conversation.id }
}

/** A group of the attacker with the 20 other users, who are connected: nobody is asked before being put into a group. */
export async function groupOfOthers(attacker) {
  await attacker.query('{ viewer { id } }')
  const ids = Array.from({ length: 20 }, (_, index) => String(100 + index))
  const { createGroup } = await attacker.query(
    'mutation ($ids: [ID!]) { createGroup(input: { name: "G", memberIds: $ids }) { conversation { id } } }',
    { ids },
  )
  return { conversationId: createGroup.conversation.id, ids }
}

const SEND = 'mutation ($to: ID!, $content: String!) { sendMessage(input: { conversationId: $to, content: $content }) { id } }'

/** Messages of the friends, `count` in all, as many at once as there are friends. */
export async function history(attacker, { friends, conversationId }, count, content = 'a message') {
  const each = Math.ceil(count / friends.length)
  const ids = await Promise.all(
    friends.map(async ({ token }) => {
      const sent = []
      for (let number = 0; number < each; number++) {
        const { sendMessage } = await attacker.query(SEND, { to: conversationId, content }, token)
        sent.push(sendMessage.id)
      }
      return sent
    }),
  )
  return ids.flat()
}

/** So many users with ids from `firstId` on, who have been there before; resolves with their ids. */
export async function people(attacker, firstId, count) {
  const admin = signToken({ userId: 1, name: 'Admin', role: 'admin' })
  const ids = Array.from({ length: count }, (_, index) => String(firstId + index))
  await attacker.query('{ viewer { id } }')
  for (let start = 0; start < count; start += 25) {
    const some = ids.slice(start, start + 25)
    await attacker.query(
      `mutation { ${some.map((id) => `a${id}: upsertUser(id: "${id}", name: "x") { id }`).join(' ')} }`,
      {},
      admin,
    )
  }
  return ids
}

/** 5,000 different characters, so that nothing compresses them. */
export const variedText = (seed) =>
  Array.from({ length: 5000 }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7919 + seed) % 20_000))).join('')
