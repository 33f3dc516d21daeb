import type { PubSubEngine } from 'graphql-subscriptions'
import { hasMembers, isText } from '../lib/received.ts'

/** The channel on which nodes relay who types. */
const CHANNEL = 'typing'

/** Relays changes of typing state between nodes. */
export interface TypingRelay<Change> {
  /** Sends a change of this node to the others; a failure is reported, and the state on them expires by itself. */
  send(change: Change): void
  /** Calls `onChange` with the changes of the other nodes. */
  receive(onChange: (change: Change) => void): Promise<void>
}

export interface TypingRelayOptions {
  pubsub: PubSubEngine
  nodeId: string
  /** Whether a received message is a change. */
  accepts: (change: unknown) => boolean
  onError: (error: unknown) => void
}

export function createTypingRelay<Change>({ pubsub, nodeId, accepts, onError }: TypingRelayOptions): TypingRelay<Change> {
  const isMessage = hasMembers({ from: isText, change: accepts })
  return {
    send(change) {
      pubsub.publish(CHANNEL, { from: nodeId, change }).catch(onError)
    },
    async receive(onChange) {
      const onMessage = ({ from, change }: { from: string; change: Change }): void => {
        if (from !== nodeId) onChange(change)
      }
      await pubsub.subscribe(CHANNEL, onMessage, { accepts: isMessage })
    },
  }
}
