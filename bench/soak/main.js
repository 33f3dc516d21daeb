import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { number, readValues } from '../support/options.js'
import { sleep } from '../support/processes.js'
import { quitInOrder } from '../support/quit.js'
import { OwnPostgres, OwnRedis } from '../support/services.js'
import { thirdsTable } from './thirds.js'
import { JWT_SECRET } from '../support/token.js'
import { startServer } from '../performance/server.js'
import { Client, metricsOf, query } from './client.js'

/** Mixed load for a long time: does anything grow, get late or get lost? See bench/README.md. */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const HELP = `Mixed load on two nodes for a long time: does anything grow, get late or get lost?

  npm run soak [-- OPTIONS]

  --minutes N     10 if absent
  --rate N        actions a second, all clients together, 150 if absent
  --server PATH   Parley's entry, ../dist/main.js if absent
  --output PATH   where the figures go, results/soak.json if absent
  --help          this text

It needs PostgreSQL and Redis installed; it starts its own, on free ports of 127.0.0.1.

Example:
  npm run soak -- --minutes 2`
const values = readValues(HELP, {
  server: { type: 'string', default: here('../../dist/main.js') },
  minutes: { type: 'string', default: '10' },
  rate: { type: 'string', default: '150' },
  output: { type: 'string', default: here('../results/soak.json') },
})
const minutes = number(values, 'minutes', 1)
const rate = number(values, 'rate', 1)

const USERS = 120
const SLOW = 6
const SAMPLE_MS = 5000
const CUT_EVERY_MS = 250
const LOGS = here('../results/logs/soak')

quitInOrder()
mkdirSync(LOGS, { recursive: true })
const [postgres, redis] = [await OwnPostgres.start(), await OwnRedis.start()]
const databaseUrl = await postgres.createDatabase()
const env = {
  JWT_SECRET,
  DATABASE_URL: databaseUrl,
  REDIS_URL: redis.url,
  RATE_LIMIT_PER_SECOND: '0',
  LOG_LEVEL: 'warn',
  PRESENCE_GRACE_MS: '1000',
  // Those who read nothing for all the time are owed more than a resume gives.
  RESUME_LIMIT: '100000',
}
const servers = []
for (const core of [0, 1]) {
  servers.push(
    await startServer({
      entry: resolve(values.server),
      env,
      core,
      logFile: join(LOGS, `node-${core}.log`),
      nodeOptions: ['--max-semi-space-size=32'],
    }),
  )
}
const ports = servers.map(({ port }) => port)

const clients = Array.from({ length: USERS }, (_, index) => {
  const protocol = index % 2 === 0 ? 'legacy' : 'graphql'
  const ordered = index % 3 === 0 ? ports.toReversed() : ports
  return new Client({ userId: index + 1, ports: ordered, protocol, isSlow: index >= USERS - SLOW })
})
for (const client of clients) await client.open()
const readers = clients.filter(({ isSlow }) => !isSlow)

const groups = []
for (const size of [20, USERS]) {
  const ids = Array.from({ length: size - 1 }, (_, index) => `"${index + 2}"`)
  const { createGroup } = await query(
    ports[0],
    1,
    `mutation { createGroup(input: { name: "G", memberIds: [${ids.slice(0, 100).join()}] }) { id conversation { id } } }`,
  )
  if (ids.length > 100)
    await query(
      ports[0],
      1,
      `mutation { inviteToGroup(groupId: "${createGroup.id}", userIds: [${ids.slice(100).join()}]) { id } }`,
    )
  groups.push({ conversation: createGroup.conversation.id, size })
}

/** Acknowledged messages, and who is owed them. */
const owed = []
let sent = 0
const any = (list) => list[Math.floor(Math.random() * list.length)]

async function sendTo(client, fields, to, members) {
  const content = `m${sent++}`
  const isOk = await client.request(
    { type: 'message_sent', data: { ...fields, content } },
    `mutation { sendMessage(input: { ${to}, content: "${content}" }) { id } }`,
  )
  if (isOk) owed.push({ content, members })
}

const actions = [
  [
    5,
    (client) => {
      const partner = any(clients)
      if (partner !== client)
        return sendTo(client, { receiver_id: partner.userId }, `receiverId: "${partner.userId}"`, [client, partner])
    },
  ],
  [
    2,
    (client) => {
      const group = any(groups)
      if (client.userId > group.size) return
      return sendTo(
        client,
        { conversation_id: group.conversation, is_group: true },
        `conversationId: "${group.conversation}"`,
        clients.slice(0, group.size),
      )
    },
  ],
  [
    3,
    (client) => {
      const typing = Math.random() < 0.5
      const conversation = any(groups).conversation
      return client.request(
        { type: 'typing', data: { session_id: conversation, typing } },
        `mutation { setTyping(conversationId: "${conversation}", typing: ${typing}) }`,
      )
    },
  ],
  [
    2,
    (client) => {
      const message = any(client.seen)
      if (message)
        return client.request(
          { type: 'message_read', data: { message_id: message.id, is_group: message.conversation.startsWith('group') } },
          `mutation { markMessageRead(messageId: "${message.id}") { readAt } }`,
        )
    },
  ],
  [
    1,
    (client) => {
      const message = any(client.seen)
      if (message)
        return client.request(
          {
            type: 'reaction_added',
            data: { message_id: message.id, reaction: '👍', is_group: message.conversation.startsWith('group') },
          },
          `mutation { addReaction(messageId: "${message.id}", reaction: "👍") { count } }`,
        )
    },
  ],
  [
    1,
    (client) =>
      query(
        any(ports),
        client.userId,
        '{ conversations(first: 5) { edges { node { id unreadCount lastMessage { content } } } } }',
      ),
  ],
  [
    1,
    (client) =>
      client.protocol === 'legacy' &&
      client.sendRaw(
        any(['{', '{"type":"nothing"}', '{"type":"typing","data":7}', '[]', '{"type":"message_sent","data":{"content":""}}']),
      ),
  ],
]
const wheel = actions.flatMap(([weight, action]) => Array(weight).fill(action))

const samples = []
const since = performance.now()
async function sample() {
  const nodes = await Promise.all(ports.map(metricsOf))
  const sum = (name) => nodes.reduce((total, read) => total + read(name), 0)
  const max = (name) => Math.max(...nodes.map((read) => read(name)))
  samples.push({
    seconds: (performance.now() - since) / 1000,
    heapMiB: sum('nodejs_heap_size_used_bytes') / 2 ** 20,
    residentMiB: sum('process_resident_memory_bytes') / 2 ** 20,
    loopLagMs: max('nodejs_eventloop_lag_p99_seconds') * 1000,
    eventLagSeconds: sum('parley_event_lag_seconds_sum'),
    events: sum('parley_event_lag_seconds_count'),
    sent,
  })
}
const sampling = setInterval(() => sample().catch((error) => console.error(error)), SAMPLE_MS)
const cutting = setInterval(() => any(readers).cut(), CUT_EVERY_MS)
const progress = setInterval(() => {
  const { heapMiB, residentMiB, loopLagMs } = samples.at(-1) ?? {}
  console.error(
    `${Math.round((performance.now() - since) / 1000)} s: ${sent} sent, heap ${heapMiB?.toFixed(0)} MiB, resident ${residentMiB?.toFixed(0)} MiB, loop ${loopLagMs?.toFixed(1)} ms`,
  )
}, 30_000)
const until = since + minutes * 60_000
for (let due = since; performance.now() < until; due += 1000 / rate) {
  const wait = due - performance.now()
  if (wait > 0) await sleep(wait)
  void Promise.resolve(any(wheel)(any(readers))).catch(() => undefined)
}
clearInterval(cutting)
clearInterval(sampling)
clearInterval(progress)

// Everyone reads and has time to catch up; then all that was acknowledged must be there, once.
for (const client of clients) client.read()
const missingOf = () =>
  owed.reduce((count, { content, members }) => count + members.filter(({ got }) => !got.has(content)).length, 0)
const deadline = performance.now() + 60_000
while (missingOf() > 0 && performance.now() < deadline) await sleep(500)
const missing = missingOf()
const doubled = clients.reduce((count, { got }) => count + [...got.values()].filter((times) => times > 1).length, 0)
const deliveries = clients.reduce((count, { got }) => count + got.size, 0)

console.log(thirdsTable(samples, minutes))
const closes = {}
for (const client of clients)
  for (const [code, count] of Object.entries(client.closes)) closes[code] = (closes[code] ?? 0) + count
const result = {
  minutes,
  rate,
  sent,
  acknowledged: owed.length,
  deliveries,
  missing,
  doubled,
  repeats: clients.reduce((sum, { repeats }) => sum + repeats, 0),
  closes,
  samples,
}
console.log(
  `\n${owed.length} messages acknowledged, ${deliveries} deliveries, ${missing} missing, ${doubled} doubled; connections closed: ${JSON.stringify(closes)}`,
)
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(values.output, `${JSON.stringify(result, null, 1)}\n`)
await Promise.all(clients.map((client) => client.end()))
await Promise.all(servers.map((server) => server.stop()))
await redis.remove()
await postgres.remove()
process.exit(missing + doubled > 0 ? 1 : 0)
