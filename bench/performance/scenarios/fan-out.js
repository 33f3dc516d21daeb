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
      const title = nodes === 1 ? `fan-out to ${size}` : `fan-out to ${size} on ${nodes} nodes`
      return await measureWindows(stage, [await connectGroup(stage, size)], { windows: WINDOWS, title, options })
    })
  },
})

/**
 * Connects the members of a group; the first of them is the sender.
 *
 * @param {import('../stage.js').Stage} stage
 * @param {number} size
 * @param {{ offersDeflate?: boolean }} [options]
 */
export async function connectGroup(stage, size, options) {
  const userIds = membersOf(size)
  const members = await stage.connect(userIds, options)
  const sender = { connection: members[0], userId: userIds[0], target: { conversationId: groupConversation(size) } }
  return { members, senders: [sender] }
}
