import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import pg from 'pg'
import { cpuSeconds } from '../performance/proc.js'
import { startServer } from '../performance/server.js'
import { number, readValues } from '../support/options.js'
import { quitInOrder } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { table } from '../support/table.js'
import { JWT_SECRET, signToken } from '../support/token.js'
import { fillMessages, fillUsers } from './fill.js'

/** What searches and read state cost the database where there is much. See bench/README.md. */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const HELP = `Measures the database time of searches in one conversation, of searches for names, and of read state in a large group.

  npm run search [-- OPTIONS]

  --messages N    messages in the conversation, 1000000 if absent
  --users N       users, 1000000 if absent
  --members N     members of the group, 5000 if absent
  --times N       how often each is asked, 50 if absent
  --server PATH   Parley's entry, ../dist/main.js if absent
  --output PATH   where the figures go, results/search.json if absent
  --help          this text

It needs PostgreSQL with pg_stat_statements installed; it starts its own, on a free port of 127.0.0.1.

Example:
  npm run search -- --messages 100000 --users 100000 --times 10`
const values = readValues(HELP, {
  server: { type: 'string', default: here('../../dist/main.js') },
  messages: { type: 'string', default: '1000000' },
  users: { type: 'string', default: '1000000' },
  members: { type: 'string', default: '5000' },
  times: { type: 'string', default: '50' },
  output: { type: 'string', default: here('../results/search.json') },
})
const size = {
  messages: number(values, 'messages', 1000),
  users: number(values, 'users', 1000),
  members: number(values, 'members', 10),
}
const times = number(values, 'times', 1)
const entry = resolve(values.server)

const search = (text, more = '') =>
  `{ searchMessages(text: "${text}", conversationId: "group_1"${more}) { edges { node { id content } } pageInfo { endCursor } } }`
const names = (text, more = '') =>
  `{ users(search: "${text}", first: 100${more}) { edges { node { id name } } pageInfo { endCursor } } }`
const ADMIN = { userId: 2, role: 'admin' }
const MESSAGES = {
  'a word of every message': search('message'),
  'its second page': (end) => search('message', `, after: "${end}"`),
  'a word of three messages, the first among them': search('zebra'),
  'the beginning of words in every message': search('mess'),
  'two words, each in many messages, together in one of 1,000': search('blue seven'),
  'a word that nothing has': search('absent'),
  'Chinese, in every second message': search('消息'),
  'Chinese, in three messages': search('斑马'),
  'one character, in every second message': search('第'),
  'anywhere, a word of every message': search('message').replace(', conversationId: "group_1"', ''),
}
const USERS = {
  'a part of every name': names('user'),
  'its second page': (end) => names('user', `, after: "${end}"`),
  'one letter': names('u'),
  'a part of one name in 1,000': names('blue'),
  'a part of three names': names('zebra'),
  'a part that nobody has': names('qqq'),
  'two letters that are rare together': names('qx'),
  'Chinese, one name in 1,000': names('明'),
  'an id': names('4711'),
  'two digits, in one name in 20': names('99'),
  'nine characters of many names': names('ser 99999'),
  'the same digit, more than any name has': names('9999999'),
  '100 characters': names('user '.repeat(20)),
  'the second page of the beginning of one name in nine': async () => {
    const { users } = await ask(names('user 5'), ADMIN)
    return names('user 5', `, after: "${users.pageInfo.endCursor}"`)
  },
  'a part of every name, not banned': names('user', ', banned: false'),
}
const READ_STATE = {
  'the inbox with all that is read state':
    '{ conversations(first: 20) { edges { node { id unreadCount unreadMentionCount readUpTo settings { pinned } } } } }',
  'marking everything read': (_, { last }) =>
    `mutation { markConversationRead(conversationId: "group_1", upToMessageId: "${last}") }`,
  'marking the last message unread': (_, { last }) =>
    `mutation { markConversationUnread(conversationId: "group_1", fromMessageId: "${last}") }`,
  'sending to the group': 'mutation { sendMessage(input: { conversationId: "group_1", content: "hello" }) { id } }',
}

quitInOrder()
const LOGS = here('../results/logs/search')
mkdirSync(LOGS, { recursive: true })
const postgres = await OwnPostgres.start({
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track_planning': 'on',
  max_wal_size: '8GB',
})
const databaseUrl = await postgres.createDatabase()
const env = { JWT_SECRET, DATABASE_URL: databaseUrl, RATE_LIMIT_PER_SECOND: '0', LOG_LEVEL: 'warn' }
const start = () => startServer({ entry, env, core: 1, logFile: join(LOGS, 'server.log') })
// The first start makes the tables.
await (await start()).stop()
const database = new pg.Client({ connectionString: databaseUrl })
await database.connect()
await database.query('CREATE EXTENSION pg_stat_statements')
await fillUsers(database, size)
const { indexed } = await import(pathToFileURL(join(dirname(entry), 'chat/search-index.js')).href)
await fillMessages(database, size, indexed)
const server = await start()
const { rows } = await database.query('SELECT max(id)::text AS last FROM messages')
const [{ last }] = rows

async function ask(query, claims) {
  const response = await fetch(`http://127.0.0.1:${server.port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${signToken(claims)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(`${errors[0].message}: ${query}`)
  return data
}

const SPENT = `SELECT coalesce(sum(total_exec_time + total_plan_time), 0)::float8 AS ms FROM pg_stat_statements s
  JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%'`
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** CPU seconds of the server's connections to the database, so far. They stay open. */
async function databaseCpuSeconds() {
  const { rows: backends } = await database.query(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  return backends.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
}

/** Milliseconds of database time for each request, all its statements together: the median, the longest, and CPU time alone. */
async function measure(queries, claims) {
  const results = {}
  let end
  for (const [name, query] of Object.entries(queries)) {
    const text = typeof query === 'string' ? query : await query(end, { last })
    let found = 0
    // The first ones read what is not in memory yet.
    for (let warm = 0; warm < 3; warm++) {
      const [data] = Object.values(await ask(text, claims))
      end = data?.pageInfo?.endCursor ?? end
      found = data?.edges?.length
    }
    const taken = []
    const before = await databaseCpuSeconds()
    for (let count = 0; count < times; count++) {
      await database.query('SELECT pg_stat_statements_reset()')
      await ask(text, claims)
      taken.push((await database.query(SPENT)).rows[0].ms)
    }
    const cpu = (((await databaseCpuSeconds()) - before) * 1000) / times
    results[name] = { median: median(taken), longest: Math.max(...taken), cpu, ...(found === undefined ? {} : { found }) }
    console.error(name, results[name])
  }
  return results
}

const results = {
  messages: await measure(MESSAGES, { userId: 1 }),
  users: await measure(USERS, ADMIN),
  'read state': await measure(READ_STATE, { userId: 3 }),
}
await server.stop()
await database.end()
await postgres.remove()
for (const [title, each] of Object.entries(results)) {
  const cells = Object.entries(each).map(([name, one]) => [
    name,
    one.median.toFixed(2),
    one.longest.toFixed(2),
    one.cpu.toFixed(2),
    String(one.found ?? ''),
  ])
  console.log(`\n${table([title, 'ms, median', 'longest', 'CPU time', 'found'], cells)}`)
}
mkdirSync(dirname(values.output), { recursive: true })
const taken = { takenAt: new Date().toISOString(), node: process.version, times, size }
writeFileSync(values.output, `${JSON.stringify({ ...taken, results }, null, 1)}\n`)
