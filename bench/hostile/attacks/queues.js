import { deflateRawSync } from 'node:zlib'
import { filled, frame } from '../frames.js'
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
  compressed('N3', 'compressed messages of 32,500 final blocks', EMPTY_BLOCKS),
  compressed('N4', 'the same after 65,000 characters', LONG_THEN_EMPTY.subarray(0, 65_000)),
  compressed('N5', 'compressed messages of 60 MB', deflateRawSync(Buffer.alloc(60_000_000, ' ')).subarray(0, 65_000)),
]
