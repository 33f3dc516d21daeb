import { query } from '../support/services.js'
import { tokenOf } from './generator/clients.js'
import { startServer } from './server.js'

/** Sizes of the groups. */
export const GROUP_SIZES = [50, 500, 5000, 15_000]
/** Users who are in no group; everyone has one direct partner among them: 1 and 2, 3 and 4, and so on. */
export const PAIRED_USERS = 15_000

const range = (first, count) => Array.from({ length: count }, (_, index) => first + index)

const MEMBERS_AT_ONCE = 1000

/** Apart from all others. */
function firstMemberOf(size) {
  return 100_000 + size * 10
}

/** The ids of the members of the group of this size; nobody is in two. */
export const membersOf = (size) => range(firstMemberOf(size), size)
export const pairedUsers = (count) => range(1, count)
/** What the group is called, by its place among the sizes. */
export const groupConversation = (size) => `group_${GROUP_SIZES.indexOf(size) + 1}`
export const directConversation = (userId) => `direct_${partners(userId).join('_')}`

/** Both users of the pair, the lower id first. */
export const partners = (userId) => (userId % 2 === 1 ? [userId, userId + 1] : [userId - 1, userId])

/**
 * Fills an empty database: a server of Parley makes the tables and the groups. Runs start from copies of it.
 *
 * @param {{ entry: string, databaseUrl: string, core: number, logFile: string, env: Record<string, string> }} options
 */
export async function createWorld({ entry, databaseUrl, core, logFile, env }) {
  const server = await startServer({ entry, env: { ...env, DATABASE_URL: databaseUrl }, core, logFile })
  try {
    await query(databaseUrl, USERS)
    await query(databaseUrl, TOPICS)
    await query(databaseUrl, PAIRS)
    for (const size of GROUP_SIZES) await createGroup(server.port, size)
  } finally {
    await server.stop()
  }
  // A database's own upkeep would have come to it long ago; plans made without it are bad ones.
  await query(databaseUrl, 'VACUUM ANALYZE')
}

/** As tokens name them, so that nobody is changed by connecting. */
const USERS = `INSERT INTO users (id, name)
  SELECT id, 'User ' || id FROM (VALUES ${[[1, PAIRED_USERS], ...GROUP_SIZES.map((size) => [firstMemberOf(size), size])]
    .map(([first, count]) => `(${first}, ${first + count - 1})`)
    .join(', ')}) AS ranges (first, last), generate_series(first, last) AS id`

/** Every user has one. */
const TOPICS = `INSERT INTO topics (name) SELECT 'user:' || id FROM users`

const PAIRS = `WITH pairs AS (
    SELECT 'direct_' || low || '_' || low + 1 AS id, low FROM generate_series(1, ${PAIRED_USERS}, 2) AS low
  ), created AS (
    INSERT INTO conversations (id, is_group, user_low, user_high) SELECT id, false, low, low + 1 FROM pairs RETURNING id
  )
  INSERT INTO members (conversation_id, user_id)
    SELECT id, user_id FROM created JOIN pairs USING (id), LATERAL (VALUES (low), (low + 1)) AS pair (user_id)`

async function createGroup(port, size) {
  const [owner, ...others] = membersOf(size)
  const token = tokenOf(owner)
  const { createGroup: group } = await request(
    port,
    token,
    'mutation ($input: CreateGroupInput!) { createGroup(input: $input) { id conversation { id } } }',
    { input: { name: `A group of ${size}`, memberIds: [] } },
  )
  if (group.conversation.id !== groupConversation(size)) throw new Error(`the group of ${size} is ${group.conversation.id}`)
  for (let start = 0; start < others.length; start += MEMBERS_AT_ONCE) {
    const userIds = others.slice(start, start + MEMBERS_AT_ONCE)
    const invite = 'mutation ($groupId: ID!, $userIds: [ID!]!) { inviteToGroup(groupId: $groupId, userIds: $userIds) { id } }'
    await request(port, token, invite, { groupId: group.id, userIds })
  }
}

async function request(port, token, query, variables) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}
