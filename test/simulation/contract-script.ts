/** One script of calls for every store: the model has to answer as the databases do. */
import type { NewMessage } from '../../src/store/messages.ts'
import type { Store } from '../../src/store/store.ts'
import { GROUP_INFO } from '../support/group-info.ts'

export interface ContractEnv {
  store: Store
  /** Resolves when the statement that was begun last waits for a lock. */
  untilBlocked: () => Promise<void>
}

export interface Answer {
  call: string
  answer: unknown
}

const TIMES = new Set(['endedAt', 'at', 'readAt', 'joinedAt', 'editedAt', 'deletedAt', 'activityAt', 'lastActive'])
/** What is not compared: transaction ids, and what the model does not keep. */
const LEFT_OUT = new Set(['xid', 'trace', 'pointerSeq', 'asOf', 'error'])

/** As it is compared: maps and sets as lists, times as what they are. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].map(plain).toSorted(byText)
  if (value instanceof Set) return [...(value as Set<unknown>)].map(plain).toSorted(byText)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, each]) => !LEFT_OUT.has(key) && each !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, TIMES.has(key) && typeof each === 'number' ? 'a time' : plain(each)]),
  )
}
const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

const message = (senderId: number, to: Partial<NewMessage>, content: string, key: string | null = null): NewMessage => ({
  senderId,
  receiverId: null,
  conversationId: null,
  content,
  messageType: 'text',
  mediaUrl: null,
  key,
  ...to,
})

const INFO = { ...GROUP_INFO, name: 'g' }

const GROUP = 'group_1'
const TOPICS = ['user:1', 'user:2', 'user:3', 'user:4', 'group:1']
const whole = (topic: string) => ({ topic, after: 0, until: 1000 })

/** Runs the script; `ask` notes what a call answers, or how it fails. */
export class Contract {
  readonly answers: Answer[] = []
  readonly #env: ContractEnv

  constructor(env: ContractEnv) {
    this.#env = env
  }

  async #ask<T>(call: string, work: Promise<T>): Promise<T | undefined> {
    try {
      const answer = await work
      this.answers.push({ call, answer: plain(answer) })
      return answer
    } catch (error) {
      this.answers.push({ call, answer: `fails: ${(error as { code?: string }).code ?? 'unexpectedly'}` })
      return undefined
    }
  }

  async run({ concurrently }: { concurrently: boolean }): Promise<Answer[]> {
    await this.#setUp()
    await this.#send()
    await this.#read()
    await this.#change()
    await this.#log()
    if (concurrently) await this.#atOnce()
    await this.#leave()
    return this.answers
  }

  async #setUp(): Promise<void> {
    const { store } = this.#env
    await this.#ask('users', store.users.upsert([1, 2, 3, 4].map((id) => ({ id, name: `u${id}`, avatar: undefined }))))
    await this.#ask(
      'a group',
      store.transaction(async (tx) => {
        const created = await tx.groups.create(INFO)
        const topics = [`group:${created.id}`, 'user:1', 'user:2', 'user:3']
        await tx.lock(topics)
        const sinceSeq = tx.nextSeq('group:1')
        const members = [1, 2, 3].map((userId) => ({
          userId,
          role: userId === 1 ? ('OWNER' as const) : ('MEMBER' as const),
          sinceSeq,
        }))
        const group = await tx.groups.addMembers(created, members, { lastId: 0, historyAfter: 0 })
        tx.append({ topics, kind: 'group_updated', payload: { group, opens: { topic: 'group:1', sinceSeq } } })
        return group
      }),
    )
    await this.#ask('memberships', store.conversations.memberships([1, 2, 4]))
    await this.#ask('users by id', store.users.byIds([1, 9]))
  }

  async #send(): Promise<void> {
    const { store } = this.#env
    const batch = [
      message(1, { receiverId: 2 }, 'first', 'a'),
      message(2, { conversationId: GROUP }, 'second', 'b'),
      message(1, { receiverId: 2 }, 'third'),
      message(4, { conversationId: GROUP }, 'no member'),
      message(1, { receiverId: 9 }, 'nobody'),
      message(9, { receiverId: 1 }, 'no sender'),
      message(1, { conversationId: 'group_7' }, 'no group'),
      message(1, { receiverId: 2, conversationId: 'direct_1_3' }, 'elsewhere'),
    ]
    const stored: unknown[] = []
    await this.#ask(
      'a batch',
      store.messages.sendBatch(batch, (entries) => void stored.push(...entries)),
    )
    this.answers.push({ call: 'its entries', answer: plain(stored) })
    await this.#ask('a repeat', store.messages.sendBatch([message(1, { receiverId: 2 }, 'first', 'a')]))
    await this.#ask('the key elsewhere', store.messages.sendBatch([message(1, { conversationId: GROUP }, 'x', 'a')]))
    await this.#ask('an answer', store.messages.sendBatch([message(3, { conversationId: GROUP, replyToId: 2 }, 'fourth')]))
    await this.#ask('an answer to another', store.messages.sendBatch([message(3, { conversationId: GROUP, replyToId: 1 }, 'x')]))
    await this.#ask('a block', store.blocks.add(2, 1))
    await this.#ask('one who is blocked', store.messages.sendBatch([message(1, { receiverId: 2 }, 'x')]))
    await this.#ask('blocked pairs', store.blocks.pairedWith(1, [2, 3]))
    await this.#ask('no block', store.blocks.remove(2, 1))
    await this.#ask(
      'more',
      store.messages.sendBatch([message(2, { receiverId: 1 }, 'fifth'), message(3, { conversationId: GROUP }, 'sixth')]),
    )
    await this.#ask('messages', store.messages.byIds([1, 2, 3, 4, 99]))
    await this.#ask('a page', store.messages.page(GROUP, undefined, 2))
    await this.#ask('the latest', store.messages.latest([GROUP, 'direct_1_2', 'direct_1_4']))
    await this.#ask('conversations', store.conversations.byIds([GROUP, 'direct_1_2', 'direct_3_4']))
    await this.#ask('a pair', store.conversations.byPair(2, 1))
    await this.#ask('members', store.conversations.members(GROUP, 1, 10))
    await this.#ask('memberships', store.conversations.memberOf(3, [GROUP, 'direct_1_2']))
    await this.#ask('may post', Promise.all([1, 4].map((id) => store.messages.postRefusal(id, GROUP))))
  }

  /** Reads as the rules do: under the locks of the topics, then of the membership. */
  async #receipt(readerId: number, conversationId: string, messageId: number): Promise<void> {
    await this.#ask(
      `${readerId} reads ${messageId}`,
      this.#env.store.transaction(async (tx) => {
        await tx.lock([`user:${readerId}`])
        const position = await tx.readPointers.lock(readerId, conversationId, messageId)
        const added = await tx.receipts.add(readerId, conversationId, [messageId])
        if (position && added.length > 0) await tx.readPointers.countRead(readerId, conversationId, position)
        return { position, added, states: await tx.readPointers.states(readerId, [conversationId]) }
      }),
    )
  }

  async #move(how: 'moveTo' | 'moveBefore', readerId: number, conversationId: string, messageId: number): Promise<void> {
    await this.#ask(
      `${readerId} ${how} ${messageId}`,
      this.#env.store.transaction(async (tx) => {
        await tx.lock([`user:${readerId}`])
        const position = await tx.readPointers.lock(readerId, conversationId, messageId)
        const moved = position && (await tx.readPointers[how](readerId, conversationId, position))
        return { moved: moved ?? null, states: await tx.readPointers.states(readerId, [conversationId]) }
      }),
    )
  }

  async #read(): Promise<void> {
    const { store } = this.#env
    await this.#receipt(1, GROUP, 4)
    await this.#receipt(1, GROUP, 2)
    await this.#receipt(1, GROUP, 2)
    await this.#ask('receipts', store.receipts.byMessageIds([2, 4]))
    await this.#ask('a receipt', Promise.all([store.receipts.find(2, 1), store.receipts.find(2, 3)]))
    await this.#ask('unread up to', store.receipts.unreadUpTo(1, GROUP, 6, 10))
    await this.#move('moveTo', 1, GROUP, 6)
    await this.#move('moveTo', 1, GROUP, 2)
    await this.#move('moveBefore', 1, GROUP, 4)
    await this.#receipt(1, GROUP, 6)
    await this.#move('moveTo', 2, 'direct_1_2', 3)
    await this.#move('moveBefore', 2, 'direct_1_2', 1)
    await this.#ask('states', store.readPointers.states(2, [GROUP, 'direct_1_2', 'none']))
  }

  async #change(): Promise<void> {
    const { store } = this.#env
    const { reactions } = store
    await this.#ask('reactions', Promise.all([reactions.add(2, 1, 'a'), reactions.add(2, 3, 'b')]))
    await this.#ask('one more', reactions.add(2, 3, 'a'))
    await this.#ask('a repeat', reactions.add(2, 1, 'a'))
    await this.#ask('given', reactions.given(2, 3))
    await this.#ask('who gives it', reactions.users(2, 'a'))
    await this.#ask('taken back', Promise.all([reactions.remove(2, 3, 'b'), reactions.remove(2, 3, 'c')]))
    await this.#ask('by message', reactions.byMessageIds([2]))
    await this.#ask('an edit', store.messages.edit(4, { content: 'edited' }))
    await this.#ask(
      'a deletion',
      store.transaction(async (tx) => {
        await tx.lock(['group:1'])
        const gone = await tx.messages.delete([2], 1)
        tx.append({ topics: ['group:1'], kind: 'message_deleted', payload: { messageId: 2 } })
        return gone
      }),
    )
    await this.#ask('once more', store.messages.delete([2], 1))
    await this.#ask('a reaction to it', reactions.add(2, 1, 'a'))
    await this.#ask('as they are', store.messages.byIds([2, 4]))
    await this.#ask('states after it', store.readPointers.states(1, [GROUP]))
    await this.#ask('roles', Promise.all([store.groups.roles(1, [1, 2, 4]), store.groups.rolesOf(3, [1, 7])]))
  }

  async #log(): Promise<void> {
    const { log } = this.#env.store
    await this.#ask('heads', log.heads([...TOPICS, 'user:9']))
    await this.#ask('the last id', log.lastId())
    await this.#ask('a range', log.read({ topic: 'group:1', after: 1, until: 3 }, 10))
    await this.#ask('the newest', log.newest([whole('group:1'), whole('user:1')], 3))
    await this.#ask('the oldest', log.oldest([whole('group:1'), whole('user:1')], 3))
    for (const cursor of [0, 1, 3, 5, 99]) await this.#ask(`after ${cursor}`, log.positionsAfter(cursor, TOPICS))
    await this.#ask('after infinity', log.positionsAfter(Infinity, TOPICS))
    const position = await this.#env.store.installation.position()
    await this.#ask('after a snapshot', log.positionsAfter(position.position, TOPICS))
  }

  /** What takes two connections. */
  async #atOnce(): Promise<void> {
    const { store, untilBlocked } = this.#env
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    // Its event has a lower id, and is committed later.
    const slow = store.transaction(async (tx) => {
      await tx.lock(['user:3'])
      tx.append({ topics: ['user:3'], kind: 'notification', payload: {} })
      await gate
    })
    const before = await store.installation.position()
    const quick = await this.#ask(
      'a quick one',
      store.transaction(async (tx) => {
        await tx.lock(['user:4'])
        tx.append({ topics: ['user:4'], kind: 'notification', payload: {} })
      }),
    )
    const blocked = store.messages.sendBatch([message(3, { receiverId: 1 }, 'waits')])
    await untilBlocked()
    release()
    await this.#ask('a slow one', slow)
    await this.#ask('one that waited', blocked)
    await this.#ask('after the quick one', store.log.positionsAfter(quick?.entries[0]?.event.id ?? 0, TOPICS))
    await this.#ask('after a snapshot before', store.log.positionsAfter(before.position, TOPICS))
    await this.#losesAccess()
    await this.#sameKey()
  }

  /** A send that read its membership before that ended. */
  async #losesAccess(): Promise<void> {
    const { store, untilBlocked } = this.#env
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    let isLocked = (): void => undefined
    const locked = new Promise<void>((resolve) => (isLocked = resolve))
    const leaving = store.transaction(async (tx) => {
      await tx.lock(['group:1'])
      isLocked()
      await gate
      const group = (await tx.groups.byIds([1])).get(1)
      if (!group) throw new Error('no group')
      const left = await tx.groups.removeMember(group, 3, 'group:1', tx.nextSeq('group:1'))
      tx.append({ topics: ['group:1'], kind: 'member_left', payload: { closes: 3 }, changesAccess: true })
      return left
    })
    await locked
    const sending = store.messages.sendBatch([message(3, { conversationId: GROUP }, 'too late', 'late')])
    await untilBlocked()
    release()
    await this.#ask('a member leaves', leaving)
    await this.#ask('the send that waited', sending)
  }

  /** Two batches with one key. */
  async #sameKey(): Promise<void> {
    const { store } = this.#env
    const both = [1, 2].map(() => store.messages.sendBatch([message(1, { receiverId: 2 }, 'twice', 'same')]))
    const outcomes = await Promise.all(both)
    const statuses = outcomes.map(([outcome]) => outcome?.status ?? '').toSorted((a, b) => a.localeCompare(b))
    this.answers.push({ call: 'the same key at once', answer: statuses })
  }

  async #leave(): Promise<void> {
    const { store } = this.#env
    await this.#ask('memberships', store.conversations.memberships([1, 3]))
    for (const after of ['', 'direct_1_2', 'group_1'])
      await this.#ask(
        `contacts after ${after}`,
        store.conversations.contactPages([1, 3].map((userId) => ({ userId, after, limit: 2 }))),
      )
    await this.#ask('the list', store.conversations.page(1, undefined, 10))
    await this.#ask('a sweep', store.log.sweep(1000, 1000))
    await this.#ask('what is left', store.log.heads(TOPICS))
  }
}
