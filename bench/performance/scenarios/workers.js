import { onStage } from '../stage.js'
import { connectPairs } from './direct.js'
import { connectGroup } from './fan-out.js'
import { measureWindows } from './windows.js'

const SIZE = 500
const COUNTS = [1, 2]

/**
 * One worker and two behind one port, with Redis in both cases: a group, and users who write to each other in pairs. All workers have one
 * core together: what a delivery and a message take is compared, not how many there are a second.
 *
 * @type {import('./scenario.js').Scenario}
 */
export const workers = {
  id: 'workers',
  systems: ['parley-legacy', 'parley-graphql'],
  async measure(system, options) {
    const measured = []
    for (const count of COUNTS) {
      const working = { ...system, env: { ...system.env, WORKERS: String(count) } }
      const on = count === 1 ? '1 worker' : `${count} workers`
      const label = `${options.label}-${count}`
      const figures = await onStage(working, { ...options, label, hasRedis: true }, async (stage) => {
        const group = [await connectGroup(stage, SIZE)]
        const inGroup = await measureWindows(stage, group, { windows: [16], title: `fan-out to ${SIZE} on ${on}`, options })
        const pairs = await connectPairs(stage)
        return [...inGroup, ...(await measureWindows(stage, pairs, { windows: [8], title: `direct chat on ${on}`, options }))]
      })
      measured.push(...figures)
    }
    return measured
  },
}
