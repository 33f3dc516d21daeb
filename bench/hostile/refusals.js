import { mkdirSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { number, readValues } from '../support/options.js'
import { quitInOrder } from '../support/quit.js'
import { OwnPostgres } from '../support/services.js'
import { table } from '../support/table.js'
import { JWT_SECRET, signToken } from '../support/token.js'
import { LOG_FOLDER } from './options.js'
import { Server } from './server.js'

const HELP = `What refused requests leave in the server's heap: so many of each kind, over each protocol, with a token and without.

  npm run refusals [-- OPTIONS]

  --count N         requests of each kind, 10000 if absent
  --server PATH     Parley's entry, ../dist/main.js if absent
  --help            this text`

/** What may stay of a kind, in MiB: code that was compiled for it, and the refused texts that are cached. */
const BOUND_MIB = 4
/** How many are under way at the same time. */
const AT_ONCE = 20
const MIB = 2 ** 20

quitInOrder()
const values = readValues(HELP, {
  count: { type: 'string', default: '10000' },
  server: { type: 'string', default: fileURLToPath(new URL('../../dist/main.js', import.meta.url)) },
})
const count = number(values, 'count', 1)
const token = signToken({ userId: 7, name: 'Mallory' })
const forged = `${token.slice(0, -4)}AAAA`

/** Each text is another one. */
const DOCUMENTS = {
  'unknown fields': (index) => ({ query: `query Q${index} { viewerx { id } }` }),
  'too many aliases': (index) => ({
    query: `query Q${index} { viewer { ${Array.from({ length: 50 }, (_, each) => `a${each}: id`).join(' ')} } }`,
  }),
  'no GraphQL': (index) => ({ query: `query Q${index} { viewer { ${'x'.repeat(1000)} $ }` }),
  'wrong variables': (index) => ({
    query: 'query ($first: Int!) { notifications(first: $first) { edges { node { id } } } }',
    variables: { first: `x${index}`.repeat(100) },
  }),
  'variables that are missing': (index) => ({ query: `query Q${index} ($id: ID!) { message(id: $id) { id } }` }),
  'a text with NUL': (index) => ({ query: 'query ($id: ID!) { message(id: $id) { id } }', variables: { id: `${index}\0` } }),
  'too high a cost': (index) => ({
    query: `query Q${index} { conversations(first: 100) { edges { node { messages(first: 100) { edges { node { replies(first: 100) { edges { node { id } } } } } } } } } }`,
  }),
}
/** Refused by what is asked with them. */
const VALID = ['variables that are missing', 'too high a cost']
const FRAMES = {
  'empty frames': () => '{}',
  'no JSON': (index) => `{${index}`,
  'unknown types': (index) => `{"type":"x${index}"}`,
  'wrong fields': (index) => `{"type":"message_sent","message_id":"m${index}","data":{"receiver_id":"x${index}"}}`,
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

function post(port, body, headers) {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path: '/graphql', method: 'POST', agent }
    const sent = request({ ...options, headers: { 'content-type': 'application/json', ...headers } }, (response) =>
      response.resume().on('close', resolve),
    )
    sent.on('error', resolve)
    sent.end(body)
  })
}

/**
 * Opens a socket; resolves when it can be used, or has closed or was refused.
 *
 * @param {number} port
 * @param {string} path
 * @param {{ bearer?: string, init?: string }} options
 */
function open(port, path, { bearer, init }) {
  return new Promise((resolve) => {
    const protocols = path === '/graphql' ? ['graphql-transport-ws'] : []
    const headers = bearer ? { authorization: `Bearer ${bearer}` } : {}
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers, perMessageDeflate: false })
    socket.on('open', () => init !== undefined && socket.send(init))
    socket.on('message', () => resolve(socket))
    socket.on('close', () => resolve(socket))
    socket.on('error', () => resolve(socket))
  })
}

/** Does something `count` times, some at once. */
async function repeat(act) {
  let next = 0
  const one = async () => {
    for (let index = next++; index < count; index = next++) await act(index)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

/** Sends texts over one socket after the other, each when the one before was answered: a socket on which all is refused is closed. */
async function overSockets(connect, textOf) {
  let socket
  for (let index = 0; index < count; index++) {
    if (socket?.readyState !== WebSocket.OPEN) socket = await connect()
    await /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        const answered = () => {
          socket.off('message', answered).off('close', answered)
          resolve()
        }
        socket.on('message', answered).on('close', answered)
        socket.send(textOf(index))
      })
    )
  }
  socket?.terminate()
}

/**
 * Kinds by protocol: each a name and what sends `count` of it.
 *
 * @param {number} port
 */
function kinds(port) {
  const authorization = `Bearer ${token}`
  const documents = Object.entries(DOCUMENTS)
  const graphqlWs = () => open(port, '/graphql', { bearer: token, init: '{"type":"connection_init"}' })
  const legacy = () => open(port, '/ws/connect', { bearer: token })
  const refusedUpgrade = (path, options) => repeat(async () => (await open(port, path, options)).terminate())
  return [
    ...documents.map(([name, of]) => [
      'HTTP',
      name,
      () => repeat((index) => post(port, JSON.stringify(of(index)), { authorization })),
    ]),
    ...documents.map(([name, of]) => [
      'SSE',
      name,
      () =>
        repeat((index) => {
          const { query, variables } = of(index)
          const body = JSON.stringify({ query: query.replace('query', 'subscription'), variables })
          return post(port, body, { authorization, accept: 'text/event-stream' })
        }),
    ]),
    ...documents.map(([name, of]) => [
      'graphql-ws',
      name,
      () => overSockets(graphqlWs, (index) => JSON.stringify({ id: String(index), type: 'subscribe', payload: of(index) })),
    ]),
    ...Object.entries(FRAMES).map(([name, of]) => ['legacy', name, () => overSockets(legacy, of)]),
    ['HTTP', 'no JSON', () => repeat((index) => post(port, `{${index}`, { authorization }))],
    ['HTTP', 'another media type', () => repeat(() => post(port, 'x', { authorization, 'content-type': 'text/plain' }))],
    ['HTTP', 'no token', () => repeat((index) => post(port, JSON.stringify(DOCUMENTS['unknown fields'](index)), {}))],
    [
      'HTTP',
      'a forged token',
      () => repeat((index) => post(port, `{"query":"{ x${index} }"}`, { authorization: `Bearer ${forged}` })),
    ],
    ['graphql-ws', 'no token', () => refusedUpgrade('/graphql', { init: '{"type":"connection_init"}' })],
    ['graphql-ws', 'a forged token', () => refusedUpgrade('/graphql', { bearer: forged, init: '{"type":"connection_init"}' })],
    ['legacy', 'no token', () => refusedUpgrade('/ws/connect', {})],
    ['legacy', 'a forged token', () => refusedUpgrade('/ws/connect', { bearer: forged })],
  ]
}

mkdirSync(LOG_FOLDER, { recursive: true })
const postgres = await OwnPostgres.start()
// The rate limits are off, so that all of it is looked at.
const env = { JWT_SECRET, DATABASE_URL: await postgres.createDatabase(), RATE_LIMIT_PER_SECOND: '0' }
const server = await Server.start({ entry: values.server, env, logFile: join(LOG_FOLDER, 'refusals.log') })
const rows = []
let isKept = false
const all = /** @type {[string, string, () => Promise<void>][]} */ (kinds(server.port))
// Their documents are valid and stay in the cache, up to its bound: it is full before something is measured.
for (const [protocol, name, send] of all) {
  if (protocol === 'HTTP' && VALID.includes(name)) await send()
}
for (const [protocol, name, send] of all) {
  const { heapBytes: before } = await server.ask('memory')
  await send()
  const { heapBytes: after } = await server.ask('memory')
  const keptMiB = (after - before) / MIB
  if (keptMiB > BOUND_MIB) isKept = true
  rows.push([protocol, name, `${keptMiB.toFixed(2)} MiB`])
  console.error(rows.at(-1).join(' | '))
}
await server.stop()
await postgres.remove()
console.log(table(['protocol', `${count} refused for`, 'kept in the heap'], rows))
process.exit(isKept ? 1 : 0)
