import { sleep } from '../support/processes.js'

/**
 * What goes wrong while the clients write. `run` ends when the fault is over.
 *
 * @typedef {object} Stage
 * @property {number} seconds how long the writing goes on
 * @property {import('./node.js').ServerNode[]} nodes
 * @property {Map<number, import('./link.js').Link>} links by user id
 * @property {import('../support/services.js').OwnRedis} redis
 * @property {import('../support/services.js').OwnPostgres} postgres
 * @property {{ replica: import('../support/services.js').OwnRedis | import('../support/services.js').OwnPostgres, address: import('../support/address.js').Address }} [standby]
 * @property {import('./ledger.js').Ledger} ledger
 * @property {string} busConnections the type, as Redis calls it, of the connections over which nodes hear of each other
 *
 * @typedef {object} Scenario
 * @property {string} id
 * @property {string} title
 * @property {boolean} [isDoubled] every message is sent twice
 * @property {'redis' | 'postgres'} [failsOver] of what there is a replica, behind an address
 * @property {boolean} [hasSilentReader] the last user does not write, and gets most of what the others write
 * @property {number} [tokenSeconds] how long each token is good; an hour if absent
 * @property {Record<string, string>} [env] of the nodes, besides the system's
 * @property {boolean} [isOfParley] it goes by what only Parley has
 * @property {(stage: Stage) => Promise<void>} run
 */

/** The fault begins this long after the writing, and all is well again this long before its end. */
const BEFORE_MS = 3000
const AFTER_MS = 3000
const CUT_MS = 2000
const OUTAGE_MS = 5000

/** @type {readonly Scenario[]} */
export const scenarios = [
  {
    id: 'a',
    title: 'every connection cut for 2 s, again and again',
    async run({ seconds, links, ledger }) {
      const deadline = performance.now() + seconds * 1000 - AFTER_MS
      await Promise.all([...links].map(([userId, link]) => cutAgainAndAgain(link, { deadline, ledger, userId })))
    },
  },
  {
    id: 'b',
    title: 'one node killed, started again after 4 s',
    async run({ nodes: [node] }) {
      await sleep(BEFORE_MS)
      await node.kill()
      await sleep(4000)
      await node.start()
    },
  },
  {
    id: 'c1',
    title: "the nodes' Redis connections killed every second",
    async run({ seconds, redis, busConnections }) {
      const deadline = performance.now() + seconds * 1000 - AFTER_MS
      for (await sleep(BEFORE_MS); performance.now() < deadline; await sleep(1000)) await redis.killConnections(busConnections)
    },
  },
  { id: 'c2', title: 'Redis stopped for 5 s, restarted empty', run: (stage) => outage(stage.redis, stage) },
  { id: 'd', title: 'PostgreSQL stopped for 5 s, restarted', run: (stage) => outage(stage.postgres, stage) },
  {
    id: 'd2',
    title: 'PostgreSQL fails over, the old one read-only for 5 s',
    failsOver: 'postgres',
    run: (stage) => failover(stage, stage.postgres),
  },
  {
    id: 'd3',
    title: 'Redis fails over, the old one read-only for 5 s',
    failsOver: 'redis',
    run: (stage) => failover(stage, stage.redis),
  },
  {
    id: 'e',
    title: 'rolling restart of both nodes',
    async run({ nodes }) {
      for (const node of nodes) {
        await sleep(BEFORE_MS)
        await node.stop()
        await node.start()
      }
    },
  },
  {
    id: 'f',
    title: 'one client reads nothing',
    hasSilentReader: true,
    async run({ seconds, links, ledger }) {
      const [userId, link] = [...links].at(-1)
      await sleep(1000)
      const since = performance.now()
      link.stall()
      await sleep(seconds * 1000 - 1000 - AFTER_MS)
      link.resume()
      ledger.faultUntilNow(since, userId)
    },
  },
  { id: 'g', title: 'every send doubled', isDoubled: true, run: async () => undefined },
  {
    id: 'h',
    title: 'every token expires after 6 s',
    tokenSeconds: 6,
    isOfParley: true,
    run: async () => undefined,
  },
  {
    id: 'i',
    title: 'one node drained, its clients paced over 10 s',
    env: { DRAIN_MS: '10000' },
    isOfParley: true,
    async run({ nodes: [node] }) {
      await sleep(BEFORE_MS)
      await node.stop()
      await node.start()
    },
  },
]

async function cutAgainAndAgain(link, { deadline, ledger, userId }) {
  await sleep(Math.random() * BEFORE_MS)
  while (performance.now() + CUT_MS < deadline) {
    const since = performance.now()
    link.cut()
    await sleep(CUT_MS)
    link.mend()
    ledger.faultUntilNow(since, userId)
    await sleep(2000 + 2000 * Math.random())
  }
}

/**
 * The replica takes over from the primary, which takes no writes for a while and then stops.
 *
 * @param {any} stage of a scenario that fails over
 * @param {{ stop(): Promise<unknown> }} primary
 */
async function failover({ standby: { replica, address }, ledger }, primary) {
  await sleep(BEFORE_MS)
  const since = performance.now()
  await replica.takeOver(primary)
  address.lead(replica.port)
  ledger.faultUntilNow(since)
  await sleep(OUTAGE_MS)
  await primary.stop()
}

async function outage(service, { ledger }) {
  await sleep(BEFORE_MS)
  const since = performance.now()
  await service.stop()
  await sleep(OUTAGE_MS)
  await service.start()
  ledger.faultUntilNow(since)
}
