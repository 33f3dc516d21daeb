import { EventEmitter } from 'node:events'
import { PubSub, type PubSubEngine } from 'graphql-subscriptions'

/**
 * In-process publish and subscribe for a single node. `publish` calls the subscribers before it returns, in the order
 * of their subscriptions, with the published object itself: subscribers must not change it.
 */
export function createMemoryPubSub(): PubSubEngine {
  // One listener for each topic of the node, however many subscribers: no leak to warn about.
  return new PubSub({ eventEmitter: new EventEmitter().setMaxListeners(0) })
}
