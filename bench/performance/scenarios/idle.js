import { sleep } from '../../support/processes.js'
import { onStage } from '../stage.js'
import { pairedUsers } from '../world.js'

const FEW = 5000
const MANY = 15_000
/** Long enough for what is collected while nothing happens. */
const SETTLE_MS = 5000

/**
 * The memory that connections take which say nothing: by how much the server has grown with the first 5000, in which there is the room that the process
 * takes for itself once it works, and by how much with 10,000 more, in which there is not. @type {import('./scenario.js').Scenario}
 */
export const idle = {
  id: 'idle',
  systems: ['parley-legacy', 'parley-graphql', 'ws', 'socketio', 'yoga'],
  async measure(system, { bench, label }) {
    return await onStage(system, { bench, label }, async (stage) => {
      await stage.quiet()
      const before = stage.residentBytes()
      const users = pairedUsers(MANY)
      const withFew = await residentWith(users.slice(0, FEW))
      const withMany = await residentWith(users.slice(FEW))
      const figuresOf = (from, to, count) => ({ bytesPerConnection: (to - from) / count, bytesBefore: from, bytesAfter: to })
      return [
        { case: `idle, ${FEW} connections`, figures: figuresOf(before, withFew, FEW) },
        { case: `idle, from ${FEW} to ${MANY} connections`, figures: figuresOf(withFew, withMany, MANY - FEW) },
      ]

      async function residentWith(userIds) {
        await stage.connect(userIds)
        await sleep(SETTLE_MS)
        return stage.residentBytes()
      }
    })
  },
}
