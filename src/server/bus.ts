import { setTimeout as wait } from 'node:timers/promises'
import type { PubSubEngine } from 'graphql-subscriptions'
import type { TypingChange } from '../chat/typing.ts'
import { LEASE_MS } from '../cluster/lease.ts'
import { RedisRegistry } from '../cluster/presence-registry.redis.ts'
import { createTypingRelay, type TypingRelay } from '../cluster/typing-relay.ts'
import { isTypingChange } from '../live/hints.ts'
import { createMemoryPubSub } from '../pubsub/memory.ts'
import { explainRedisError, RedisStartError } from '../pubsub/redis-problem.ts'
import { createRedisPubSub, type RedisPubSubEngine } from '../pubsub/redis.ts'
import type { Base } from './base.ts'
import { RETRY_MS } from './database.ts'

/** The link between the nodes: Redis, or only this process if there is one node. */
export interface Bus {
  pubsub: PubSubEngine
  redis: RedisPubSubEngine | undefined
  registry: RedisRegistry | undefined
  typingRelay: TypingRelay<TypingChange> | undefined
  /** Waits for Redis before the server opens. Throws RedisStartError if waiting does not help. */
  begin(isStopping: () => boolean): Promise<void>
}

export async function openBus({ settings, nodeId, onStop, failed, metrics, log }: Base): Promise<Bus> {
  const { redisUrl: url, redisPrefix: prefix } = settings
  if (url === undefined) {
    const pubsub = createMemoryPubSub()
    return { pubsub, redis: undefined, registry: undefined, typingRelay: undefined, begin: () => Promise.resolve() }
  }
  let isStarting = true
  const redis = await createRedisPubSub({
    url,
    prefix,
    nodeId,
    onError(stage, error) {
      if (stage !== 'connect') return failed(`redis ${stage}`)(error)
      metrics.failed('redis connect')
      void explainRedisError(url, error).then(({ message, isTemporary }) => {
        if (!isStarting) log.error({ stage: 'redis connect' }, message)
        else if (isTemporary) log.warn({ stage: 'redis connect' }, `${message} Waiting for it.`)
      })
    },
  })
  onStop(() => redis.close())
  return {
    pubsub: redis,
    redis,
    registry: new RedisRegistry({ redis: redis.commands, prefix, nodeId, leaseMs: LEASE_MS }),
    typingRelay: createTypingRelay<TypingChange>({ pubsub: redis, nodeId, accepts: isTypingChange, onError: failed('publish') }),
    async begin(isStopping) {
      await waitForRedis(url, redis, isStopping)
      isStarting = false
    },
  }
}

/** Waits for Redis while it is unreachable. Throws RedisStartError if waiting does not help. */
async function waitForRedis(url: string, pubsub: RedisPubSubEngine, isStopping: () => boolean): Promise<void> {
  let known: unknown
  while (!isStopping() && pubsub.state() === 'down') {
    const error = pubsub.problem()
    if (error !== undefined && error !== known) {
      known = error
      const { message, isTemporary } = await explainRedisError(url, error)
      if (!isTemporary) throw new RedisStartError(message)
    }
    await wait(RETRY_MS)
  }
}
