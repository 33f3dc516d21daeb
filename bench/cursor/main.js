import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { familyCpuSeconds } from '../performance/proc.js'
import { startServer } from '../performance/server.js'
import { median } from '../performance/statistics.js'
import { number, readValues } from '../support/options.js'
import { quitInOrder } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { table } from '../support/table.js'
import { JWT_SECRET, signToken } from '../support/token.js'

/** What a query costs that selects `cursor`, against the same one without. See bench/README.md. */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const HELP = `Measures what a query costs that selects \`cursor\`, against the same query without.

  npm run cursor [-- OPTIONS]

  --rounds N      how often each is measured, 5 if absent
  --seconds N     how long one measurement takes, 3 if absent
  --at-once N     how many queries are under way, 8 if absent
  --server PATH   Parley's entry, ../dist/main.js if absent
  --output PATH   where the figures go, results/cursor.json if absent
  --help          this text

It needs PostgreSQL installed; it starts its own, on a free port of 127.0.0.1.

Example:
  npm run cursor -- --rounds 2 --seconds 1`
const values = readValues(HELP, {
  server: { type: 'string', default: here('../../dist/main.js') },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '3' },
  'at-once': { type: 'string', default: '8' },
  output: { type: 'string', default: here('../results/cursor.json') },
})
const rounds = number(values, 'rounds', 1)
const seconds = number(values, 'seconds', 1)
const atOnce = number(values, 'at-once', 1)

const CONVERSATIONS = 20
const MESSAGES = 30
/** The ratio that is aimed at. */
const TARGET = 1.3
/** What an app begins with. */
const START = `viewer { id name } conversations(first: ${CONVERSATIONS}) { edges { node {
  id isGroup unreadCount lastMessage { id content sender { id name } timestamp }
  members(first: 5) { edges { node { id name } } }
} } } notifications(first: 20) { edges { node { id notificationType } } }`
const OPEN = `conversation(id: $id) { messages(first: ${MESSAGES}) { edges { node {
  id content timestamp sender { id name } reactions { reaction count userIds } readBy { readerId readAt }
} } } }`
const QUERIES = { small: '', start: START, history: OPEN }

quitInOrder()
const LOGS = here('../results/logs/cursor')
mkdirSync(LOGS, { recursive: true })
const postgres = await OwnPostgres.start()
const env = { JWT_SECRET, DATABASE_URL: await postgres.createDatabase(), RATE_LIMIT_PER_SECOND: '0', LOG_LEVEL: 'warn' }
const logFile = join(LOGS, 'server.log')
const server = await startServer({
  entry: resolve(values.server),
  env,
  core: 1,
  logFile,
  nodeOptions: ['--max-semi-space-size=32'],
})

const tokens = new Map()
const tokenOf = (userId) => tokens.get(userId) ?? (tokens.set(userId, signToken({ userId })), tokens.get(userId))
async function ask(userId, query, variables = {}) {
  const response = await fetch(`http://127.0.0.1:${server.port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenOf(userId)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(errors[0].message)
  return data
}

const users = Array.from({ length: CONVERSATIONS + 1 }, (_, index) => index + 1)
for (const userId of users) await ask(userId, '{ viewer { id } }')
for (const userId of users.slice(1)) {
  for (let n = 0; n < MESSAGES; n++) {
    const input = { receiverId: String(n % 2 ? 1 : userId), content: `message ${n}` }
    const { sendMessage } = await ask(
      n % 2 ? userId : 1,
      'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }',
      { input },
    )
    if (n % 5 === 0)
      await ask(userId, 'mutation ($id: ID!) { addReaction(messageId: $id, reaction: "👍") { count } }', { id: sendMessage.id })
  }
}

/** CPU milliseconds of the node and of the database for each query. */
async function measure(query) {
  const before = { node: server.cpuSeconds(), database: familyCpuSeconds(postgres.pid) }
  const until = performance.now() + seconds * 1000
  let count = 0
  await Promise.all(
    Array.from({ length: atOnce }, async (_, index) => {
      for (const userId = users[index % users.length]; performance.now() < until; count++) {
        const other = userId === 1 ? 2 : userId
        await ask(userId, query, query.includes('$id') ? { id: `direct_1_${other}` } : {})
      }
    }),
  )
  const cost = (seconds) => (seconds * 1000) / count
  return {
    perSecond: count / seconds,
    node: cost(server.cpuSeconds() - before.node),
    database: cost(familyCpuSeconds(postgres.pid) - before.database),
  }
}

const results = {}
let isDear = false
const rows = []
for (const [name, fields] of Object.entries(QUERIES)) {
  const variables = fields.includes('$id') ? '($id: ID!) ' : ''
  const without = `query ${variables}{ ${fields || 'viewer { id name }'} }`
  const within = `query ${variables}{ cursor ${fields || 'viewer { id name }'} }`
  await measure(without)
  await measure(within)
  const measured = []
  for (let round = 0; round < rounds; round++) {
    // In turn, so that what else the machine does meets both.
    const order = round % 2 ? [within, without] : [without, within]
    const pair = new Map()
    for (const query of order) pair.set(query, await measure(query))
    measured.push({ without: pair.get(without), with: pair.get(within) })
  }
  const total = ({ node, database }) => node + database
  const ratio = median(measured.map((each) => total(each.with) / total(each.without)))
  if (ratio > TARGET) isDear = true
  results[name] = { ratio, measured }
  const figures = (which) => [
    median(measured.map((each) => each[which].node)).toFixed(3),
    median(measured.map((each) => each[which].database)).toFixed(3),
  ]
  rows.push([name, ...figures('without'), ...figures('with'), ratio.toFixed(2)])
}
console.log(table(['query', 'node, ms CPU', 'database', 'with cursor: node', 'database', 'ratio'], rows))
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(
  values.output,
  `${JSON.stringify({ takenAt: new Date().toISOString(), node: process.version, rounds, seconds, atOnce, results }, null, 1)}\n`,
)
await server.stop()
await postgres.remove()
process.exit(isDear ? 1 : 0)
