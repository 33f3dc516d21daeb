import { groupWith, people } from '../world.js'

/** S: changes that hold many locks, for which the sends of everybody wait. */
const FIRST_ID = 3_000_000
const PER_SECOND = 9

const CREATE = 'mutation ($ids: [ID!]) { createGroup(input: { name: "G", memberIds: $ids }) { id } }'
const SEND = 'mutation ($id: ID!) { sendMessage(input: { receiverId: $id, content: "x" }) { id } }'

/** The two others whose sends are measured. */
const SENDERS = ['120', '121']

/** So many users create groups of the same thousand users, and the attacker writes to one of these. */
const creating = (id, title, userCount, { ofSenders = false, sends = false }) => ({
  id,
  title,
  async prepare(attacker) {
    const { friends } = await groupWith(attacker, userCount)
    // Users of this run alone, so that no limit of the day of one before counts.
    const ids = await people(attacker, FIRST_ID + attacker.userId * 1000, 990)
    return { friends, ids: ofSenders ? [...ids, ...SENDERS] : ids }
  },
  async run(attacker, { friends, ids }) {
    const creates = friends.map(({ token }) =>
      attacker.pace(PER_SECOND, () => attacker.post({ query: CREATE, variables: { ids } }, { token })),
    )
    const send = () => attacker.post({ query: SEND, variables: { id: ids[5] } })
    await Promise.all([...creates, sends && attacker.pace(40, send)])
  },
})

export const locks = [
  creating('S1', 'groups of 1,000 users, 9 a second, in which the two are who write', 1, { ofSenders: true }),
  creating('S2', 'the same by five users', 5, { ofSenders: true }),
  creating('S3', 'groups of 1,000 users by five users, 9 a second by each, and 40 sends a second to one of them', 5, {
    sends: true,
  }),
]
