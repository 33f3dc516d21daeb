import { expect, test } from 'vitest'
import { check } from './checker.ts'
import type { CommittedEvent, Entry, FinalState, History, Recorded, StoredMessage } from './history.ts'

/** A history written by hand: users 1 and 2 write to each other, and user 1 is in group 1 from its event 1 on. */
class Handmade {
  readonly entries: Recorded[] = []
  readonly committed: CommittedEvent[] = []
  readonly messages: StoredMessage[] = []
  readonly members: { userId: number; groupId: number }[] = []
  swept: Record<string, number> = {}
  online: number[] = [1, 2]
  failures: string[] = []
  at = 0
  #id = 0

  add(entry: Entry): this {
    this.entries.push({ ...entry, at: ++this.at })
    return this
  }

  /** Commits an event into topics. */
  commit(topics: readonly string[], kind: string, payload: unknown, messageId: number | null = null): number {
    const id = ++this.#id
    this.at++
    for (const topic of topics) {
      const seq = this.committed.filter((event) => event.topic === topic).length + 1
      const event = { topic, seq, id, kind, messageId, payload, at: 0, xid: id, snapshot: '1:1:', committedAt: this.at }
      this.committed.push(event)
    }
    return id
  }

  direct(content: string, key: string | null = null): number {
    const id = this.messages.length + 1
    this.messages.push({ id, conversationId: 'direct_1_2', senderId: 1, content, key, isDeleted: false, isEdited: false })
    return this.commit(['user:1', 'user:2'], 'message_sent', null, id)
  }

  joinGroup(historyAfter = 0): void {
    this.members.push({ userId: 1, groupId: 1 })
    const opens = { topic: 'group:1', sinceSeq: 1, ...(historyAfter === 0 ? {} : { historyAfter }) }
    this.commit(['group:1', 'user:1'], 'group_updated', { opens })
  }

  /** The client of user 2 connects. */
  open(stream = 'c/1'): this {
    if (!this.entries.some(({ kind }) => kind === 'client'))
      this.add({ kind: 'client', client: 'c', userId: 2, protocol: 'legacy' })
    return this.add({ kind: 'opened', stream, client: 'c', userId: 2, node: 'n', protocol: 'legacy', after: null })
  }

  deliver(id: number, stream = 'c/1', type = 'message_sent'): this {
    this.add({ kind: 'delivered', stream, id, type, about: {} })
    return this.add({ kind: 'given', client: 'c', id, type })
  }

  history(): History {
    const heads = Object.fromEntries(this.committed.map(({ topic, seq }) => [topic, seq]))
    const state: FinalState = {
      messages: this.messages,
      reactions: [],
      members: this.members,
      swept: this.swept,
      heads,
      online: this.online,
      isSteady: true,
      failures: this.failures,
      contacts: { 1: [2], 2: [1] },
    }
    return { entries: this.entries, committed: this.committed, state }
  }

  get broken(): string[] {
    return [...new Set(check(this.history()).map(({ rule }) => rule))]
  }
}

/** Two messages, each delivered. */
function good(): Handmade {
  const made = new Handmade().open()
  made.deliver(made.direct('a')).deliver(made.direct('b'))
  return made
}

/** Two messages that were missed and a live one, in the order in which a connection is given them that has asked for what was missed. */
function resumedWith(order: (ids: readonly [number, number, number]) => number[]): Handmade {
  const made = good().add({ kind: 'closed', stream: 'c/1', code: 1006 })
  const ids = [made.direct('missed'), made.direct('missed, too'), made.direct('live')] as const
  made.open('c/2').add({ kind: 'resumes', stream: 'c/2' })
  for (const id of order(ids)) made.add({ kind: 'delivered', stream: 'c/2', id, type: 'message_sent', about: {} })
  for (const id of ids) made.add({ kind: 'given', client: 'c', id, type: 'message_sent' })
  return made.add({ kind: 'resumed', stream: 'c/2', complete: true })
}

test('a good history breaks no rule', () => {
  expect(good().broken).toEqual([])
})

const ANOMALIES: readonly (readonly [rule: string, make: () => Handmade])[] = [
  [
    'resume',
    () => {
      const made = good()
      made.direct('never given')
      return made
    },
  ],
  [
    'slow clients',
    () => {
      const made = good().add({ kind: 'closed', stream: 'c/1', code: 4508 })
      made.direct('missed')
      return made.open('c/2')
    },
  ],
  [
    'no gap',
    () => {
      const made = new Handmade().open()
      const [a, , c] = [made.direct('a'), made.direct('b'), made.direct('c')]
      return made.deliver(a as number).deliver(c as number)
    },
  ],
  [
    'order',
    () => {
      const made = new Handmade().open()
      const [a, b] = [made.direct('a'), made.direct('b')]
      return made.deliver(b as number).deliver(a as number)
    },
  ],
  ['order', () => resumedWith(([missed, alsoMissed, live]) => [missed, live, alsoMissed])],
  [
    'once in a connection',
    () => {
      const made = good()
      return made.add({ kind: 'delivered', stream: 'c/1', id: 1, type: 'message_sent', about: {} })
    },
  ],
  [
    'entitled',
    () => {
      const made = good()
      made.joinGroup()
      return made.deliver(made.commit(['group:1'], 'group_updated', {}))
    },
  ],
  ['committed first', () => good().deliver(99)],
  [
    'committed first',
    () => {
      const made = new Handmade().open().deliver(1)
      made.direct('late')
      return made
    },
  ],
  [
    'stored',
    () => {
      const about = { op: 'send', userId: 2, key: 'k', content: 'lost' }
      return good().add({ kind: 'asked', request: 1, about }).add({ kind: 'answered', request: 1, code: 'ok' })
    },
  ],
  [
    'refused',
    () => {
      const made = good().add({ kind: 'asked', request: 1, about: { op: 'send', userId: 1, key: 'k', content: 'c' } })
      made.deliver(made.direct('c', 'k'))
      return made.add({ kind: 'answered', request: 1, code: 'FORBIDDEN' })
    },
  ],
  [
    'sent once',
    () => {
      const made = good()
      return made.deliver(made.direct('twice', 'k')).deliver(made.direct('twice', 'k'))
    },
  ],
  [
    'same success',
    () => {
      const made = good().add({ kind: 'asked', request: 1, about: { op: 'send', userId: 1, key: 'k', content: 'c' } })
      made.deliver(made.direct('c', 'k'))
      return made.add({ kind: 'answered', request: 1, code: 'ok', messageId: 77 })
    },
  ],
  [
    'all or nothing',
    () => {
      const made = good()
      made.messages.push({ ...(made.messages[0] as StoredMessage), id: 50, key: 'without an event' })
      return made
    },
  ],
  [
    'read pointers',
    () => {
      const made = good()
      for (const readUpTo of [2, 1])
        made.deliver(
          made.commit(['user:2'], 'conversation_read', { conversationId: 'direct_1_2', readUpTo }),
          'c/1',
          'conversation_read',
        )
      return made
    },
  ],
  [
    'typing and presence',
    () => good().add({ kind: 'delivered', stream: 'c/1', id: null, type: 'online_status', about: { userId: 1, online: false } }),
  ],
  [
    'typing and presence',
    () =>
      good().add({
        kind: 'delivered',
        stream: 'c/1',
        id: null,
        type: 'typing',
        about: { userId: 1, conversationId: 'direct_1_2', typing: true },
      }),
  ],
  ['comes back', () => good().add({ kind: 'closed', stream: 'c/1', code: 1006 })],
  [
    'cursor of state',
    () => {
      const made = new Handmade().add({ kind: 'client', client: 'c', userId: 2, protocol: 'graphql' })
      const id = made.direct('shown')
      made.add({ kind: 'loading', client: 'c' }).add({ kind: 'loaded', client: 'c', messages: [1] })
      const about = { client: 'c', userId: 2, node: 'n', protocol: 'graphql' as const, after: 'cursor' }
      made.add({ kind: 'opened', stream: 'c/1', ...about })
      return made.add({ kind: 'delivered', stream: 'c/1', id, type: 'message_sent', about: { messageId: 1 } })
    },
  ],
  [
    'no failure',
    () => {
      const made = good()
      made.failures = ['operation: a bug']
      return made
    },
  ],
]

test.each(ANOMALIES)('a history with its anomaly breaks the rule "%s"', (rule, make) => {
  expect(make().broken).toContain(rule)
})

test('what a client was told to be incomplete it need not be given', () => {
  const made = good().add({ kind: 'closed', stream: 'c/1', code: 1006 })
  made.direct('missed')
  expect(made.open('c/2').add({ kind: 'told incomplete', client: 'c' }).broken).toEqual([])
})

test('what was on its way when a client asked for what it missed may come first', () => {
  expect(resumedWith(([missed, alsoMissed, live]) => [live, missed, alsoMissed]).broken).toEqual([])
})

test('what comes after an event that failed is given again', () => {
  const made = good()
  const [failed, next] = [made.direct('failed'), made.direct('next')]
  made.add({ kind: 'failed', stream: 'c/1' })
  made.add({ kind: 'delivered', stream: 'c/1', id: next, type: 'message_sent', about: {} })
  made.add({ kind: 'closed', stream: 'c/1', code: 1000 })
  expect(made.open('c/2').deliver(failed, 'c/2').deliver(next, 'c/2').broken).toEqual([])
})

test('a client that left for good needs nothing', () => {
  const made = good().add({ kind: 'client left', client: 'c' }).add({ kind: 'closed', stream: 'c/1', code: 1000 })
  made.direct('missed')
  expect(made.broken).toEqual([])
})
