import type { Redis } from 'ioredis'
import { isUp, watch } from './redis-connection.ts'

const CHANNELS_AT_ONCE = 1000

/** The part of a connection that RedisPubSub uses to subscribe. */
export interface Subscriber {
  on(event: 'message' | 'pmessage', listener: (...args: unknown[]) => void): void
  /**
   * Calls back when Redis has acknowledged, or at once while the connection is down: the subscription then follows when it
   * returns.
   */
  subscribe(channel: string, acknowledged: (error: null) => void): void
  unsubscribe(channel: string): void
  punsubscribe(): void
  /** Whether Redis has all subscriptions. */
  isComplete(): boolean
  /** Checks that Redis is still there, and subscribes again after a refusal. */
  check(): void
}

export interface SubscriberOptions {
  connection: Redis
  /** Messages with this beginning are this node's own, which it has delivered already. */
  ownPrefix: string
  /** All subscriptions are active again. */
  onComplete: () => void
  onRefused: (error: unknown) => void
}

/**
 * Tracks the wanted subscriptions apart from the connection, so that an outage changes nothing for callers. RedisPubSub does
 * not handle failures of these commands, which would end the process: this wrapper lets none escape.
 */
export function createSubscriber({ connection, ownPrefix, onComplete, onRefused }: SubscriberOptions): Subscriber {
  const channels = new Set<string>()
  let complete = false
  let subscribing = false
  let connects = 0

  /** Subscribes to everything in one turn, so that later commands come after it. */
  async function subscribeAll(): Promise<void> {
    const connect = connects
    const all = [...channels]
    const parts: Promise<unknown>[] = []
    for (let start = 0; start < all.length; start += CHANNELS_AT_ONCE) {
      parts.push(connection.subscribe(...all.slice(start, start + CHANNELS_AT_ONCE)))
    }
    subscribing = true
    try {
      await Promise.all(parts)
    } catch (error) {
      if (connect === connects && isUp(connection)) onRefused(error)
      return
    } finally {
      if (connect === connects) subscribing = false
    }
    if (connect !== connects || !isUp(connection)) return
    complete = true
    onComplete()
  }

  connection.on('ready', () => {
    connects++
    void subscribeAll()
  })
  connection.on('close', () => {
    complete = false
    subscribing = false
  })

  return {
    on(event, listener) {
      if (event !== 'message') return
      connection.on('message', (channel: string, text: string) => {
        if (!text.startsWith(ownPrefix)) listener(channel, text)
      })
    },
    subscribe(channel, acknowledged) {
      channels.add(channel)
      if (!isUp(connection)) return acknowledged(null)
      const connect = connects
      connection.subscribe(channel).then(
        () => acknowledged(null),
        (error: unknown) => {
          if (connect === connects && isUp(connection)) {
            complete = false
            onRefused(error)
          }
          acknowledged(null)
        },
      )
    },
    unsubscribe(channel) {
      channels.delete(channel)
      if (isUp(connection)) connection.unsubscribe(channel).catch(() => undefined)
    },
    punsubscribe: () => undefined,
    isComplete: () => complete,
    check() {
      if (!isUp(connection)) return
      watch(connection)
      if (!complete && !subscribing) void subscribeAll()
    },
  }
}
