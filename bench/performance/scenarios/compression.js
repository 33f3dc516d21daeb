import { onStage } from '../stage.js'
import { groupConversation, membersOf } from '../world.js'
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
        const userIds = membersOf(SIZE)
        const members = await stage.connect(userIds, { offersDeflate: true })
        const sender = { connection: members[0], userId: userIds[0], target: { conversationId: groupConversation(SIZE) } }
        const title = `fan-out to ${SIZE}, compression ${kind}`
        return await measureWindows(stage, [{ members, senders: [sender] }], { windows: WINDOWS, title, options })
      })
      measured.push(...figures)
    }
    return measured
  },
}
