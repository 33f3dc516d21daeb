import { RedisPubSub } from 'graphql-redis-subscriptions'
import { PubSubEngine } from 'graphql-subscriptions'
import { Redis } from 'ioredis'
import { createMemoryPubSub } from './memory.ts'
import type { AudienceHint, Hint, SubscribeOptions } from './publisher.ts'
import { closeRedis, isUp, openRedis, watch, type RedisCommands } from './redis-connection.ts'
import { createSubscriber } from './redis-subscriber.ts'

/** Where Redis failed: connecting, in a subscription, in a publish; or a message could not be read. */
export type RedisStage = 'connect' | 'subscribe' | 'publish' | 'payload' | 'listener'

export interface RedisPubSubOptions {
  /** As REDIS_URL: one `redis://` or `rediss://`, or several for a cluster. */
  url: string
  /** Prefix of every channel. */
  prefix: string
  /** Identifies this node's messages. */
  nodeId: string
  /** Called once for each outage, with its stage; everything is retried automatically. */
  onError: (stage: RedisStage, error: unknown) => void
}

export interface RedisPubSubEngine extends PubSubEngine {
  /** `up` while Redis accepts publishes and delivers subscriptions. */
  state(): 'up' | 'down'
  /** Resolves when Redis answers and accepts writes; rejects otherwise. */
  ping(): Promise<void>
  /** Why the last attempt to connect failed; undefined while it is up. */
  problem(): unknown
  /** How many publishes did not reach the other nodes: those find durable events in the log. */
  lost(): number
  /** Registers a listener for whenever Redis is back with all subscriptions: what others published in between was missed. */
  onReconnected(callback: () => void): void
  /** For commands, which are refused at once while Redis is down. */
  commands: RedisCommands
  close(): Promise<void>
}

/** How many publishes may wait for their answer, and how many topics for Redis to return. */
const IN_FLIGHT_LIMIT = 10_000
const PUT_OFF_LIMIT = 10_000
const CHECK_EVERY_MS = 2000

/**
 * What a node must know to read what is sent now. Raised where what is sent changes its meaning, one version after nodes learned to read it
 * (docs/operations.md, upgrades); a new member or kind needs no new version.
 */
const BUS_VERSION = 1

/** A message in Redis; `from` comes first, so that a node recognises its own without parsing. */
interface Message {
  from: string
  /** Absent where version 0.1 sent it. */
  v?: number
  hint: Hint | AudienceHint
}

/**
 * Publish and subscribe between nodes. Subscribers on this node are called before `publish` returns, as in process, and whether
 * Redis is there or not; those on other nodes through Redis, at most once. `publish` resolves when Redis has accepted it or it
 * is deferred, and never rejects. `subscribe` resolves when Redis has acknowledged, or at once while it is down. Resolves after
 * the first attempt to connect, whatever its outcome.
 */
export async function createRedisPubSub(options: RedisPubSubOptions): Promise<RedisPubSubEngine> {
  const engine = new Engine(options)
  await engine.attempted
  return engine
}

class Engine extends PubSubEngine implements RedisPubSubEngine {
  readonly commands: RedisCommands
  /** Resolves when both connections are up or one of them failed. */
  readonly attempted: Promise<void>
  readonly #options: RedisPubSubOptions
  /** The same as `commands` on a single server. */
  readonly #publisher: Redis
  readonly #subscriptions: Redis
  readonly #subscriber: ReturnType<typeof createSubscriber>
  readonly #local = createMemoryPubSub()
  readonly #remote: RedisPubSub
  readonly #ids = new Map<number, { local: number; remote: number }>()
  readonly #reported = new Set<RedisStage>()
  /** The latest hint of each topic that Redis did not accept: it makes receivers read earlier events, too. */
  readonly #putOff = new Map<string, Hint>()
  readonly #checks: NodeJS.Timeout
  #reconnected: (() => void) | undefined
  #lastId = 0
  #inFlight = 0
  #lost = 0
  #isUp = false
  #problem: unknown
  #isClosed = false

  constructor(options: RedisPubSubOptions) {
    super()
    this.#options = options
    let attempted = (): void => undefined
    this.attempted = new Promise((resolve) => (attempted = resolve))
    const onDown = (stage: RedisStage, error: unknown): void => {
      this.#isUp = false
      this.#problem = error
      this.#report(stage, error)
      attempted()
    }
    const onUp = (): void => {
      if (this.#isUp || this.state() === 'down') return
      this.#isUp = true
      this.#problem = undefined
      this.#reported.clear()
      attempted()
      this.#reconnected?.()
    }
    const onConnectError = (error: unknown): void => onDown('connect', error)
    const { commands, connect } = openRedis(options.url, onConnectError)
    this.commands = commands
    this.#publisher = commands instanceof Redis ? commands : connect('parley-publisher')
    this.#publisher.on('ready', () => {
      onUp()
      this.#flush()
    })
    if (commands !== this.#publisher) commands.on('ready', onUp)
    this.#subscriptions = connect('parley-subscriptions')
    this.#subscriber = createSubscriber({
      connection: this.#subscriptions,
      ownPrefix: `{"from":${JSON.stringify(options.nodeId)},`,
      onComplete: onUp,
      onRefused: (error) => onDown('subscribe', error),
    })
    this.#remote = new RedisPubSub({
      publisher: this.#publisher,
      // RedisPubSub uses only this part of it.
      subscriber: this.#subscriber as unknown as Redis,
    })
    this.#checks = setInterval(() => this.#check(), CHECK_EVERY_MS)
    this.#checks.unref()
  }

  async publish(channel: string, hint: Hint | AudienceHint): Promise<void> {
    await Promise.all([this.#local.publish(channel, hint), this.#send(channel, hint)])
  }

  async subscribe(channel: string, onMessage: (hint: unknown) => void, { accepts }: SubscribeOptions = {}): Promise<number> {
    const deliver = (hint: unknown): void => {
      try {
        onMessage(hint)
      } catch (error) {
        this.#report('listener', error)
      }
    }
    const local = await this.#local.subscribe(channel, deliver, {})
    const remote = await this.#remote.subscribe(this.#options.prefix + channel, (message: unknown) => {
      // Of a later version: its events are found in the log.
      if (isOfLaterVersion(message)) return
      if (isMessage(message) && (accepts?.(message.hint) ?? true)) deliver(message.hint)
      else this.#report('payload', new Error(`a message on channel ${channel} is none of a node's`))
    })
    const id = ++this.#lastId
    this.#ids.set(id, { local, remote })
    return id
  }

  unsubscribe(id: number): void {
    const found = this.#ids.get(id)
    if (!found) return
    this.#ids.delete(id)
    this.#local.unsubscribe(found.local)
    this.#remote.unsubscribe(found.remote)
  }

  state(): 'up' | 'down' {
    const isUpNow = isUp(this.#publisher) && this.commands.status === 'ready' && this.#subscriber.isComplete()
    return isUpNow && !this.#isClosed ? 'up' : 'down'
  }

  async ping(): Promise<void> {
    if (this.state() === 'down') throw new Error('Redis is not connected')
    // A cluster goes on while the server of some keys is away.
    if (!(this.commands instanceof Redis)) return void (await this.#publisher.ping())
    // A write that changes nothing: a replica accepts publishes, but does not propagate them.
    await this.commands.set(`${this.#options.prefix}ready`, '', 'PX', 1, 'XX')
  }

  problem(): unknown {
    return this.#problem
  }

  lost(): number {
    return this.#lost
  }

  onReconnected(callback: () => void): void {
    this.#reconnected = callback
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#checks)
    this.#reconnected = undefined
    await Promise.all([...new Set([this.commands, this.#publisher, this.#subscriptions])].map(closeRedis))
  }

  async #send(channel: string, hint: Hint | AudienceHint): Promise<void> {
    if (this.#isClosed || !isUp(this.#publisher) || this.#inFlight >= IN_FLIGHT_LIMIT)
      return this.#putOffUntilLater(channel, hint)
    this.#inFlight++
    try {
      await this.#remote.publish(this.#options.prefix + channel, {
        from: this.#options.nodeId,
        v: BUS_VERSION,
        hint,
      } satisfies Message)
      this.#reported.delete('publish')
    } catch (error) {
      // A broken connection was reported as such.
      if (isUp(this.#publisher)) this.#report('publish', error)
      this.#putOffUntilLater(channel, hint)
    } finally {
      this.#inFlight--
    }
  }

  #putOffUntilLater(channel: string, hint: Hint | AudienceHint): void {
    const other = this.#putOff.get(channel)
    if (!('seq' in hint) || hint.seq === null || (!other && this.#putOff.size >= PUT_OFF_LIMIT)) this.#lost++
    else if (hint.seq > (other?.seq ?? 0)) this.#putOff.set(channel, hint)
  }

  #flush(): void {
    const hints = [...this.#putOff]
    this.#putOff.clear()
    for (const [channel, hint] of hints) void this.#send(channel, hint)
  }

  #check(): void {
    if (isUp(this.#publisher)) {
      this.#flush()
      watch(this.#publisher)
      // Failures are handled by the connection.
      this.ping().catch(() => undefined)
    }
    this.#subscriber.check()
  }

  #report(stage: RedisStage, error: unknown): void {
    if (this.#isClosed || this.#reported.has(stage)) return
    // A bug does not count as an outage.
    if (stage !== 'listener') this.#reported.add(stage)
    this.#options.onError(stage, error)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const isOfLaterVersion = (message: unknown): boolean => isObject(message) && Number(message['v'] ?? 0) > BUS_VERSION

const isMessage = (message: unknown): message is Message => isObject(message) && isObject(message['hint'])
