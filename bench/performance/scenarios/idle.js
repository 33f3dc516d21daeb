import { sleep } from '../../support/processes.js'
import { onStage } from '../stage.js'
import { pairedUsers } from '../world.js'

const CONNECTIONS = 5000
/** Long enough for what is collected while nothing happens. */
const SETTLE_MS = 5000

/** The memory that connections take which say nothing. @type {import('./scenario.js').Scenario} */
export const idle = {
  id: 'idle',
  systems: ['parley-legacy', 'parley-graphql', 'ws', 'socketio', 'yoga'],
  async measure(system, { bench, label }) {
    return await onStage(system, { bench, label }, async (stage) => {
      await stage.quiet()
      const before = stage.residentBytes()
      await stage.connect(pairedUsers(CONNECTIONS))
      await sleep(SETTLE_MS)
      const after = stage.residentBytes()
      const figures = { bytesPerConnection: (after - before) / CONNECTIONS, bytesBefore: before, bytesAfter: after }
      return [{ case: `idle, ${CONNECTIONS} connections`, figures }]
    })
  },
}
