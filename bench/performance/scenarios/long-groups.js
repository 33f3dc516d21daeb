import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { launch, end, sleep } from '../../support/processes.js'
import { tokenOf } from '../generator/clients.js'
import { Load } from '../generator/load.js'
import { onStage } from '../stage.js'
import { percentile } from '../statistics.js'
import { connectGroup } from './fan-out.js'

const SIZES = [5000, 15_000]
const WARM_UP_MESSAGES = 10
const MESSAGES = 30
/** Nothing else is to do when the next message comes. */
const PAUSE_MS = 150
const BYSTANDER = fileURLToPath(new URL('../generator/bystander.js', import.meta.url))
/** In none of the groups. */
const BYSTANDER_ID = 1

/**
 * One message after the other to a long group: when the last of its members has it, and how long somebody waits meanwhile who is no member
 * and has a process of their own. The generator reads all sockets on one core, which is a part of these times, the same for all systems.
 *
 * @type {import('./scenario.js').Scenario}
 */
export const longGroups = {
  id: 'long-groups',
  systems: ['parley-legacy', 'parley-graphql', 'ws'],
  async measure(system, options) {
    const measured = []
    for (const size of SIZES) {
      const label = `${options.label}-${size}`
      const figures = await onStage(system, { ...options, label }, (stage) => measureGroup(stage, size))
      measured.push({ case: `long group of ${size}`, figures })
    }
    return measured
  },
}

async function measureGroup(stage, size) {
  const group = await connectGroup(stage, size)
  const load = new Load([group], stage.protocol)
  const arrivals = timed(group.members)
  await load.run({ messages: WARM_UP_MESSAGES, window: 1 })
  await stage.quiet()
  const bystander = launch(process.execPath, [BYSTANDER, String(stage.ports[0]), stage.protocol.path, tokenOf(BYSTANDER_ID)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  await once(bystander, 'message')
  const all = []
  const last = []
  const { messages, deliveries, cpuSeconds, ...shares } = await stage.measure(async () => {
    const total = { messages: 0, deliveries: 0 }
    for (let count = 0; count < MESSAGES; count++) {
      arrivals.length = 0
      const since = performance.now()
      const { messages: sent, deliveries: came } = await load.run({ messages: 1, window: 1 })
      total.messages += sent
      total.deliveries += came
      for (const at of arrivals) all.push(at - since)
      last.push(arrivals.at(-1) - since)
      await sleep(PAUSE_MS)
    }
    return total
  })
  bystander.send('end')
  const [waits] = await once(bystander, 'message')
  await end(bystander)
  await load.finish()
  return {
    cpuMicrosPerDelivery: (cpuSeconds * 1e6) / deliveries,
    middleMs: percentile(all, 0.5),
    lastMs: percentile(last, 0.5),
    slowestLastMs: percentile(last, 0.99),
    othersWaitMs: waits.p99,
    othersLongestMs: waits.longest,
    messages,
    deliveries,
    ...shares,
  }
}

/** The moments at which deliveries and acknowledgements come. */
function timed(members) {
  const arrivals = []
  for (const connection of members) {
    const { onText } = connection
    connection.onText = (bytes, start, end) => {
      onText(bytes, start, end)
      arrivals.push(performance.now())
    }
  }
  return arrivals
}
