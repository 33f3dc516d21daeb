import { join } from 'node:path'
import { Ledger } from './ledger.js'
import { Link } from './link.js'
import { Writer, cast } from './load.js'
import { ServerNode } from './node.js'
import { sleep, until } from '../support/processes.js'
import { Address } from '../support/address.js'
import { OwnPostgres, OwnRedis } from '../support/services.js'
import { JWT_SECRET, signToken } from '../support/token.js'

const NODE_COUNT = 2
const SETTLE_MS = 1500
/** Longer than the longest pause of any client: what comes late has come. */
const DRAIN_MS = 30_000
/** For hundreds of clients on a busy machine. */
const CONNECT_MS = 120_000
/** After all has come, for what comes again. */
const LINGER_MS = 1000

/**
 * Runs one scenario on one system, on a Redis and a database of its own, from the start of its nodes to their end.
 *
 * @param {import('./systems/system.js').System} system
 * @param {import('./scenarios.js').Scenario} scenario
 * @param {{ clients: number, rate: number, seconds: number, logFolder: string, postgres: import('../support/services.js').OwnPostgres }} options
 */
export async function run(system, scenario, { clients: count, rate, seconds, logFolder, postgres: shared }) {
  const { users, conversations } = cast(count)
  /** @type {(() => unknown)[]} */
  const undo = []
  try {
    const redis = await OwnRedis.start()
    undo.push(() => redis.remove())
    const { failsOver } = scenario
    // One that takes no writes any more is of no use to the next run.
    const postgres = failsOver === 'postgres' ? await OwnPostgres.start() : shared
    if (postgres !== shared) undo.push(() => postgres.remove())
    const primary = failsOver && { redis, postgres }[failsOver]
    const standby = primary && { replica: await primary.replica(), address: await Address.to(primary.port) }
    if (standby)
      undo.push(
        () => standby.replica.remove(),
        () => standby.address.close(),
      )
    const behind = (url, service) => (primary === service ? url.replace(`:${service.port}`, `:${standby.address.port}`) : url)
    const databaseUrl = behind(await postgres.createDatabase(), postgres)
    await system.prepareDatabase?.(databaseUrl)

    const env = {
      DATABASE_URL: databaseUrl,
      REDIS_URL: behind(redis.url, redis),
      JWT_SECRET,
      ...system.env({ users, conversations }),
      ...scenario.env,
    }
    const nodes = Array.from({ length: NODE_COUNT }, (_, index) => {
      return new ServerNode({ entry: system.entry, env, logFile: join(logFolder, `${scenario.id}-${index}.log`) })
    })
    undo.push(() => Promise.all(nodes.map((node) => node.remove())))
    await Promise.all(nodes.map((node) => node.start()))
    await until(`both nodes of ${system.name} are up`, () => nodes.every(({ port }) => port !== undefined))
    await system.prepare?.({ nodes, users, conversations })

    const ledger = new Ledger(users)
    const links = new Map(users.map(({ id }) => [id, new Link(nodes, id)]))
    undo.push(() => [...links.values()].forEach((link) => link.close()))
    await Promise.all([...links.values()].map((link) => link.listen()))
    const clients = users.map(({ id: userId, name }) => {
      const newToken = () => signToken({ userId, name, seconds: scenario.tokenSeconds })
      return system.connect({ address: links.get(userId).address, userId, token: newToken(), newToken, ledger })
    })
    undo.push(() => Promise.all(clients.map((client) => client.close())))
    await withPatience(Promise.all(clients.map(({ ready }) => ready)), `the clients of ${system.name} are connected`)
    await sleep(SETTLE_MS)

    const silent = scenario.hasSilentReader ? users.at(-1).id : undefined
    const writers = users.flatMap((user, index) => {
      if (user.id === silent) return []
      const own = conversations.filter(({ members }) => members.includes(user.id))
      const large = own.filter(({ isGroup, members }) => isGroup && members.includes(silent))
      const client = clients[index]
      const everyMs = (users.length / rate) * 1000
      return [new Writer({ user, client, ledger, conversations: own, everyMs, large, isDoubled: scenario.isDoubled ?? false })]
    })
    undo.push(() => writers.forEach((writer) => writer.stop()))
    for (const writer of writers) writer.start()
    const stage = { seconds, nodes, links, redis, postgres, standby, ledger, busConnections: system.busConnections }
    await Promise.all([scenario.run(stage), sleep(seconds * 1000)])

    for (const writer of writers) writer.pause()
    const isDone = () => ledger.missing === 0 && writers.every(({ outstanding }) => outstanding === 0)
    await until('everything has come', isDone, DRAIN_MS).catch(() => undefined)
    await sleep(LINGER_MS)
    return resultOf(ledger, nodes, [...links.values()])
  } finally {
    for (const step of undo.reverse()) await Promise.resolve(step())
  }
}

function resultOf(ledger, nodes, links) {
  const catchUp = ledger.longestHeal()
  return {
    acknowledged: ledger.acknowledged,
    unacknowledged: ledger.unacknowledged(),
    expected: ledger.expected,
    delivered: ledger.expected - ledger.missing,
    missing: ledger.missing,
    repeats: ledger.repeats,
    outOfOrder: ledger.outOfOrder,
    outOfAckOrder: ledger.outOfAckOrder,
    storedTwice: ledger.storedTwice,
    incompleteResumes: ledger.incompleteResumes,
    longestHealMs: Number.isFinite(catchUp) ? Math.round(catchUp) : null,
    slowestAckMs: Math.round(ledger.slowestAck()),
    reconnects: links.reduce((sum, { connections }) => sum + connections - 1, 0),
    crashes: nodes.reduce((sum, { crashes }) => sum + crashes, 0),
    peakRssBytes: nodes.map((node) => node.peakRss),
  }
}

async function withPatience(promise, what) {
  let isDone = false
  void promise.then(() => (isDone = true))
  await until(what, () => isDone, CONNECT_MS)
}
