import { sleep } from '../../support/processes.js'
import { Load } from '../generator/load.js'
import { onStage } from '../stage.js'
import { connectGroup } from './fan-out.js'

const SIZES = [50, 5000]
const MESSAGES = 150
/** For what is still in a pipe. */
const SETTLE_MS = 300

/**
 * How often the database and Redis are asked for each message of a group, by its size: two nodes, one message at a time.
 * What the nodes do besides, every few seconds, is counted for as long a time without messages, and taken off.
 *
 * @type {import('./scenario.js').Scenario}
 */
export const statements = {
  id: 'statements',
  systems: ['parley-legacy'],
  isMeasuredOnce: true,
  async measure(system, { bench, label }) {
    let statementCount
    const prepareDatabase = async (url) => (statementCount = await bench.postgres.countStatements(url))
    const measured = []
    for (const size of SIZES) {
      const options = { bench, label: `${label}-${size}`, nodes: 2, prepareDatabase }
      const figures = await onStage(system, options, async (stage) => {
        const load = new Load([await connectGroup(stage, size)], stage.protocol)
        const before = await read()
        const { seconds } = await load.run({ messages: MESSAGES, window: 1 })
        const between = await read()
        await sleep(seconds * 1000)
        const after = await read()
        await load.finish()
        const [statementsPerMessage, commandsPerMessage] = before.map((count, index) => {
          return (between[index] - count - (after[index] - between[index])) / MESSAGES
        })
        return { statementsPerMessage, commandsPerMessage }

        async function read() {
          await sleep(SETTLE_MS)
          return [statementCount(), await stage.redis.commandCount()]
        }
      })
      measured.push({ case: `group of ${size} on 2 nodes, window 1`, figures })
    }
    return measured
  },
}
