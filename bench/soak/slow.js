import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { number, readValues } from '../support/options.js'
import { sleep } from '../support/processes.js'
import { quitInOrder } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { table } from '../support/table.js'
import { JWT_SECRET } from '../support/token.js'
import { startServer } from '../performance/server.js'
import { Client, KEY_LENGTH, metricsOf, query } from './client.js'

/** What clients that read nothing cost the server and those who read. See bench/README.md. */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const HELP = `Measures what clients that read nothing cost the server and those who read.

  npm run slow-consumers [-- OPTIONS]

  --slow N        how many read nothing, 200 if absent
  --seconds N     how long messages are sent without them, and again with them, 30 if absent
  --server PATH   Parley's entry, ../dist/main.js if absent
  --output PATH   where the figures go, results/slow-consumers.json if absent
  --help          this text

It needs PostgreSQL installed; it starts its own, on a free port of 127.0.0.1.

Example:
  npm run slow-consumers -- --slow 50 --seconds 10`
const values = readValues(HELP, {
  server: { type: 'string', default: here('../../dist/main.js') },
  slow: { type: 'string', default: '200' },
  seconds: { type: 'string', default: '30' },
  output: { type: 'string', default: here('../results/slow-consumers.json') },
})
const slowCount = number(values, 'slow', 1)
const seconds = number(values, 'seconds', 1)
const READERS = 50
const WINDOW = 16
/** 4 KiB each, so that what is not read is soon much. */
const CONTENT = 'x'.repeat(4000)

quitInOrder()
const LOGS = here('../results/logs/soak')
mkdirSync(LOGS, { recursive: true })
const postgres = await OwnPostgres.start()
const databaseUrl = await postgres.createDatabase()
const env = { JWT_SECRET, DATABASE_URL: databaseUrl, RATE_LIMIT_PER_SECOND: '0', LOG_LEVEL: 'warn' }
const server = await startServer({
  entry: resolve(values.server),
  env,
  core: 1,
  logFile: join(LOGS, 'slow.log'),
  nodeOptions: ['--max-semi-space-size=32'],
})
const { port } = server

const of = (first, count, isSlow) =>
  Array.from({ length: count }, (_, index) => new Client({ userId: first + index, ports: [port], protocol: 'legacy', isSlow }))
const readers = of(1, READERS, false)
const slow = of(1000, slowCount, true)
for (const client of [...readers, ...slow]) await query(port, client.userId, '{ viewer { id } }')
const ids = [...readers.slice(1), ...slow].map(({ userId }) => `"${userId}"`)
let group
for (let start = 0; start < ids.length; start += 100) {
  const some = ids.slice(start, start + 100)
  group = group
    ? (
        await query(
          port,
          1,
          `mutation { inviteToGroup(groupId: "${group.id}", userIds: [${some.join()}]) { id conversation { id } } }`,
        )
      ).inviteToGroup
    : (
        await query(
          port,
          1,
          `mutation { createGroup(input: { name: "G", memberIds: [${some.join()}] }) { id conversation { id } } }`,
        )
      ).createGroup
}
for (const client of readers) await client.open()

let lastKey = 0
/** Full load for a while; latencies of all readers in milliseconds, and the server's memory. */
async function load() {
  const startedAt = new Map()
  const latencies = []
  for (const reader of readers) {
    reader.onMessage = (key) => {
      const at = startedAt.get(key)
      if (at !== undefined) latencies.push(performance.now() - at)
    }
  }
  let messages = 0
  let maxResident = 0
  const watching = setInterval(() => (maxResident = Math.max(maxResident, server.residentBytes())), 100)
  const until = performance.now() + seconds * 1000
  const cpu = server.cpuSeconds()
  async function sendOn() {
    while (performance.now() < until) {
      const key = String(lastKey++).padStart(KEY_LENGTH, '0')
      startedAt.set(key, performance.now())
      const data = { conversation_id: group.conversation.id, is_group: true, content: key + CONTENT }
      if (await readers[0].request({ type: 'message_sent', data })) messages++
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, sendOn))
  await sleep(2000)
  clearInterval(watching)
  const metrics = await metricsOf(port)
  latencies.sort((a, b) => a - b)
  const at = (share) => latencies[Math.floor(latencies.length * share)]
  return {
    messages,
    perSecond: messages / seconds,
    deliveries: latencies.length,
    owed: messages * READERS,
    p50: at(0.5),
    p99: at(0.99),
    maxResidentMiB: maxResident / 2 ** 20,
    cpuMillisPerMessage: ((server.cpuSeconds() - cpu) * 1000) / messages,
    closed: metrics('parley_drops_total{class="socket"}'),
  }
}

const warm = await load()
const without = await load()
for (const client of slow) await client.open()
const withSlow = await load()
/** @type {[string, typeof without][]} */
const pairs = [
  ['none', without],
  [`${String(slowCount)} that read nothing`, withSlow],
]
const rows = pairs.map(([name, r]) => [
  name,
  r.perSecond.toFixed(0),
  `${r.p50.toFixed(1)} ms`,
  `${r.p99.toFixed(1)} ms`,
  `${r.deliveries} of ${r.owed}`,
  `${r.maxResidentMiB.toFixed(0)} MiB`,
  String(r.closed),
])
console.log(
  table(
    ['slow clients', 'messages a second', 'latency p50', 'p99', 'deliveries to the others', 'most memory', 'closed with 4508'],
    rows,
  ),
)
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(values.output, `${JSON.stringify({ slowCount, seconds, warm, without, withSlow }, null, 1)}\n`)
await Promise.all([...readers, ...slow].map((client) => client.end()))
await server.stop()
await postgres.remove()
process.exit(0)
