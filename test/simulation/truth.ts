/** What a history should have been, from what was committed alone: who was entitled to which event. */
import type { CommittedEvent, History, Protocol, Recorded } from './history.ts'

/** An event that a user was entitled to, and where it stands for them. */
export interface Visible {
  id: number
  topic: string
  seq: number
  kind: string
  committedAt: number
  /** The message that it tells of. */
  messageId: number | undefined
  /** When the membership ended that entitled the user to it. */
  endedAt: number
}

interface Membership {
  since: number
  until: number
  endedAt: number
  historyAfter: number
}

interface Payload {
  messageId?: number
  closes?: number
  blockerId?: number
  opens?: { topic: string; sinceSeq: number; historyAfter?: number }
}

export interface Truth {
  history: History
  byTopic: ReadonlyMap<string, readonly CommittedEvent[]>
  byId: ReadonlyMap<number, CommittedEvent>
  visibleTo(userId: number): ReadonlyMap<number, Visible>
  streams: readonly Stream[]
  clients: readonly ClientHistory[]
}

export type Of<K extends Recorded['kind']> = Extract<Recorded, { kind: K }>

/** One stream of events, from its opening. */
export interface Stream {
  name: string
  client: string
  userId: number
  protocol: Protocol
  after: string | null
  openedAt: number
  /** Undefined: open to the end. */
  closedAt: number | undefined
  code: number | undefined
  entries: (Of<'delivered'> | Of<'resumed'>)[]
  /** When an event failed in it; undefined: never. */
  failedAt: number | undefined
  /** How often it asked for what was missed. */
  resumes: number
}

/** What one client saw, in order. */
export interface ClientHistory {
  name: string
  userId: number
  protocol: Protocol
  entries: Recorded[]
}

const payloadOf = ({ payload }: CommittedEvent): Payload => (payload ?? {}) as Payload
const messageIdOf = (event: CommittedEvent): number | undefined => event.messageId ?? payloadOf(event).messageId

/** The memberships of a user in each group's topic, from the events that began and ended them. */
function membershipsOf(userId: number, byTopic: Truth['byTopic']): Map<string, Membership[]> {
  const found = new Map<string, Membership[]>()
  for (const event of byTopic.get(`user:${userId}`) ?? []) {
    const { opens } = payloadOf(event)
    if (!opens) continue
    const end = byTopic.get(opens.topic)?.find((each) => each.seq > opens.sinceSeq && payloadOf(each).closes === userId)
    const membership = {
      since: opens.sinceSeq,
      until: end?.seq ?? Infinity,
      endedAt: end?.committedAt ?? Infinity,
      historyAfter: opens.historyAfter ?? 0,
    }
    found.set(opens.topic, [...(found.get(opens.topic) ?? []), membership])
  }
  return found
}

function visibleOf(userId: number, byTopic: Truth['byTopic']): Map<number, Visible> {
  const visible = new Map<number, Visible>()
  const add = (event: CommittedEvent, endedAt: number): void => {
    const { id, topic, seq, kind, committedAt } = event
    if (!visible.has(id)) visible.set(id, { id, topic, seq, kind, committedAt, messageId: messageIdOf(event), endedAt })
  }
  for (const event of byTopic.get(`user:${userId}`) ?? [])
    if (event.kind !== 'block_changed' || payloadOf(event).blockerId === userId) add(event, Infinity)
  for (const [topic, memberships] of membershipsOf(userId, byTopic)) {
    for (const event of byTopic.get(topic) ?? []) {
      const membership = memberships.find(({ since, until }) => event.seq > since && event.seq <= until)
      const messageId = messageIdOf(event)
      if (membership && !(messageId !== undefined && messageId <= membership.historyAfter)) add(event, membership.endedAt)
    }
  }
  return visible
}

function streamsOf(entries: readonly Recorded[]): Stream[] {
  const streams = new Map<string, Stream>()
  for (const entry of entries) {
    if (entry.kind === 'opened') {
      const { stream: name, client, userId, protocol, after, at } = entry
      const about = { openedAt: at, closedAt: undefined, code: undefined, entries: [], failedAt: undefined, resumes: 0 }
      streams.set(name, { name, client, userId, protocol, after, ...about })
    } else if (entry.kind === 'delivered' || entry.kind === 'resumed') streams.get(entry.stream)?.entries.push(entry)
    else if (entry.kind === 'resumes' || entry.kind === 'failed') {
      const stream = streams.get(entry.stream)
      if (entry.kind === 'resumes' && stream) stream.resumes++
      else if (stream) stream.failedAt ??= entry.at
    } else if (entry.kind === 'closed') Object.assign(streams.get(entry.stream) ?? {}, { closedAt: entry.at, code: entry.code })
  }
  return [...streams.values()]
}

function clientsOf(entries: readonly Recorded[]): ClientHistory[] {
  const clients = new Map<string, ClientHistory>()
  for (const entry of entries) {
    if (entry.kind === 'client' && !clients.has(entry.client)) {
      const { client: name, userId, protocol } = entry
      clients.set(name, { name, userId, protocol, entries: [] })
    }
    if ('client' in entry) clients.get(entry.client)?.entries.push(entry)
  }
  return [...clients.values()]
}

export function truthOf(history: History): Truth {
  const byTopic = new Map<string, CommittedEvent[]>()
  const byId = new Map<number, CommittedEvent>()
  for (const event of history.committed) {
    byTopic.set(event.topic, [...(byTopic.get(event.topic) ?? []), event])
    if (!byId.has(event.id)) byId.set(event.id, event)
  }
  const known = new Map<number, Map<number, Visible>>()
  return {
    history,
    byTopic,
    byId,
    visibleTo(userId) {
      let visible = known.get(userId)
      if (!visible) known.set(userId, (visible = visibleOf(userId, byTopic)))
      return visible
    },
    streams: streamsOf(history.entries),
    clients: clientsOf(history.entries),
  }
}

/** Kinds that a legacy client does not receive. */
const NOT_PUSHED = new Set(['block_changed', 'conversation_settings_changed', 'notification_read', 'user_erased'])
const OF_A_MESSAGE = new Set(['message_sent', 'message_edited', 'reaction_added', 'reaction_removed'])

/** Whether a client of this protocol may go without an event: it has no push, or tells of a message that was deleted since. */
export function mayBeLeftOut({ history }: Truth, protocol: Protocol, { kind, messageId }: Visible): boolean {
  if (protocol === 'graphql') return false
  if (NOT_PUSHED.has(kind)) return true
  return OF_A_MESSAGE.has(kind) && history.state.messages.some(({ id, isDeleted }) => id === messageId && isDeleted)
}
