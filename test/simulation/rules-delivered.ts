/** Rules about what was delivered: in each stream, and to each client over all its streams. */
import type { CommittedEvent } from './history.ts'
import { mayBeLeftOut, type ClientHistory, type Of, type Stream, type Truth, type Visible } from './truth.ts'

const deliveriesOf = ({ entries }: Stream): Of<'delivered'>[] => entries.filter((entry) => entry.kind === 'delivered')
const durableOf = (stream: Stream): (Of<'delivered'> & { id: number })[] =>
  deliveriesOf(stream).filter((entry): entry is Of<'delivered'> & { id: number } => entry.id !== null)

const placeOf = ({ kind, topic, seq, id }: Visible): string => `event ${id} (${kind}, ${topic} ${seq})`

/** Nothing is delivered that was not committed, and nothing before. */
export function committedFirst(truth: Truth): string[] {
  return truth.streams.flatMap((stream) =>
    durableOf(stream).flatMap(({ id, at, type, about }) => {
      const event = truth.byId.get(id)
      if (!event) return [`${stream.name} was given event ${id} (${type}), which was never committed`]
      if (event.committedAt > at) return [`${stream.name} was given event ${id} (${type}) before it was committed`]
      const isOther = event.messageId !== null && about.messageId !== undefined && about.messageId !== event.messageId
      return isOther ? [`event ${id} came to ${stream.name} as one of message ${about.messageId}`] : []
    }),
  )
}

export function entitled(truth: Truth): string[] {
  return truth.streams.flatMap((stream) => {
    const visible = truth.visibleTo(stream.userId)
    return durableOf(stream).flatMap(({ id, type }) =>
      visible.has(id) || !truth.byId.has(id)
        ? []
        : [`user ${stream.userId} was given event ${id} (${type}, ${truth.byId.get(id)?.topic}) without being entitled to it`],
    )
  })
}

export function onceInAConnection(truth: Truth): string[] {
  return truth.streams.flatMap((stream) => {
    const seen = new Set<number>()
    return durableOf(stream).flatMap(({ id, type }) => {
      const isRepeat = seen.has(id)
      seen.add(id)
      return isRepeat ? [`${stream.name} was given event ${id} (${type}) twice`] : []
    })
  })
}

/** The first of these ids that comes after one of its topic with a higher `seq`. */
function firstOutOfOrder(visible: ReadonlyMap<number, Visible>, ids: Iterable<number>): Visible | undefined {
  const last = new Map<string, number>()
  for (const id of ids) {
    const event = visible.get(id)
    if (!event) continue
    if (event.seq < (last.get(event.topic) ?? 0)) return event
    last.set(event.topic, event.seq)
  }
  return undefined
}

/**
 * The parts of a stream, each as long as can be: in a part the events of a topic come in its order, and where a client asks for what was
 * missed, none is left out. What came before it asked is one part, and what comes from then on another.
 */
function partsOf(truth: Truth, stream: Stream): Visible[] {
  const visible = truth.visibleTo(stream.userId)
  const byTopic = new Map<string, Visible[]>()
  if (stream.resumes > 0)
    for (const event of visible.values()) byTopic.set(event.topic, [...(byTopic.get(event.topic) ?? []), event])
  const given = new Set<number>()
  const mayBeMissing = (event: Visible): boolean =>
    given.has(event.id) ||
    event.seq <= (truth.history.state.swept[event.topic] ?? 0) ||
    mayBeLeftOut(truth, stream.protocol, event)
  const begins: Visible[] = []
  let last = new Map<string, number>()
  for (const { id } of durableOf(stream)) {
    const event = visible.get(id)
    if (!event) continue
    const before = last.get(event.topic)
    const isNext =
      before === undefined ||
      (event.seq >= before &&
        (byTopic.get(event.topic) ?? []).every((each) => each.seq <= before || each.seq >= event.seq || mayBeMissing(each)))
    if (!isNext) {
      begins.push(event)
      last = new Map()
    }
    last.set(event.topic, event.seq)
    given.add(id)
  }
  return begins
}

/** In each stream the events of a topic come in its order; what comes before a resume that the client asks for later may be ahead. */
export function order(truth: Truth): string[] {
  const found: string[] = []
  for (const stream of truth.streams) {
    const event = partsOf(truth, stream)[stream.resumes]
    if (event) found.push(`${stream.name} was given ${placeOf(event)} after a later one of its topic`)
  }
  for (const client of truth.clients) {
    // A replay may reach back to shortly before a client's first connection.
    const first = client.entries.find((entry) => entry.kind === 'opened')?.at ?? 0
    const isOfItsTime = (id: number): boolean => (truth.byId.get(id)?.committedAt ?? 0) >= first
    const givenBefore = new Set<number>()
    // What was missed before a client was told so, and was connected again, may still come.
    let since = 0
    for (const program of programsOf(client)) {
      if (program[0]?.kind === 'told incomplete') since = Infinity
      if (since === Infinity) since = program.find(({ kind }) => kind === 'opened')?.at ?? Infinity
      const isDue = (id: number): boolean => isOfItsTime(id) && (truth.byId.get(id)?.committedAt ?? 0) >= since
      const all = program.flatMap((entry) => (entry.kind === 'given' && isDue(entry.id) ? entry.id : []))
      // What an earlier program was given may be repeated.
      const ids = all.filter((id) => !givenBefore.has(id))
      for (const id of ids) givenBefore.add(id)
      const event = firstOutOfOrder(truth.visibleTo(client.userId), ids)
      if (event) found.push(`the program of ${client.name} was given ${placeOf(event)} after a later one of its topic`)
      const repeated = ids.find((id, index) => ids.indexOf(id) !== index)
      if (repeated !== undefined) found.push(`the program of ${client.name} was given event ${repeated} twice`)
    }
  }
  return found
}

/** A client's history, cut where its program began anew or told that it loads what there is. */
function programsOf({ entries }: ClientHistory): ClientHistory['entries'][] {
  const programs: ClientHistory['entries'][] = []
  for (const entry of entries) {
    if (entry.kind === 'client' || entry.kind === 'told incomplete') programs.push([])
    programs.at(-1)?.push(entry)
  }
  return programs
}

/** Between the first and the last event of a topic that a stream was given, none is missing, before one failed. */
export function noGap(truth: Truth): string[] {
  return truth.streams.flatMap((stream) => {
    const visible = truth.visibleTo(stream.userId)
    const { failedAt = Infinity } = stream
    const ids = durableOf(stream).flatMap(({ id, at }) => (at < failedAt ? id : []))
    const given = new Set(ids)
    // A replay that was cut has not come to what was given before it: each of the two is without gaps.
    const isCut = stream.resumes > stream.entries.filter(({ kind }) => kind === 'resumed').length
    const spans: { topic: string; first: number; last: number }[] = []
    for (const id of ids) {
      const event = visible.get(id)
      if (!event) continue
      const { topic, seq } = event
      const span = spans.findLast((each) => each.topic === topic)
      if (!span || (isCut && seq < span.last)) spans.push({ topic, first: seq, last: seq })
      else Object.assign(span, { first: Math.min(span.first, seq), last: Math.max(span.last, seq) })
    }
    return [...visible.values()].flatMap((event) => {
      const isInside = spans.some(({ topic, first, last }) => topic === event.topic && event.seq > first && event.seq < last)
      const isSwept = event.seq <= (truth.history.state.swept[event.topic] ?? 0)
      const isMissing = isInside && !given.has(event.id) && !isSwept && !mayBeLeftOut(truth, stream.protocol, event)
      return isMissing ? [`${stream.name} was not given ${placeOf(event)}, though what came before and after`] : []
    })
  })
}

/** From when on a client has to get everything, and which messages it was shown by queries. */
function duties(client: ClientHistory): { from: number; shown: Set<number> } {
  const shown = new Set<number>()
  let from = Infinity
  let isWaiting = true
  for (const entry of client.entries) {
    if (entry.kind === 'loaded') {
      for (const id of entry.messages) shown.add(id)
      from = entry.at
      isWaiting = false
    } else if (entry.kind === 'told incomplete') {
      // What was missed is to be loaded by a query; it goes on from here, or from the next connection.
      from = entry.at
      isWaiting = client.protocol === 'graphql' || !isConnectedAt(client, entry.at)
    } else if (entry.kind === 'opened' && isWaiting && client.protocol === 'legacy') {
      from = entry.at
      isWaiting = false
    }
  }
  return { from: isWaiting ? Infinity : from, shown }
}

const isConnectedAt = ({ entries }: ClientHistory, at: number): boolean => {
  const last = entries.findLast((entry) => entry.at <= at && (entry.kind === 'opened' || entry.kind === 'client'))
  return last?.kind === 'opened'
}

/** What a client was entitled to and never given, though nobody told it. */
function missedBy(truth: Truth, client: ClientHistory): Visible[] {
  const { from, shown } = duties(client)
  const given = new Set(client.entries.flatMap((entry) => (entry.kind === 'given' ? entry.id : [])))
  return [...truth.visibleTo(client.userId).values()].filter((event) => {
    if (given.has(event.id) || mayBeLeftOut(truth, client.protocol, event)) return false
    // A query shows no message of a group that was left.
    if (event.kind === 'message_sent' && client.protocol === 'graphql' && from < Infinity && event.endedAt > from)
      return !shown.has(event.messageId ?? 0) && event.committedAt > firstLoad(client)
    return event.committedAt > from
  })
}

const firstLoad = ({ entries }: ClientHistory): number => entries.find(({ kind }) => kind === 'loading')?.at ?? Infinity

const wasTooSlow = (truth: Truth, { name }: ClientHistory): boolean =>
  truth.streams.some(({ client, code }) => client === name && code === 4508)

/** Whether its program has not ended for good. */
const isThere = ({ entries }: ClientHistory): boolean => entries.every(({ kind }) => kind !== 'client left')

const missing = (truth: Truth, clients: readonly ClientHistory[]): string[] =>
  clients
    .filter(isThere)
    .flatMap((client) =>
      missedBy(truth, client).map((event) => `${client.name} (user ${client.userId}) was never given ${placeOf(event)}`),
    )

export function resume(truth: Truth): string[] {
  return missing(
    truth,
    truth.clients.filter((client) => !wasTooSlow(truth, client)),
  )
}

export function slowClients(truth: Truth): string[] {
  return missing(
    truth,
    truth.clients.filter((client) => wasTooSlow(truth, client)),
  )
}

/** A client that went on trying is connected in the end, to any node. */
export function comesBack(truth: Truth): string[] {
  return truth.clients.filter(isThere).flatMap(({ name }) => {
    const isOpen = truth.streams.some(({ client, closedAt }) => client === name && closedAt === undefined)
    return isOpen ? [] : [`${name} is not connected in the end`]
  })
}

/** What comes after a query's cursor is not in its answer already. */
export function cursorOfState(truth: Truth): string[] {
  return truth.clients.flatMap(({ name, entries }) => {
    const loads = entries.filter((entry) => entry.kind === 'loaded')
    return truth.streams.flatMap((stream) => {
      if (stream.client !== name || stream.after === null || /^\d+$/.test(stream.after)) return []
      const load = loads.findLast(({ at }) => at <= stream.openedAt)
      const begun = entries.findLast((entry) => entry.kind === 'loading' && entry.at <= (load?.at ?? 0))
      return durableOf(stream).flatMap(({ id, type, about }) => {
        const event = truth.byId.get(id)
        if (type === 'message_sent' && load?.messages.includes(about.messageId ?? 0))
          return [`${stream.name} was given message ${about.messageId}, which the query had shown`]
        if (event && begun && event.committedAt < begun.at) return [`${stream.name} was given event ${id} from before its query`]
        return []
      })
    })
  })
}

/** Who left a group with this event. */
const leaverOf = (event: CommittedEvent | undefined): number | undefined =>
  (event?.payload as { closes?: number } | null | undefined)?.closes

/** Where nothing went wrong, what is not kept comes to rest as it is. */
export function ephemeral(truth: Truth): string[] {
  const { state } = truth.history
  return truth.streams.flatMap((stream) => {
    const found: string[] = []
    const typing = new Map<string, boolean>()
    const online = new Map<number, boolean>()
    for (const { type, id, about } of deliveriesOf(stream)) {
      const isKept = type !== 'typing' && type !== 'online_status'
      if (isKept !== (id !== null)) found.push(`${stream.name} was given a ${type} ${id === null ? 'without' : 'with'} an id`)
      if (type === 'typing') typing.set(`${about.userId} in ${about.conversationId}`, about.typing === true)
      if (type === 'online_status') online.set(about.userId ?? 0, about.online === true)
      const event = id === null ? undefined : truth.byId.get(id)
      const leaver = leaverOf(event)
      if (leaver === undefined) continue
      // Who shares no conversation any more is not told; they may come back in another state.
      if (leaver === stream.userId) online.clear()
      else online.delete(leaver)
      // The conversation is gone, and with it who was typing there.
      const suffix = ` in group_${event?.topic.slice('group:'.length)}`
      if (leaver === stream.userId) for (const who of [...typing.keys()]) if (who.endsWith(suffix)) typing.delete(who)
    }
    if (stream.closedAt !== undefined || !state.isSteady) return found
    const groups = new Set(state.members.flatMap(({ userId, groupId }) => (userId === stream.userId ? `group_${groupId}` : [])))
    // Who left a group is not told how it goes on.
    const isShown = (who: string): boolean => !/ in group_/.test(who) || groups.has(who.replace(/.* in /, ''))
    for (const [who, isTyping] of typing)
      if (isTyping && isShown(who)) found.push(`${stream.name} shows for ever that user ${who} is typing`)
    for (const [userId, isOnline] of online)
      if (isOnline !== state.online.includes(userId) && state.contacts[stream.userId]?.includes(userId))
        found.push(`${stream.name} shows user ${userId} ${isOnline ? 'online' : 'offline'} in the end`)
    return found
  })
}
