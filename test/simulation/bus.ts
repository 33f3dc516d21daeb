/** What connects the nodes: publish and subscribe that loses, doubles, delays and reorders, and the commands of Redis that nodes use. */
import { PubSubEngine } from 'graphql-subscriptions'
import type { Redis } from 'ioredis'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import type { SubscribeOptions } from '../../src/pubsub/publisher.ts'
import { currentWorld, type Owner } from './world.ts'

export interface BusFaults {
  lost: number
  doubled: number
  /** How late a message may be, in milliseconds. */
  lateMs: number
}

export const STEADY: BusFaults = { lost: 0, doubled: 0, lateMs: 2 }

/** A connection: what is sent over it arrives in its order. */
class Line {
  readonly #coming: (() => void)[] = []

  send(ms: number, receiver: Owner | undefined, arrive: () => void): void {
    this.#coming.push(arrive)
    currentWorld().after(ms, receiver, () => this.#coming.shift()?.())
  }
}

interface Subscriber {
  engine: NodeBus
  channel: string
  deliver: (hint: unknown) => void
}

export class Bus {
  faults: BusFaults = STEADY
  isAway = false
  /** How long the broker takes at most to acknowledge a subscription, in milliseconds. */
  subscribeMs = 3
  readonly subscribers = new Set<Subscriber>()
  readonly keys = new Map<string, unknown>()

  relay(from: NodeBus, channel: string, text: string): void {
    if (this.faults === STEADY) return this.#relayInOrder(from, channel, text)
    const world = currentWorld()
    const { lost, doubled, lateMs } = this.faults
    for (const subscriber of this.#subscribersOf(from, channel)) {
      const copies = world.chance(lost) ? 0 : world.chance(doubled) ? 2 : 1
      for (let copy = 0; copy < copies; copy++)
        world.after(0.2 + world.random() * lateMs, subscriber.engine.owner, () => this.#deliver(subscriber, text))
    }
  }

  /** As one broker does: what it takes first, it delivers first, from any node and on any channel. */
  #relayInOrder(from: NodeBus, channel: string, text: string): void {
    const ms = (): number => 0.1 + (currentWorld().random() * STEADY.lateMs) / 2
    from.toBroker.send(ms(), undefined, () => {
      for (const subscriber of this.#subscribersOf(from, channel)) {
        const { fromBroker, owner } = subscriber.engine
        fromBroker.send(ms(), owner, () => this.#deliver(subscriber, text))
      }
    })
  }

  #subscribersOf(from: NodeBus, channel: string): Subscriber[] {
    return [...this.subscribers].filter((each) => each.engine !== from && each.channel === channel)
  }

  #deliver(subscriber: Subscriber, text: string): void {
    if (!this.isAway && this.subscribers.has(subscriber)) subscriber.deliver(JSON.parse(text))
  }
}

/** A node's end of the bus: its own subscribers are told at once, those of other nodes over the bus. */
export class NodeBus extends PubSubEngine {
  readonly owner: Owner
  /** Its connections to the broker: the one that publishes, and the one that subscribes. */
  readonly toBroker = new Line()
  readonly fromBroker = new Line()
  readonly #bus: Bus
  readonly #local = createMemoryPubSub()
  readonly #ids = new Map<number, { local: number; remote: Subscriber }>()
  #lastId = 0

  constructor(bus: Bus, owner: Owner) {
    super()
    this.#bus = bus
    this.owner = owner
  }

  async publish(channel: string, hint: unknown): Promise<void> {
    if (this.owner.isDead) return
    const text = JSON.stringify(hint)
    if (!this.#bus.isAway) this.#bus.relay(this, channel, text)
    await this.#local.publish(channel, hint)
  }

  async subscribe(channel: string, onMessage: (hint: unknown) => void, { accepts }: SubscribeOptions = {}): Promise<number> {
    const deliver = (hint: unknown): void => void ((accepts?.(hint) ?? true) && onMessage(hint))
    const local = await this.#local.subscribe(channel, deliver, {})
    const world = currentWorld()
    const id = ++this.#lastId
    const remote = { engine: this, channel, deliver }
    this.#ids.set(id, { local, remote })
    // As a broker that acknowledges: from then on nothing is missed, unless it is lost.
    await world.sleep(0.2 + world.random() * this.#bus.subscribeMs, this.owner)
    if (this.#ids.has(id)) this.#bus.subscribers.add(remote)
    return id
  }

  unsubscribe(id: number): void {
    const found = this.#ids.get(id)
    if (!found) return
    this.#ids.delete(id)
    this.#local.unsubscribe(found.local)
    this.#bus.subscribers.delete(found.remote)
  }

  /** The node has died. */
  disconnect(): void {
    for (const { remote } of this.#ids.values()) this.#bus.subscribers.delete(remote)
  }
}

type Value = string | number

/** The commands of Redis that the presence registry and the checkpoints use, each done at one instant. */
class Commands {
  readonly #keys: Map<string, unknown>

  constructor(bus: Bus) {
    this.#keys = bus.keys
  }

  #of<T>(key: string, create: () => T): T {
    const found = this.#keys.get(key) as T | undefined
    if (found !== undefined) return found
    const created = create()
    this.#keys.set(key, created)
    return created
  }
  #set(key: string): Set<string> {
    return this.#of(key, () => new Set<string>())
  }
  #sorted(key: string): Map<string, number> {
    return this.#of(key, () => new Map<string, number>())
  }

  sadd(key: string, value: Value): number {
    const set = this.#set(key)
    const isNew = !set.has(String(value))
    set.add(String(value))
    return Number(isNew)
  }
  srem(key: string, value: Value): number {
    return Number(this.#set(key).delete(String(value)))
  }
  scard(key: string): number {
    return this.#set(key).size
  }
  exists(key: string): number {
    return Number(this.#set(key).size > 0)
  }
  smembers(key: string): string[] {
    return [...this.#set(key)]
  }
  srandmember(key: string): string[] {
    return [...this.#set(key)]
  }
  setnx(key: string, value: string): number {
    if (this.#keys.has(key)) return 0
    this.#keys.set(key, value)
    return 1
  }
  get(key: string): string | null {
    return (this.#keys.get(key) as string | undefined) ?? null
  }
  time(): [string, string] {
    const now = currentWorld().as(undefined, () => Date.now())
    return [String(Math.floor(now / 1000)), String((now % 1000) * 1000)]
  }
  zadd(key: string, score: number, member: string): number {
    this.#sorted(key).set(member, score)
    return 1
  }
  zscore(key: string, member: string): string | null {
    const score = this.#sorted(key).get(member)
    return score === undefined ? null : String(score)
  }
  zrem(key: string, member: string): number {
    return Number(this.#sorted(key).delete(member))
  }
  zrange(key: string): string[] {
    return [...this.#sorted(key)].toSorted((a, b) => a[1] - b[1]).map(([member]) => member)
  }
  zrangebyscore(key: string, _: string, limit: string): string[] {
    const below = Number(limit.slice(1))
    return [...this.#sorted(key)].flatMap(([member, score]) => (score < below ? [member, String(score)] : []))
  }
  lpush(key: string, text: string): number {
    return this.#of(key, (): string[] => []).unshift(text)
  }
  ltrim(key: string, _: number, last: number): string {
    this.#of(key, (): string[] => []).splice(last + 1)
    return 'OK'
  }
  lrange(key: string): string[] {
    return [...this.#of(key, (): string[] => [])]
  }
  pexpire(): number {
    return 1
  }
}

/** As a node's client of Redis has them: over the network, and refused while that is away. */
export function createRedis(bus: Bus, owner: Owner): Redis {
  const commands = new Commands(bus) as unknown as Record<string, (...values: unknown[]) => unknown>
  async function trip<T>(run: () => T): Promise<T> {
    const world = currentWorld()
    await world.sleep(0.1 + world.random() * 2, owner)
    if (bus.isAway) throw new Error('Redis is not connected')
    const result = run()
    await world.sleep(0.1 + world.random() * 2, owner)
    if (bus.isAway) throw new Error('Redis is not connected')
    return result
  }
  const chain = (): unknown => {
    const queue: (() => unknown)[] = []
    const proxy: unknown = new Proxy(
      {},
      {
        get: (_target, name: string) => {
          if (name === 'exec') return () => trip(() => queue.map((run) => [null, run()]))
          return (...values: unknown[]) => {
            queue.push(() => commands[name]?.call(commands, ...values))
            return proxy
          }
        },
      },
    )
    return proxy
  }
  return new Proxy(
    {},
    {
      get: (_target, name: string) => {
        if (name === 'multi' || name === 'pipeline') return chain
        return (...values: unknown[]) => trip(() => commands[name]?.call(commands, ...values))
      },
    },
  ) as Redis
}
