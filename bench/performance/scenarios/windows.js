import { Load } from '../generator/load.js'

const FIRST_WARM_UP_SECONDS = 3
const WARM_UP_SECONDS = 1

/**
 * Writes in rooms with each of these windows, and measures it.
 *
 * @param {import('../stage.js').Stage} stage
 * @param {import('../generator/load.js').Room[]} rooms
 * @param {{ windows: number[], title: string, options: import('./scenario.js').Options }} options
 * @returns {Promise<import('./scenario.js').Measured[]>}
 */
export async function measureWindows(stage, rooms, { windows, title, options: { bench, seconds } }) {
  const load = new Load(rooms, stage.protocol)
  // The code is compiled sooner with more to do.
  await load.run({ seconds: FIRST_WARM_UP_SECONDS, window: Math.max(...windows) })
  const measured = []
  for (const window of windows) {
    await load.run({ seconds: WARM_UP_SECONDS, window })
    await stage.quiet()
    const span = bench.profiles?.begin()
    const result = await stage.measure(() => load.run({ seconds, window }))
    measured.push({ case: `${title}, window ${window}`, figures: figuresOf(result), span: span?.end() })
  }
  await load.finish()
  return measured
}

function figuresOf({ messages, deliveries, bytes, seconds, cpuSeconds, ...shares }) {
  const databaseMicrosPerMessage = (shares.databaseShare * seconds * 1e6) / messages
  return {
    cpuMicrosPerDelivery: (cpuSeconds * 1e6) / deliveries,
    cpuMicrosPerMessage: (cpuSeconds * 1e6) / messages,
    databaseMicrosPerMessage,
    bytesPerDelivery: bytes / deliveries,
    allMicrosPerMessage: (cpuSeconds * 1e6) / messages + databaseMicrosPerMessage,
    messagesPerSecond: messages / seconds,
    deliveriesPerSecond: deliveries / seconds,
    cpuShare: cpuSeconds / seconds,
    messages,
    deliveries,
    ...shares,
  }
}
