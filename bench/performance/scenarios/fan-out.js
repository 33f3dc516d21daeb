import { onStage } from '../stage.js'
import { groupConversation, membersOf } from '../world.js'
import { measureWindows } from './windows.js'

const WINDOWS = [1, 16]

/**
 * One group, one connection of each member, one sender.
 *
 * @param {number} size
 * @param {{ nodes?: number, systems: string[] }} options
 * @returns {import('./scenario.js').Scenario}
 */
export const fanOut = (size, { nodes = 1, systems }) => ({
  id: nodes === 1 ? `fan-out-${size}` : `nodes-${size}`,
  systems,
  async measure(system, options) {
    return await onStage(system, { ...options, nodes }, async (stage) => {
      const userIds = membersOf(size)
      const members = await stage.connect(userIds)
      const sender = { connection: members[0], userId: userIds[0], target: { conversationId: groupConversation(size) } }
      const title = nodes === 1 ? `fan-out to ${size}` : `fan-out to ${size} on ${nodes} nodes`
      return await measureWindows(stage, [{ members, senders: [sender] }], { windows: WINDOWS, title, options })
    })
  },
})
