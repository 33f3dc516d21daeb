import { onStage } from '../stage.js'
import { pairedUsers } from '../world.js'

const WARM_UP = 1000
const CONNECTIONS = 2000

/** What it takes to be connected: token, feed, presence, and telling the partner of it. @type {import('./scenario.js').Scenario} */
export const connect = {
  id: 'connect',
  systems: ['parley-legacy', 'parley-graphql', 'ws', 'socketio', 'yoga'],
  async measure(system, { bench, label }) {
    return await onStage(system, { bench, label }, async (stage) => {
      const userIds = pairedUsers(WARM_UP + CONNECTIONS)
      await stage.connect(userIds.slice(0, WARM_UP))
      const span = bench.profiles?.begin()
      const since = performance.now()
      const { cpuSeconds, otherShare } = await stage.measure(() => stage.connect(userIds.slice(WARM_UP)))
      const figures = {
        cpuMicrosPerConnection: (cpuSeconds * 1e6) / CONNECTIONS,
        connectionsPerSecond: CONNECTIONS / ((performance.now() - since) / 1000),
        otherShare,
      }
      return [{ case: 'connect', figures, span: span?.end() }]
    })
  },
}
