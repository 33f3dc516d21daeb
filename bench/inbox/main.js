import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startServer } from '../performance/server.js'
import { number, readValues } from '../support/options.js'
import { quitInOrder } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { table } from '../support/table.js'
import { JWT_SECRET, signToken } from '../support/token.js'

/** What an inbox costs, and marking read, by the length of the history. See bench/README.md. */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const HELP = `Measures an inbox of three groups, all read but one message each, by the length of their histories.

  npm run inbox [-- OPTIONS]

  --messages N    messages in each of the large groups, 1000000 if absent; the small ones have 10
  --times N       how often each is asked, 200 if absent
  --server PATH   Parley's entry, ../dist/main.js if absent
  --output PATH   where the figures go, results/inbox.json if absent
  --help          this text

It needs PostgreSQL installed; it starts its own, on a free port of 127.0.0.1.

Example:
  npm run inbox -- --messages 100000 --times 50`
const values = readValues(HELP, {
  server: { type: 'string', default: here('../../dist/main.js') },
  messages: { type: 'string', default: '1000000' },
  times: { type: 'string', default: '200' },
  output: { type: 'string', default: here('../results/inbox.json') },
})
const times = number(values, 'times', 1)
const sizes = [10, number(values, 'messages', 10)]

/** User 1 reads, users 2 to 11 write. */
const GROUPS = [1, 2, 3]
const fill = (messages) => `
  SET session_replication_role = replica;
  INSERT INTO users (id, name) SELECT i, 'user' || i FROM generate_series(1, 11) i ON CONFLICT DO NOTHING;
  INSERT INTO topics (name) SELECT 'user:' || i FROM generate_series(1, 11) i ON CONFLICT DO NOTHING;
  INSERT INTO topics (name) SELECT 'group:' || i FROM generate_series(1, 3) i;
  INSERT INTO conversations (id, is_group, message_count) SELECT 'group_' || i, true, ${messages} FROM generate_series(1, 3) i;
  INSERT INTO groups (id, conversation_id, name, member_count) SELECT i, 'group_' || i, 'Group ' || i, 11 FROM generate_series(1, 3) i;
  INSERT INTO members (conversation_id, user_id, role, sent_count)
  SELECT 'group_' || g, u, (CASE WHEN u = 1 THEN 'OWNER' ELSE 'MEMBER' END)::group_role, CASE WHEN u = 1 THEN 0 ELSE ${messages / 10} END
  FROM generate_series(1, 3) g, generate_series(1, 11) u;
  INSERT INTO messages (conversation_id, sender_id, content, message_type, seq, sender_seq)
  SELECT 'group_' || 1 + i % 3, 2 + i / 3 % 10, 'message ' || i, 'text', 1 + i / 3, 1 + i / 30 FROM generate_series(0, ${3 * messages - 1}) i;
  UPDATE members m SET read_to = last.id - 1, marked_to = last.id - 1, read_count = ${messages - 1}, read_up_to = last.id - 3
  FROM (SELECT conversation_id, max(id) AS id FROM messages GROUP BY conversation_id) last
  WHERE last.conversation_id = m.conversation_id AND m.user_id = 1;
  SELECT setval('groups_id_seq', 3);
  RESET session_replication_role;
  VACUUM ANALYZE`
/** How version 0.1 counted, but for the receipts, of which there are none here. */
const BY_COUNTING = `SELECT k.id, (SELECT count(*) FROM messages WHERE conversation_id = k.id AND sender_id <> 1) AS unread
  FROM unnest(ARRAY['group_1', 'group_2', 'group_3']) AS k(id)`

const inbox = (fields, filter = '') => `{ conversations(first: 20${filter}) { edges { node { id ${fields} } } } }`
const QUERIES = {
  'the inbox without counts': inbox(''),
  'the inbox with unreadCount': inbox('unreadCount'),
  'with all that is read state': inbox('unreadCount unreadMentionCount readUpTo settings { pinned archived mutedUntil }'),
  'the unread ones': inbox('unreadCount', ', filter: UNREAD'),
}

quitInOrder()
const LOGS = here('../results/logs/inbox')
mkdirSync(LOGS, { recursive: true })
const postgres = await OwnPostgres.start()
const token = signToken({ userId: 1 })
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** The median of the milliseconds that a call takes, one after the other. */
async function time(count, call) {
  for (let warm = 0; warm < Math.min(20, count); warm++) await call()
  const taken = []
  for (let index = 0; index < count; index++) {
    const began = performance.now()
    await call()
    taken.push(performance.now() - began)
  }
  return median(taken)
}

async function measure(messages) {
  const databaseUrl = await postgres.createDatabase()
  const env = { JWT_SECRET, DATABASE_URL: databaseUrl, RATE_LIMIT_PER_SECOND: '0', LOG_LEVEL: 'warn' }
  const server = await startServer({ entry: resolve(values.server), env, core: 1, logFile: join(LOGS, `${messages}.log`) })
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  for (const statement of fill(messages).split(/;\s*$/m)) await database.query(statement)

  async function ask(query, variables = {}) {
    const response = await fetch(`http://127.0.0.1:${server.port}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = await response.json()
    if (errors) throw new Error(errors[0].message)
    return data
  }
  const { conversations } = await ask(inbox('unreadCount lastMessage { id }'))
  if (conversations.edges.length !== GROUPS.length || conversations.edges.some(({ node }) => node.unreadCount !== 1))
    throw new Error(`the counts are wrong: ${JSON.stringify(conversations)}`)

  const results = {}
  for (const [name, query] of Object.entries(QUERIES)) results[name] = await time(times, () => ask(query))
  const { id, lastMessage } = conversations.edges[0].node
  const variables = { id, last: lastMessage.id }
  const read = 'mutation ($id: ID!, $last: ID!) { markConversationRead(conversationId: $id, upToMessageId: $last) }'
  const unread = 'mutation ($id: ID!, $last: ID!) { markConversationUnread(conversationId: $id, fromMessageId: $last) }'
  results['marking the last message read, then unread'] = await time(times, async () => {
    await ask(read, variables)
    await ask(unread, variables)
  })
  results['counting, as version 0.1 did'] = await time(Math.min(times, 10), () => database.query(BY_COUNTING))
  await database.end()
  await server.stop()
  return results
}

const bySize = new Map()
for (const size of sizes) bySize.set(size, await measure(size))
const names = Object.keys(bySize.get(sizes[0]))
const header = ['median, ms', ...sizes.map((size) => `${size.toLocaleString('en')} messages each`)]
console.log(
  table(
    header,
    names.map((name) => [name, ...sizes.map((size) => bySize.get(size)[name].toFixed(2))]),
  ),
)
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(
  values.output,
  `${JSON.stringify({ takenAt: new Date().toISOString(), node: process.version, times, results: Object.fromEntries(bySize) }, null, 1)}\n`,
)
await postgres.remove()
