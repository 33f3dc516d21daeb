import { onStage } from '../stage.js'
import { directConversation, pairedUsers, partners } from '../world.js'
import { measureWindows } from './windows.js'

const USERS = 200
const WINDOWS = [1, 8]

/**
 * Users who write to each other in pairs, all at once; both of a pair receive what either writes.
 *
 * @type {import('./scenario.js').Scenario}
 */
export const direct = {
  id: 'direct',
  systems: ['parley-legacy', 'parley-graphql', 'ws-insert', 'ws-batch', 'yoga'],
  async measure(system, options) {
    return await onStage(system, options, async (stage) => {
      return await measureWindows(stage, await connectPairs(stage), { windows: WINDOWS, title: 'direct chat', options })
    })
  },
}

/** Connects 200 users; a room for each two of them. @param {import('../stage.js').Stage} stage */
export async function connectPairs(stage) {
  const userIds = pairedUsers(USERS)
  const connections = await stage.connect(userIds)
  const connectionOf = (userId) => connections[userIds.indexOf(userId)]
  return userIds.filter((id) => id % 2 === 1).map((id) => roomOf(partners(id), connectionOf))
}

function roomOf(pair, connectionOf) {
  const senders = pair.map((userId, index) => ({
    connection: connectionOf(userId),
    userId,
    target: { conversationId: directConversation(userId), receiverId: pair[1 - index] },
  }))
  return { members: pair.map(connectionOf), senders }
}
