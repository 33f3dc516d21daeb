/** Rules about what is stored, by what was asked and answered. */
import type { Request } from './history.ts'
import type { Of, Truth } from './truth.ts'

interface Asked {
  about: Request
  answer: Of<'answered'> | undefined
}

function requestsOf({ history }: Truth): Asked[] {
  const requests = new Map<number, Asked>()
  for (const entry of history.entries) {
    if (entry.kind === 'asked') requests.set(entry.request, { about: entry.about, answer: undefined })
    else if (entry.kind === 'answered') {
      const asked = requests.get(entry.request)
      if (asked) asked.answer = entry
    }
  }
  return [...requests.values()]
}

/** Whether an event tells of what a request has done, committed by then. */
function hasEvent(
  truth: Truth,
  { about, answer }: Asked,
  kind: string,
  of: (payload: Record<string, unknown>) => boolean,
): boolean {
  return truth.history.committed.some((event) => {
    const payload = (event.payload ?? {}) as Record<string, unknown>
    const messageId = event.messageId ?? payload['messageId']
    return event.kind === kind && messageId === about.messageId && event.committedAt <= (answer?.at ?? 0) && of(payload)
  })
}

export function stored(truth: Truth): string[] {
  const { messages } = truth.history.state
  return requestsOf(truth).flatMap((asked) => {
    const { about, answer } = asked
    if (answer?.code !== 'ok') return []
    const { op, userId, key, content, messageId, reaction } = about
    const what = `${op} of user ${userId} (${key ?? messageId}) was answered with success at ${answer.at.toFixed(1)}`
    if (op === 'send') {
      const message = messages.find((each) => each.senderId === userId && each.key === key)
      if (!message) return [`${what} and is not stored`]
      const isAsSent = message.content === content || message.isEdited || message.isDeleted
      const event = truth.history.committed.find((each) => each.kind === 'message_sent' && each.messageId === message.id)
      if (!isAsSent) return [`${what} and is stored as ${message.content}`]
      return event && event.committedAt <= answer.at ? [] : [`${what} before it was committed`]
    }
    if (op === 'delete') {
      const message = messages.find(({ id }) => id === messageId)
      return message?.isDeleted ? [] : [`${what} and the message is not deleted`]
    }
    const byUser = (payload: Record<string, unknown>): boolean => payload['userId'] === userId || payload['readerId'] === userId
    if (op === 'edit' && !hasEvent(truth, asked, 'message_edited', () => true)) return [`${what} and was not committed`]
    if (op === 'read' && !hasEvent(truth, asked, 'message_read', byUser)) return [`${what} and was not committed`]
    const isOwn = (payload: Record<string, unknown>): boolean => byUser(payload) && payload['reaction'] === reaction
    if (op === 'react' && !hasEvent(truth, asked, 'reaction_added', isOwn)) return [`${what} and was not committed`]
    return []
  })
}

/** A refusal that nothing changes uses no key up, and stores nothing. */
export function refused(truth: Truth): string[] {
  const byKey = new Map<string, Asked[]>()
  for (const asked of requestsOf(truth)) {
    const { op, userId, key } = asked.about
    if (op === 'send') byKey.set(`${userId} ${key}`, [...(byKey.get(`${userId} ${key}`) ?? []), asked])
  }
  return [...byKey].flatMap(([name, all]) => {
    const isRefused = all.every(({ answer }) => answer !== undefined && !['ok', 'unknown'].includes(answer.code))
    const isStored = truth.history.state.messages.some(({ senderId, key }) => `${senderId} ${key}` === name)
    return isRefused && isStored ? [`a send (${name}) was refused with ${all[0]?.answer?.code} and is stored`] : []
  })
}

export function sentOnce(truth: Truth): string[] {
  const found: string[] = []
  const keys = new Set<string>()
  for (const { senderId, key, id } of truth.history.state.messages) {
    if (key !== null && keys.has(`${senderId} ${key}`)) found.push(`the key ${key} of user ${senderId} is stored twice`)
    keys.add(`${senderId} ${key}`)
    const events = truth.history.committed.filter((event) => event.kind === 'message_sent' && event.messageId === id)
    const ids = new Set(events.map((event) => event.id))
    if (ids.size > 1) found.push(`message ${id} was sent by the events ${[...ids].join(', ')}`)
  }
  return found
}

/** A send that is repeated gets the same success. */
export function sameSuccess(truth: Truth): string[] {
  return requestsOf(truth).flatMap(({ about: { op, userId, key }, answer }) => {
    if (op !== 'send' || answer?.code !== 'ok' || answer.messageId === undefined) return []
    const message = truth.history.state.messages.find((each) => each.senderId === userId && each.key === key)
    return message && message.id !== answer.messageId
      ? [`the send ${key} of user ${userId} was answered with message ${answer.messageId}, and ${message.id} is stored`]
      : []
  })
}

/** What of payloads makes up the state. */
interface Folded {
  messageId?: number
  userId?: number
  reaction?: string
  closes?: number
  opens?: { topic: string }
}

function folded(truth: Truth): string[] {
  const { committed, state } = truth.history
  const reactions = new Set<string>()
  const members = new Set<string>()
  for (const { kind, payload, topic } of committed) {
    const { messageId = 0, userId = 0, reaction = '', closes, opens } = (payload ?? {}) as Folded
    if (kind === 'reaction_added') reactions.add(`${messageId} ${userId} ${reaction}`)
    else if (kind === 'reaction_removed') reactions.delete(`${messageId} ${userId} ${reaction}`)
    else if (kind === 'message_deleted') {
      for (const each of reactions) if (each.startsWith(`${messageId} `)) reactions.delete(each)
    } else if (topic.startsWith('user:') && opens) members.add(`${topic.slice(5)} ${opens.topic.slice(6)}`)
    else if (kind === 'member_left' && closes !== undefined) members.delete(`${closes} ${topic.slice(6)}`)
  }
  const differ = (what: string, told: ReadonlySet<string>, is: ReadonlySet<string>): string[] => [
    ...[...told].filter((each) => !is.has(each)).map((each) => `an event tells of the ${what} ${each}, which is not stored`),
    ...[...is].filter((each) => !told.has(each)).map((each) => `the ${what} ${each} is stored, and no event tells of it`),
  ]
  return [
    ...differ('reaction', reactions, new Set(state.reactions.map((each) => `${each.messageId} ${each.userId} ${each.reaction}`))),
    ...differ('membership', members, new Set(state.members.map(({ userId, groupId }) => `${userId} ${groupId}`))),
  ]
}

/** Each change with its events, each event with its change, and in each topic numbers without holes. */
export function allOrNothing(truth: Truth): string[] {
  const found = folded(truth)
  const { committed, state } = truth.history
  const sent = new Set(committed.flatMap((event) => (event.kind === 'message_sent' ? `${event.messageId} ${event.topic}` : [])))
  const deleted = new Set(
    committed.flatMap(({ kind, payload }) => (kind === 'message_deleted' ? (payload as { messageId: number }).messageId : [])),
  )
  for (const { id, conversationId, isDeleted } of state.messages) {
    const pair = /^direct_(\d+)_(\d+)$/.exec(conversationId)
    const topics = pair ? [`user:${pair[1]}`, `user:${pair[2]}`] : [`group:${conversationId.slice(6)}`]
    for (const topic of topics) if (!sent.has(`${id} ${topic}`)) found.push(`message ${id} has no event in ${topic}`)
    if (isDeleted !== deleted.has(id))
      found.push(
        isDeleted
          ? `message ${id} is deleted without an event`
          : `message ${id} has an event of its deletion, and is not deleted`,
      )
  }
  for (const [topic, events] of truth.byTopic) {
    const hole = events.findIndex(({ seq }, index) => seq !== index + 1)
    if (hole >= 0) found.push(`${topic} has seq ${events[hole]?.seq} after ${hole}`)
    const turned = events.findIndex(({ id }, index) => id <= (events[index - 1]?.id ?? 0))
    if (turned >= 0) found.push(`in ${topic} the event ${events[turned]?.id} comes after one with a higher id`)
  }
  return found
}

/** A read pointer moves back only where its user said so. */
export function readPointers(truth: Truth): string[] {
  const undone = new Set(
    requestsOf(truth).flatMap(({ about }) => (about.op === 'unread' ? `user:${about.userId} ${about.conversationId}` : [])),
  )
  const pointers = new Map<string, number>()
  return truth.history.committed.flatMap(({ kind, topic, payload }) => {
    if (kind === 'member_left') {
      // A later membership begins anew.
      const { user, conversationId } = payload as { user: { id: number }; conversationId: string }
      pointers.delete(`user:${user.id} ${conversationId}`)
    }
    if (kind !== 'conversation_read') return []
    const { conversationId, readUpTo } = payload as { conversationId: string; readUpTo: number | null }
    const key = `${topic} ${conversationId}`
    const before = pointers.get(key) ?? 0
    pointers.set(key, readUpTo ?? 0)
    const isBack = (readUpTo ?? 0) < before && !undone.has(key)
    return isBack ? [`the read pointer of ${topic} in ${conversationId} went back from ${before} to ${readUpTo}`] : []
  })
}
