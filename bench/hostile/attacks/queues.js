import { deflateRawSync } from 'node:zlib'
import { filled, frame } from '../frames.js'
import { signToken } from '../../support/token.js'
import { groupWith } from '../world.js'

/** N: what goes through queues that all users share, and compressed messages. */
const PER_SECOND = 45

const sends = (count, inputOf) =>
  `mutation { ${Array.from({ length: count }, (_, index) => `a${index}: sendMessage(input: ${inputOf(index)}) { id }`).join(' ')} }`

const repeats = (conversationId) =>
  sends(28, () => `{ conversationId: "${conversationId}", content: "again", clientMessageId: "again" }`)

const EMPTY_BLOCKS = filled(Buffer.from([3, 0]), 65_000)
const LONG_THEN_EMPTY = Buffer.concat([deflateRawSync(Buffer.alloc(65_000, ' ')), EMPTY_BLOCKS])

const compressed = (id, title, payload) => ({
  id,
  title,
  env: { WS_COMPRESSION: 'shared' },
  async run(attacker) {
    const bytes = frame(payload, { rsv1: true })
    let socket = await attacker.socket('legacy', { compresses: true })
    await attacker.repeat(async () => {
      if (await attacker.raw(socket, bytes)) return
      socket = await attacker.socket('legacy', { compresses: true })
      await new Promise((resolve) => setTimeout(resolve, 100))
    })
  },
})

/** One who joined and left a group again and again, as often as they may. */
async function oftenLeft(attacker) {
  const owner = attacker.friend(0)
  const { groupId } = await groupWith(attacker, 1, { owner })
  const change = `leaveGroup(groupId: "${groupId}") joinGroup(groupId: "${groupId}")`
  const changes = `mutation { ${Array.from({ length: 14 }, (_, index) => change.replace('leave', `a${index}: leave`).replace('join', `b${index}: join`)).join(' ')} }`
  for (let count = 0; count < 1500 / 14; count++) {
    const { text } = await attacker.post({ query: changes }, { keep: true })
    if (/FORBIDDEN/.test(text)) break
  }
}

/** Makes the attacker one who has written to thousands of others. */
async function manyContacts(attacker) {
  const admin = signToken({ userId: 1, name: 'Admin', role: 'admin' })
  const each = 25
  await attacker.query('{ viewer { id } }')
  for (let from = 1_000_000; from < 1_005_000; from += each) {
    const ids = Array.from({ length: each }, (_, index) => from + index)
    await attacker.query(
      `mutation { ${ids.map((id) => `a${id}: upsertUser(id: "${id}", name: "x") { id }`).join(' ')} }`,
      {},
      admin,
    )
    await attacker.query(
      `mutation { ${ids.map((id) => `a${id}: sendMessage(input: { receiverId: "${id}", content: "x" }) { id }`).join(' ')} }`,
    )
  }
}

const listed = (id, title, query) => ({
  id,
  title,
  prepare: manyContacts,
  run: (attacker) => attacker.pace(PER_SECOND, () => attacker.post({ query })),
})

export const queues = [
  {
    id: 'N1',
    title: '28 sends with one key in each of 45 mutations a second',
    prepare: (attacker) => groupWith(attacker, 1),
    run: (attacker, { conversationId }) => attacker.pace(PER_SECOND, () => attacker.post({ query: repeats(conversationId) })),
  },
  {
    id: 'N2',
    title: 'legacy: 100 sends with one key in one write, and 45 more a second',
    prepare: (attacker) => groupWith(attacker, 1),
    async run(attacker, { conversationId }) {
      const socket = await attacker.socket('legacy')
      const send = JSON.stringify({
        type: 'message_sent',
        message_id: 'again',
        data: { conversation_id: conversationId, is_group: true, content: 'again' },
      })
      attacker.send(socket, ...Array(100).fill(send))
      await attacker.pace(PER_SECOND, () => attacker.send(socket, send))
    },
  },
  {
    id: 'N6',
    title: 'legacy connections of one who joined and left a group a thousand times, as fast as they go, 20 at once',
    prepare: oftenLeft,
    run: (attacker) => attacker.reconnect(),
  },
  listed(
    'N7',
    '45 lists of unread conversations a second of one who wrote to 5,000 others',
    '{ conversations(filter: UNREAD, first: 20) { edges { node { id } } } }',
  ),
  listed('N8', '45 searches a second of the same', '{ searchMessages(text: "a b c") { edges { node { id } } } }'),
  {
    id: 'N9',
    title: 'legacy connections of the same, as fast as they go, 20 at once',
    prepare: manyContacts,
    run: (attacker) => attacker.reconnect(),
  },
  {
    id: 'N10',
    title: 'names of the same changed by 45 tokens a second',
    prepare: manyContacts,
    run: (attacker) =>
      attacker.pace(PER_SECOND, (count) =>
        attacker.post({ query: '{ viewer { name } }' }, { token: signToken({ userId: attacker.userId, name: `Name ${count}` }) }),
      ),
  },
  compressed('N3', 'compressed messages of 32,500 final blocks', EMPTY_BLOCKS),
  compressed('N4', 'the same after 65,000 characters', LONG_THEN_EMPTY.subarray(0, 65_000)),
  compressed('N5', 'compressed messages of 60 MB', deflateRawSync(Buffer.alloc(60_000_000, ' ')).subarray(0, 65_000)),
]
