import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { DurableEvent, EphemeralEvent } from '../../src/chat/events.ts'
import { Topics, type TopicListener, type TopicsOptions } from '../../src/live/topics.ts'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import { AUDIENCE_CHANNEL } from '../../src/pubsub/publisher.ts'
import type { LogEntry } from '../../src/store/event-log.ts'
import { newUserId } from '../support/chat.ts'
import { openEmbeddedStore, useStore } from '../support/database.ts'
import { chaos, createNode, createRandom, turn, UnreliablePubSub } from '../support/live.ts'

const on = useStore(openEmbeddedStore)

/** A listener that records events and reports when a `seq` is reached. */
class Recorder implements TopicListener {
  readonly seqs: number[] = []
  readonly events: DurableEvent[] = []
  readonly ephemeral: EphemeralEvent[] = []
  #waiting: { seq: number; resolve: () => void }[] = []

  onEvent(event: DurableEvent, seq: number): void {
    this.seqs.push(seq)
    this.events.push(event)
    for (const one of this.#waiting) if (one.seq <= seq) one.resolve()
  }

  onEphemeral(event: EphemeralEvent): void {
    this.ephemeral.push(event)
  }

  reached(seq: number): Promise<void> {
    if (seq <= (this.seqs.at(-1) ?? 0)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ seq, resolve }))
  }
}

const counting = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const fleeting = (at: number): EphemeralEvent => ({ id: null, at, kind: 'resume_incomplete', payload: { position: '' } })

test('whatever happens to hints, each listener gets each event once and in order', async () => {
  const { store } = on()
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 10, max: 40 }), async (seed, count) => {
      const random = createRandom(seed)
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
      const pubsub = new UnreliablePubSub(chaos(random))
      // The second node writes nothing and hears of everything over the same unreliable way.
      const nodes = [await createNode(store, pubsub), await createNode(store, pubsub)] as const
      const users = [newUserId(), newUserId(), newUserId()]
      await store.users.upsert(users.map((id) => ({ id, name: undefined, avatar: undefined })))
      const names = users.map((id) => `user:${id}`)
      const listening: { name: string; topics: Topics; recorder: Recorder; position: number }[] = []

      const attach = async (): Promise<void> => {
        const one = { name: pick(names), topics: pick(nodes).topics, recorder: new Recorder() }
        listening.push({ ...one, position: await one.topics.attach(one.name, one.recorder) })
      }
      const detach = (): void => {
        const [one] = listening.splice(Math.floor(random() * listening.length), 1)
        if (one) one.topics.detach(one.name, one.recorder)
      }
      const send = async (index: number): Promise<void> => {
        for (let turns = Math.floor(random() * 5); turns > 0; turns--) await turn()
        const sender = pick(users)
        await nodes[0].chat.messages.send(sender, {
          ...{ conversationId: null, isGroup: null, messageType: 'text', mediaUrl: null, key: null },
          receiverId: pick(users.filter((id) => id !== sender)),
          content: `message ${index}`,
        })
      }
      await attach()
      const work: Promise<void>[] = []
      for (let index = 0; index < count; index++) {
        work.push(send(index))
        if (random() < 0.3) work.push(attach())
        if (random() < 0.1) detach()
        if (random() < 0.1) work.push(pick(nodes).topics.check())
        if (random() < 0.5) await turn()
      }
      await Promise.all(work)
      await pubsub.settle()
      for (const { topics } of nodes) await topics.check()

      const heads = await store.log.heads(names)
      for (const { name, recorder, position } of listening) {
        const head = heads.get(name) as number
        if (head > position) await recorder.reached(head)
        expect(recorder.seqs).toEqual(counting(position + 1, head))
        const logged = await store.log.read({ topic: name, after: position, until: head }, 1000)
        expect(recorder.events).toEqual(logged.map(({ event }) => event))
      }
      for (const node of nodes) {
        expect(node.errors).toEqual([])
        await node.close()
      }
    }),
    { numRuns: 12 },
  )
})

/** A log of one kind of entries, whose reads can be made to wait or fail, and topics over it. */
async function createHarness(options: Partial<TopicsOptions> = {}) {
  const entries = new Map<string, LogEntry[]>()
  const swept = new Map<string, number>()
  const reads: { after: number; until: number }[] = []
  const errors: { stage: string; error: unknown }[] = []
  const pubsub = new UnreliablePubSub()
  const log = {
    /** Replaced by tests that want a read to wait or fail. */
    before: (_query: 'heads' | 'read'): Promise<void> => Promise.resolve(),
    async heads(names: readonly string[]) {
      await log.before('heads')
      return new Map(names.map((name) => [name, entries.get(name)?.length ?? 0]))
    },
    async read({ topic, after, until }: { topic: string; after: number; until: number }, limit: number) {
      reads.push({ after, until })
      await log.before('read')
      const kept = (entries.get(topic) ?? []).filter(({ seq }) => seq > (swept.get(topic) ?? 0))
      return kept.filter(({ seq }) => seq > after && seq <= until).slice(0, limit)
    },
  }
  const topics = await Topics.open({ pubsub, log, onError: (stage, error) => errors.push({ stage, error }), ...options })
  /** Commits an event without telling anybody. */
  const commit = (topic: string): LogEntry => {
    const all = entries.get(topic) ?? []
    const seq = all.length + 1
    const payload = { id: seq, userId: 1, type: 'n', data: {}, at: seq, readAt: null }
    const entry: LogEntry = { topic, seq, event: { id: seq, at: seq, kind: 'notification', payload } }
    entries.set(topic, [...all, entry])
    return entry
  }
  const publish = ({ topic, seq, event }: LogEntry): Promise<void> => pubsub.publish(topic, { seq, event })
  return {
    ...{ entries, swept, reads, errors, pubsub, log, topics, commit, publish },
    emit: (topic: string) => publish(commit(topic)),
    commitMany: (topic: string, count: number) => Array.from({ length: count }, () => commit(topic)),
  }
}

/** Something that the test lets go on. */
function createGate(): { wait: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const wait = new Promise<void>((resolve) => (open = resolve))
  return { wait, open }
}

let stopping: Topics[] = []
const harness = async (...options: Parameters<typeof createHarness>): ReturnType<typeof createHarness> => {
  const made = await createHarness(...options)
  stopping.push(made.topics)
  return made
}
afterEach(async () => {
  for (const topics of stopping.splice(0)) await topics.stop()
  stopping = []
})

test('a listener gets what comes after its position, and nothing of before', async () => {
  const { topics, emit, reads } = await harness()
  await emit('t')
  await emit('t')
  const recorder = new Recorder()
  expect(await topics.attach('t', recorder)).toBe(2)
  await emit('t')
  await emit('t')
  expect(recorder.seqs).toEqual([3, 4])
  expect(reads).toEqual([])
})

test('what is committed and published while a topic is opened is neither lost nor given twice', async () => {
  const { topics, emit, commit, publish, log } = await harness()
  await emit('t')
  const subscribed = createGate()
  const gate = createGate()
  log.before = (query) => {
    if (query === 'heads') subscribed.open()
    return query === 'heads' ? gate.wait : Promise.resolve()
  }
  const recorder = new Recorder()
  const attached = topics.attach('t', recorder)
  await subscribed.wait
  const late = commit('t')
  await emit('t')
  gate.open()
  const position = await attached
  await publish(late)
  await emit('t')
  await recorder.reached(4)
  expect(recorder.seqs).toEqual(counting(position + 1, 4))
})

test('a hint that is ahead of the head that was read is given in its turn', async () => {
  const { topics, emit, commit, publish, log, entries } = await harness()
  await emit('t')
  const heads = log.heads.bind(log)
  log.heads = async (names) => {
    const found = await heads(names)
    // Committed after the read, published before its answer is there.
    const [second, third] = [commit('t'), commit('t')]
    await publish(third)
    await publish(second)
    log.heads = heads
    return found
  }
  const recorder = new Recorder()
  const position = await topics.attach('t', recorder)
  await emit('t')
  await recorder.reached(4)
  expect(recorder.seqs).toEqual(counting(position + 1, 4))
  expect(entries.get('t')).toHaveLength(4)
})

test('repeats are dropped', async () => {
  const { topics, commit, publish } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  const [first, second] = [commit('t'), commit('t')]
  for (const entry of [first, first, second, first, second]) await publish(entry)
  expect(recorder.seqs).toEqual([1, 2])
})

test('a gap is read from the log once, with what comes meanwhile in its turn', async () => {
  const { topics, commit, emit, reads, log } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  const gate = createGate()
  log.before = (query) => (query === 'read' ? gate.wait : Promise.resolve())
  commit('t')
  commit('t')
  await emit('t')
  await emit('t')
  expect(recorder.seqs).toEqual([])
  gate.open()
  await recorder.reached(4)
  await emit('t')
  expect(recorder.seqs).toEqual([1, 2, 3, 4, 5])
  expect(reads).toHaveLength(1)
})

test('a gap larger than one read is read in parts', async () => {
  const { topics, commitMany, emit, reads } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  commitMany('t', 1200)
  await emit('t')
  await recorder.reached(1201)
  expect(recorder.seqs).toEqual(counting(1, 1201))
  expect(reads.length).toBeGreaterThan(2)
})

test('a read that fails is tried again until it succeeds, and told of', async () => {
  const { topics, commit, emit, log, errors } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  let failures = 2
  log.before = (query) => (query === 'read' && failures-- > 0 ? Promise.reject(new Error('no database')) : Promise.resolve())
  commit('t')
  await emit('t')
  await recorder.reached(2)
  expect(recorder.seqs).toEqual([1, 2])
  expect(errors.map(({ stage }) => stage)).toEqual(['catch up', 'catch up'])
})

test('a check delivers what no hint told of', async () => {
  const { topics, commit, emit } = await harness()
  const recorders = [new Recorder(), new Recorder()]
  await topics.attach('a', recorders[0] as Recorder)
  await topics.attach('b', recorders[1] as Recorder)
  commit('a')
  commit('a')
  commit('b')
  await topics.check()
  await Promise.all([recorders[0]?.reached(2), recorders[1]?.reached(1)])
  await emit('a')
  expect(recorders.map((recorder) => recorder?.seqs)).toEqual([[1, 2, 3], [1]])
})

test('a check waits for topics that are being opened', async () => {
  const { topics, commit, log, pubsub } = await harness()
  const gate = createGate()
  const heads = log.heads.bind(log)
  let asked = (): void => undefined
  const asking = new Promise<void>((resolve) => (asked = resolve))
  log.heads = async (names) => {
    const found = await heads(names)
    asked()
    await gate.wait
    return found
  }
  pubsub.decide = () => []
  const recorder = new Recorder()
  const attached = topics.attach('t', recorder)
  await asking
  log.heads = heads
  commit('t')
  const checked = topics.check()
  gate.open()
  expect(await attached).toBe(0)
  await checked
  await recorder.reached(1)
  expect(recorder.seqs).toEqual([1])
})

test('a check that fails is told of, and the next one heals', async () => {
  const { topics, commit, log, errors } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  commit('t')
  log.before = () => Promise.reject(new Error('no database'))
  await topics.check()
  expect(errors.map(({ stage }) => stage)).toEqual(['check'])
  log.before = () => Promise.resolve()
  await topics.check()
  await recorder.reached(1)
})

test('what retention took away is skipped', async () => {
  const { topics, commitMany, swept, emit, commit } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  commitMany('t', 5)
  swept.set('t', 5)
  await topics.check()
  commit('t')
  await emit('t')
  await recorder.reached(7)
  expect(recorder.seqs).toEqual([6, 7])
})

test('a hint that lies stops nothing', async () => {
  const { topics, emit, pubsub, errors } = await harness()
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  await emit('t')
  await pubsub.publish('t', { seq: 1_000_000, event: { id: 9, at: 9, kind: 'notification', payload: null } })
  while (errors.length === 0) await turn()
  await emit('t')
  await emit('t')
  expect(recorder.seqs).toEqual([1, 2, 3])
})

test('a log that lost its end is followed from there', async () => {
  const { topics, emit, entries, commitMany, errors } = await harness()
  const recorder = new Recorder()
  commitMany('t', 10)
  await topics.attach('t', recorder)
  entries.set('t', (entries.get('t') ?? []).slice(0, 6))
  await topics.check()
  expect(errors.map(({ stage }) => stage)).toEqual(['check'])
  await emit('t')
  expect(recorder.seqs).toEqual([7])
})

test('one listener that fails keeps nothing from the others', async () => {
  const { topics, emit, pubsub, errors } = await harness()
  const recorder = new Recorder()
  const fail = (): never => {
    throw new Error('a bug')
  }
  await topics.attach('t', { onEvent: fail, onEphemeral: fail })
  await topics.attach('t', recorder)
  await emit('t')
  await pubsub.publish('t', { seq: null, event: fleeting(1) })
  await pubsub.publish(AUDIENCE_CHANNEL, { topics: ['t'], event: fleeting(2) })
  expect(recorder.seqs).toEqual([1])
  expect(recorder.ephemeral.map(({ at }) => at)).toEqual([1, 2])
  expect(errors.map(({ stage }) => stage)).toEqual(['listener', 'listener', 'listener'])
})

test('what goes to an audience reaches each listener of one of its topics once', async () => {
  const { topics, pubsub } = await harness()
  const [both, one, other] = [new Recorder(), new Recorder(), new Recorder()]
  await topics.attach('a', both)
  await topics.attach('b', both)
  await topics.attach('b', one)
  await topics.attach('c', other)
  await pubsub.publish(AUDIENCE_CHANNEL, { topics: ['a', 'b', 'x'], event: fleeting(1) })
  expect([both, one, other].map(({ ephemeral }) => ephemeral.length)).toEqual([1, 1, 0])
})

/** A pub/sub that counts its subscriptions and can be made to fail. */
function createCounting() {
  const engine = createMemoryPubSub()
  const subscribed = new Map<string, number>()
  const byId = new Map<number, string>()
  const subscribe = engine.subscribe.bind(engine)
  const unsubscribe = engine.unsubscribe.bind(engine)
  const control = {
    engine,
    /** How many subscriptions a channel has. */
    count: (channel: string) => subscribed.get(channel) ?? 0,
    before: (): Promise<void> => Promise.resolve(),
  }
  engine.subscribe = async (channel: string, onMessage: (hint: unknown) => void) => {
    await control.before()
    const id = await subscribe(channel, onMessage, {})
    byId.set(id, channel)
    subscribed.set(channel, control.count(channel) + 1)
    return id
  }
  engine.unsubscribe = (id: number) => {
    const channel = byId.get(id) as string
    subscribed.set(channel, control.count(channel) - 1)
    unsubscribe(id)
  }
  return control
}

test('a topic is subscribed to once, until the last listener has gone', async () => {
  const counted = createCounting()
  const { topics } = await harness({ pubsub: counted.engine })
  const listeners = [new Recorder(), new Recorder(), new Recorder()] as const
  await Promise.all(listeners.map((listener) => topics.attach('t', listener)))
  expect(counted.count('t')).toBe(1)
  topics.detach('t', listeners[0])
  topics.detach('t', listeners[0])
  topics.detach('t', listeners[1])
  expect(counted.count('t')).toBe(1)
  topics.detach('t', listeners[2])
  expect(counted.count('t')).toBe(0)
})

test('attaching and detaching at once leaves exactly those subscribed to who still listen', async () => {
  const counted = createCounting()
  const { topics, commit } = await harness({ pubsub: counted.engine })
  const random = createRandom(4711)
  counted.before = async () => {
    for (let turns = Math.floor(random() * 3); turns > 0; turns--) await turn()
  }
  const names = ['a', 'b', 'c']
  const stay: { name: string; recorder: Recorder; position: number }[] = []
  await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      for (let turns = Math.floor(random() * 20); turns > 0; turns--) await turn()
      const name = names[index % 3] as string
      const recorder = new Recorder()
      const position = await topics.attach(name, recorder)
      if (random() < 0.9 || name === 'c') topics.detach(name, recorder)
      else stay.push({ name, recorder, position })
    }),
  )
  expect(names.map((name) => counted.count(name))).toEqual([1, 1, 0])
  for (const name of names) {
    const { seq, event } = commit(name)
    await counted.engine.publish(name, { seq, event })
  }
  for (const { recorder, position } of stay) expect(recorder.seqs).toEqual([position + 1])
})

test('a subscription that fails fails those who wait for it, and the next one starts anew', async () => {
  const counted = createCounting()
  const { topics } = await harness({ pubsub: counted.engine })
  counted.before = () => Promise.reject(new Error('refused'))
  const listeners = [new Recorder(), new Recorder()] as const
  const failed = await Promise.allSettled(listeners.map((listener) => topics.attach('t', listener)))
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  counted.before = () => Promise.resolve()
  expect(await topics.attach('t', listeners[0])).toBe(0)
  expect(counted.count('t')).toBe(1)
  topics.detach('t', listeners[0])
  expect(counted.count('t')).toBe(0)
})

test('a head that cannot be read leaves no subscription behind', async () => {
  const counted = createCounting()
  const { topics, log } = await harness({ pubsub: counted.engine })
  log.before = () => Promise.reject(new Error('no database'))
  await expect(topics.attach('t', new Recorder())).rejects.toThrow('no database')
  expect(counted.count('t')).toBe(0)
})

test('after a stop nothing is subscribed to and nothing is delivered', async () => {
  const counted = createCounting()
  const { topics, commit } = await harness({ pubsub: counted.engine })
  const recorder = new Recorder()
  await topics.attach('t', recorder)
  await topics.stop()
  expect([counted.count('t'), counted.count(AUDIENCE_CHANNEL)]).toEqual([0, 0])
  const { seq, event } = commit('t')
  await counted.engine.publish('t', { seq, event })
  expect(recorder.seqs).toEqual([])
  stopping = []
})
