import { onStage } from '../stage.js'
import { connectGroup } from './fan-out.js'
import { measureWindows } from './windows.js'

const SIZE = 500
const WINDOWS = [16]
/** By the value of WS_COMPRESSION. */
const KINDS = { 0: 'off', 1: 'for each socket', shared: 'shared' }

/** A group to whose members messages go compressed in each of the ways there are, and uncompressed. @type {import('./scenario.js').Scenario} */
export const compression = {
  id: 'compression',
  systems: ['parley-legacy', 'parley-graphql'],
  async measure(system, options) {
    const measured = []
    for (const [value, kind] of Object.entries(KINDS)) {
      const compressing = { ...system, env: { ...system.env, WS_COMPRESSION: value } }
      const label = `${options.label}-${value}`
      const figures = await onStage(compressing, { ...options, label }, async (stage) => {
        const group = await connectGroup(stage, SIZE, { offersDeflate: true })
        const title = `fan-out to ${SIZE}, compression ${kind}`
        return await measureWindows(stage, [group], { windows: WINDOWS, title, options })
      })
      measured.push(...figures)
    }
    return measured
  },
}
