/** Runs a plan: the cluster comes up, the steps are taken, all faults end, and when all is quiet the history is looked at. */
import { createHash } from 'node:crypto'
import { Bus, STEADY } from './bus.ts'
import { GraphqlSimClient, LegacySimClient, type Action, type SimClient } from './clients.ts'
import { check, type Violation } from './checker.ts'
import type { Entry, FinalState, History, Recorded } from './history.ts'
import { ModelDatabase, NO_FAULTS } from './model/database.ts'
import { memberKey } from './model/tables.ts'
import { SimNode } from './node.ts'
import { BEGIN_MS, type Plan, type Step } from './plan.ts'
import { enterWorld, World } from './world.ts'

export interface RunResult {
  violations: Violation[]
  history: History
  /** Of the whole history: two runs with one hash were the same. */
  hash: string
  steps: number
}

/** What is not done by a client. */
type Fault = Exclude<Step, { do: 'send' | 'message' | 'typing' | 'group' | 'block' }>

/** How long after the last fault everything has to be at rest: typing ends after 13 s. */
const REST_MS = 17_000

/** How long clients may go on with what they were asked to do. */
const PATIENCE_MS = 60_000

/** How long after the last client everything of it has to be gone. */
const CLOSED_MS = 5000

/** What comes of an outage, and is reported as such. */
const isExpected = (error: unknown): boolean => {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string }
  return code === 'UNAVAILABLE' || /Redis is not connected/.test(message)
}

class Run {
  readonly plan: Plan
  readonly world: World
  readonly bus = new Bus()
  readonly database = new ModelDatabase()
  readonly nodes: SimNode[]
  readonly clients: SimClient[]
  readonly entries: Recorded[] = []
  readonly failures: string[] = []
  readonly groupIds: number[] = []
  isSteady = true
  #requests = 0
  #keys = 0
  readonly #sent: Action[] = []

  constructor(plan: Plan) {
    this.plan = plan
    this.world = new World(plan.seed)
    enterWorld(this.world)
    this.world.failed = (error) =>
      this.failures.push(`nobody caught ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
    this.database.sendMs = plan.sendMs
    this.nodes = Array.from({ length: plan.nodes }, (_, index) => this.#node(index, 0))
    this.clients = plan.clients.map(({ protocol, userId, tokenMs, asksMore }, index) => {
      const parts = {
        record: (entry: Entry) => this.record(entry),
        target: () => this.#anyNode(),
        nextRequest: () => ++this.#requests,
        tokenMs,
        asksMore,
      }
      const name = `c${index}`
      return protocol === 'legacy' ? new LegacySimClient(name, userId, parts) : new GraphqlSimClient(name, userId, parts)
    })
  }

  record(entry: Entry): void {
    this.entries.push({ ...entry, at: this.world.now })
  }

  #node(index: number, generation: number): SimNode {
    return new SimNode(generation === 0 ? `n${index}` : `n${index}.${generation}`, {
      bus: this.bus,
      database: this.database,
      settings: this.plan.settings,
      offset: 0,
      failed: ({ stage, error }) => {
        if (!isExpected(error)) this.failures.push(`${stage}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
      },
    })
  }

  #anyNode(): SimNode | undefined {
    const up = this.nodes.filter((node) => node.isUp)
    return up[this.world.below(up.length)]
  }

  /** Runs the world until something is done. */
  async #until<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => (isDone = true))
    done.catch(() => undefined)
    while (!isDone) await this.world.run(this.world.now + 5)
    return await done
  }

  async setUp(): Promise<void> {
    for (const node of this.nodes) await this.#until(this.world.as(node.owner, () => node.start()))
    // From now on: clients may still be connecting when the first steps come.
    this.bus.subscribeMs = this.plan.settings.subscribeMs
    const [first] = this.nodes
    const { core } = first as SimNode
    if (!first || !core) throw new Error('the first node did not start')
    const { users, groups } = this.plan
    const profiles = users.map((id) => ({ id, name: `u${id}`, avatar: undefined }))
    await this.#until(this.world.as(first.owner, () => core.store.users.upsert(profiles)))
    for (const { members, historyVisible } of groups) {
      const info = { name: 'g', avatar: null, announcement: null, joinApprovalRequired: false, allowInvitation: true }
      const [ownerId = 0, ...others] = members
      const all = { ...info, allowSendMessages: true, historyVisible }
      const made = await this.#until(this.world.as(first.owner, () => core.chat.groups.create(ownerId, all, others)))
      this.groupIds.push(made.id)
    }
    for (const client of this.clients) client.start()
    if (this.world.now > BEGIN_MS) throw new Error(`the cluster needed ${this.world.now} ms to come up`)
  }

  async work(): Promise<void> {
    for (const step of this.plan.steps) this.world.after(step.at - this.world.now, undefined, () => this.take(step))
    const last = Math.max(BEGIN_MS, ...this.plan.steps.map((step) => step.at + ('ms' in step ? Math.max(0, step.ms) : 0)))
    await this.world.run(last + 10)
    this.record({ kind: 'fault', what: 'no more faults' })
    for (const client of this.clients) {
      client.parts.tokenMs = undefined
      for (const { wire } of client.sockets) if (wire) wire.toClient.budget = Infinity
    }
    // An outbox may wait long before it tries again.
    const end = this.world.now + PATIENCE_MS
    while (this.world.now < end && this.clients.some(({ waiting }) => waiting.size > 0))
      await this.world.run(this.world.now + 500)
    await this.world.run(this.world.now + REST_MS)
  }

  take(step: Step): void {
    switch (step.do) {
      case 'send':
      case 'message':
      case 'typing':
      case 'group':
      case 'block': {
        const action = this.#actionOf(step)
        if (action) this.clients[step.client]?.perform(action)
        return
      }
      default:
        this.record({ kind: 'fault', what: JSON.stringify(step) })
        this.fail(step)
    }
  }

  /** What was sent so far may be sent once more, with its key. */
  #actionOf(step: Step): Action | undefined {
    const { userId } = this.plan.clients['client' in step ? step.client : 0] as { userId: number }
    switch (step.do) {
      case 'send': {
        const { to } = step
        const number = ++this.#keys
        const before = this.#sent.findLast((action) => action.op === 'send' && action.key.startsWith(`k${userId}-`))
        if (step.repeats && before) return before
        const action: Action = {
          op: 'send',
          receiverId: 'user' in to ? to.user : null,
          groupId: 'group' in to ? (this.groupIds[to.group] as number) : null,
          content: `m${number}`,
          key: `k${userId}-${number}`,
        }
        this.#sent.push(action)
        return action
      }
      case 'message': {
        const { members, messages } = this.database.tables
        const seen = [...messages.values()].filter(
          ({ conversationId }) => step.anyones || members.has(memberKey(conversationId, userId)),
        )
        const conversations = [...new Set(seen.map(({ conversationId }) => conversationId))].toSorted()
        const chosen = conversations[Math.floor(step.conversation * conversations.length)]
        const among = seen.filter(({ conversationId }) => conversationId === chosen)
        const message = among[Math.floor(step.pick * among.length)]
        if (!message) return undefined
        const { id: messageId, conversationId } = message
        const isGroup = conversationId.startsWith('group_')
        const { op } = step
        if (op === 'edit') return { op, messageId, isGroup, content: `e${++this.#keys}` }
        if (op === 'react' || op === 'unreact')
          return { op, messageId, isGroup, reaction: step.pick * 7 - Math.floor(step.pick * 7) < 0.5 ? '👍' : '🎉' }
        if (op === 'read all' || op === 'unread') return { op, messageId, conversationId }
        return { op, messageId, isGroup }
      }
      case 'typing': {
        const own = [...this.database.tables.members.values()].filter((member) => member.userId === userId)
        const member = own[Math.floor(step.pick * own.length)]
        return member && { op: 'typing', conversationId: member.conversationId, typing: step.typing }
      }
      case 'group': {
        const groupId = this.groupIds[step.group] as number
        if (step.op === 'invite' || step.op === 'remove') return { op: step.op, groupId, memberId: step.member }
        return { op: step.op, groupId }
      }
      case 'block':
        return { op: step.undo ? 'unblock' : 'block', memberId: step.member }
      default:
        return undefined
    }
  }

  fail(step: Fault): void {
    const { world, bus, database } = this
    const later = (ms: number, run: () => void): void => void world.after(ms, undefined, run)
    switch (step.do) {
      case 'cut':
        for (const { wire } of this.clients[step.client]?.sockets ?? []) {
          if (!wire) continue
          if (step.bytes === undefined) wire.cut()
          else wire.toClient.budget = step.bytes
        }
        return
      case 'restart client':
        return this.clients[step.client]?.restart(step)
      case 'quit':
        return this.clients[step.client]?.quit()
      case 'resume again': {
        const client = this.clients[step.client]
        if (client instanceof LegacySimClient) client.resumeAgain()
        return
      }
      case 'slow':
        for (const { wire } of this.clients[step.client]?.sockets ?? []) {
          if (!wire) continue
          wire.toClient.isPaused = true
          later(step.ms, () => wire.toClient.resume())
        }
        return
      case 'kill':
        return this.#kill(step.node, step.ms)
      case 'bus':
        this.isSteady = false
        bus.faults = step.faults
        return later(step.ms, () => (bus.faults = STEADY))
      case 'bus away':
        this.isSteady = false
        bus.isAway = true
        return later(step.ms, () => {
          bus.isAway = false
          for (const node of this.nodes) node.reconnected()
        })
      case 'store':
        this.isSteady = false
        database.faults = step.faults
        return later(step.ms, () => (database.faults = NO_FAULTS))
      case 'store away':
        this.isSteady = false
        database.isAway = true
        return later(step.ms, () => (database.isAway = false))
      case 'clock': {
        const node = this.nodes[step.node]
        if (node) node.owner.offset = step.ms
        this.isSteady = false
        return later(Math.abs(step.ms) / 30, () => node && (node.owner.offset = 0))
      }
      case 'sweep':
        return void world.as(this.#anyNode()?.owner, () =>
          this.#anyNode()
            ?.core?.store.log.sweep(step.ageMs / 3_600_000, 1000)
            .catch(() => 0),
        )
    }
  }

  #kill(index: number, ms: number): void {
    const { nodes } = this
    const node = nodes[index]
    if (!node?.isUp) return
    this.isSteady = false
    node.kill()
    for (const client of this.clients)
      for (const { wire, node: name } of client.sockets) if (name === node.owner.name) wire?.cut()
    this.world.after(ms, undefined, () => {
      const generation = Number(node.owner.name.split('.')[1] ?? 0) + 1
      const next = this.#node(index, generation)
      nodes[index] = next
      void this.world.as(next.owner, () => next.start().catch(() => undefined))
    })
  }

  /** Ends everything, so that nothing of it is left in the process. What a node keeps without its clients is a failure. */
  async tearDown(): Promise<void> {
    for (const client of this.clients) client.stop()
    await this.world.run(this.world.now + CLOSED_MS)
    for (const { isUp, core, owner } of this.nodes) {
      const left = (isUp && core?.topics.size()) || 0
      if (left > 0) this.failures.push(`${owner.name}: ${left} topics are subscribed to, though nobody listens`)
    }
    for (const node of this.nodes) node.kill()
    await this.world.run(this.world.now)
  }

  finalState(): FinalState {
    const { tables } = this.database
    const contacts: Record<number, number[]> = {}
    // Who ever had a block with somebody is not told how they are.
    const blocked = this.entries.flatMap((entry) =>
      entry.kind === 'asked' && entry.about.op === 'block' ? [entry.about.userId, entry.about.memberId] : [],
    )
    for (const a of tables.members.values())
      for (const b of tables.members.values())
        if (
          a.conversationId === b.conversationId &&
          a.userId !== b.userId &&
          !blocked.includes(a.userId) &&
          !blocked.includes(b.userId)
        )
          (contacts[a.userId] ??= []).push(b.userId)
    const topics = [...tables.topics.values()]
    return {
      messages: [...tables.messages.values()].map(({ deletedAt, editedAt, ...message }) => ({
        ...message,
        isDeleted: deletedAt !== null,
        isEdited: editedAt !== null,
      })),
      reactions: [...tables.reactions.values()],
      members: [...tables.members.values()].flatMap(({ userId, conversationId }) =>
        conversationId.startsWith('group_') ? [{ userId, groupId: Number(conversationId.slice(6)) }] : [],
      ),
      swept: Object.fromEntries(topics.map(({ name, sweptSeq }) => [name, sweptSeq])),
      heads: Object.fromEntries(topics.map(({ name, seq }) => [name, seq])),
      online: [...new Set(this.clients.filter(({ sockets }) => sockets.size > 0).map(({ userId }) => userId))],
      isSteady: this.isSteady,
      failures: this.failures,
      contacts,
    }
  }
}

export async function runPlan(plan: Plan): Promise<RunResult> {
  const run = new Run(plan)
  await run.setUp()
  await run.work()
  const history: History = { entries: [...run.entries], committed: [...run.database.committed], state: run.finalState() }
  const { steps } = run.world
  await run.tearDown()
  const hash = createHash('sha256').update(JSON.stringify(history)).digest('hex').slice(0, 16)
  return { violations: check(history), history, hash, steps }
}
