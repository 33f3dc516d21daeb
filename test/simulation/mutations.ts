/** Planted faults: small changes of the product, each of which breaks a promise and has to be found. */

export interface Mutation {
  name: string
  file: string
  /** What is in the file exactly once. */
  from: string
  to: string
  /** The rules that it may break. */
  breaks: readonly string[]
}

const m = (name: string, file: string, [from, to]: readonly [string, string], ...breaks: string[]): Mutation => ({
  name,
  file,
  from,
  to,
  breaks,
})

export const MUTATIONS: readonly Mutation[] = [
  m(
    'a change is published before it is committed',
    'src/chat/commit.ts',
    [
      'const changed = await change(tx)',
      `const changed = await change({ ...tx, append: (event) => {
        tx.append(event)
        this.publish(event.topics.map((topic) => ({ topic, seq: tx.nextSeq(topic) - 1, event: { id: 900_000 + tx.nextSeq(topic), at: Date.now(), kind: event.kind, payload: event.message ?? event.payload } })))
      } })`,
    ],
    'committed first',
  ),
  m(
    'a position check does not compare with the log',
    'src/live/topics.ts',
    ['if (head > topic.head) topic.head = head\n        if (topic.head', 'if (topic.head'],
    'resume',
    'no gap',
  ),
  m(
    'a hint is delivered whatever its place',
    'src/live/topics.ts',
    ['if (seq === topic.position + 1) {', 'if (seq > topic.position) {'],
    'no gap',
    'order',
    'resume',
  ),
  m(
    'a repeated hint is delivered again',
    'src/live/topics.ts',
    ['if (seq <= topic.position) return\n      if (seq === topic.position + 1)', 'if (seq <= topic.position + 1)'],
    'once in a connection',
    'order',
  ),
  m(
    'what is read from the log is delivered again',
    'src/live/topics.ts',
    ['if (seq <= (topic.position as number)) continue', ''],
    'once in a connection',
    'order',
  ),
  m(
    'the position is set before the log is read',
    'src/live/topics.ts',
    [
      'const entries = await this.#readEntries({ topic: name, after: topic.position as number, until: head })',
      'const after = topic.position as number\n        topic.position = head\n        const entries = await this.#readEntries({ topic: name, after, until: head })',
    ],
    'no gap',
    'resume',
    'order',
  ),
  m(
    'catching up stops at the first failure',
    'src/live/topics.ts',
    ["onError('catch up', error)\n", "onError('catch up', error)\n        topic.position = topic.head\n"],
    'no gap',
    'resume',
  ),
  m(
    'the head is read before the topic is subscribed to',
    'src/live/topics.ts',
    [
      'topic.subscription = await this.#pubsub.subscribe(topic.name, (hint: Hint) => this.#onHint(topic, hint), HINTS)\n    const head = await this.#loadHead(topic.name)',
      'const head = await this.#loadHead(topic.name)\n    topic.subscription = await this.#pubsub.subscribe(topic.name, (hint: Hint) => this.#onHint(topic, hint), HINTS)\n    topic.head = head',
    ],
    'resume',
    'no gap',
  ),
  m(
    'a listener that left is still told',
    'src/live/topics.ts',
    ['if (topic?.listeners.delete(listener)) this.#release(topic)', 'void topic'],
    'entitled',
    'once in a connection',
  ),
  m(
    'hints that came early are forgotten',
    'src/live/topics.ts',
    [
      'topic.outOfOrder.set(seq, event as DurableEvent)\n    if (topic.position !== undefined) void this.#catchUp(topic)',
      'void seq',
    ],
    'resume',
    'no gap',
  ),
  m(
    'one who was removed goes on receiving',
    'src/live/feed.ts',
    ['} else if (closingOf(event) === this.#userId) this.#leave(subscription, seq)', '}'],
    'entitled',
  ),
  m(
    'a new membership begins with what comes next',
    'src/live/feed.ts',
    ['if (ranges.length > 0) await this.#catchUp(subscription, ranges)', ''],
    'resume',
    'no gap',
  ),
  m(
    'a removal while a feed is opened is not noticed',
    'src/live/feed.ts',
    ['if ((await Promise.all(attached)).includes(true)) await this.#leaveEnded()', 'await Promise.all(attached)'],
    'entitled',
    'resume',
  ),
  m('a new membership is not listened to', 'src/live/feed.ts', ['void this.#join(topic, sinceSeq)', ''], 'resume'),
  m(
    'events from before a membership are delivered',
    'src/live/feed.ts',
    [
      'if (!subscription.isOpen || seq <= subscription.since || seq <= subscription.shown) return',
      'if (!subscription.isOpen || seq <= subscription.shown) return',
    ],
    'entitled',
  ),
  m(
    'what a query has shown comes again',
    'src/live/feed.ts',
    [
      'if (!subscription.isOpen || seq <= subscription.since || seq <= subscription.shown) return',
      'if (!subscription.isOpen || seq <= subscription.since) return',
    ],
    'cursor of state',
  ),
  m(
    'hidden history is delivered',
    'src/live/feed.ts',
    ['return membership !== undefined && messageId <= membership.historyAfter', 'return false'],
    'entitled',
  ),
  m(
    'live events do not wait for a replay',
    'src/live/feed.ts',
    ['for (const subscription of this.#subscriptions) subscription.buffered ??= []', ''],
    'order',
    'once in a connection',
  ),
  m(
    'a replay forgets what it has delivered',
    'src/live/replay.ts',
    ['if (until > from) target.addDelivered({ topic, after: from, until })', ''],
    'once in a connection',
  ),
  m(
    'what was delivered before is replayed again',
    'src/live/ranges.ts',
    ['if (topic !== wanted.topic) continue', 'if (topic !== wanted.topic || after >= 0) continue'],
    'once in a connection',
  ),
  m(
    'a replay that is cut says it is complete',
    'src/live/replay-plan.ts',
    ['start: complete && !isTooMuch ? { complete: true }', 'start: complete ? { complete: true }'],
    'resume',
  ),
  m(
    'events that retention deleted are not reported',
    'src/live/replay-plan.ts',
    ['complete = positions.known && !isSwept && overlap.isWhole', 'complete = positions.known && overlap.isWhole'],
    'resume',
  ),
  m(
    'the newest of what was missed is left out',
    'src/live/replay-plan.ts',
    ['until: last.seq }', 'until: last.seq - 1 }'],
    'resume',
    'no gap',
  ),
  m(
    'no event is thought to have overtaken another',
    'src/live/replay.ts',
    ['if (overlapMs === 0 || after === 0) return NO_OVERLAP', 'if (overlapMs >= 0) return NO_OVERLAP'],
    'resume',
  ),
  m(
    'the checkpoint of another client counts',
    'src/live/checkpoints.ts',
    [' && !hasOthersOpen(saved, connection, wanted)', ''],
    'resume',
  ),
  m(
    'a checkpoint says that all was given',
    'src/live/checkpoints.ts',
    ['let seq = seqs[membershipKey(topic, after)] ?? after', 'let seq = WHOLE + 0 * (seqs[membershipKey(topic, after)] ?? 0)'],
    'resume',
  ),
  m(
    'a checkpoint is ahead by one event',
    'src/live/feed.ts',
    ['seqs[membershipKey(topic, since)] = seq\n', 'seqs[membershipKey(topic, since)] = seq + 1\n'],
    'resume',
  ),
  m(
    'a batch that hit a key is not tried again',
    'src/store/send.ts',
    ['if (!isUniqueViolation(error)) throw error\n', 'throw error\n'],
    'no failure',
  ),
  m(
    'a send that lost its access is taken for sent',
    'src/store/send.ts',
    [
      '(stale) => send(stale.map(inputOf), onStored, topicsOf(stale, inputOf)),',
      '(stale) => send(stale.map((row) => ({ ...inputOf(row), key: `${inputOf(row).key}+` })), onStored, topicsOf(stale, inputOf)),',
    ],
    'stored',
    'sent once',
    'all or nothing',
  ),
  m(
    'a repeated send is stored again',
    'src/chat/messages.ts',
    ['messageType, mediaUrl, key }\n      addQuotes', 'messageType, mediaUrl, key: null }\n      addQuotes'],
    'stored',
  ),
  m(
    'keys are not passed on',
    'src/graphql/resolvers/mutations.ts',
    [
      'key: clientMessageId ?? null',
      "key: clientMessageId === 'k' ? null : clientMessageId == null ? null : clientMessageId + String(Math.random())",
    ],
    'stored',
    'sent once',
  ),
  m(
    'a reaction is added without its event',
    'src/chat/reactions.ts',
    [
      'if (changed) tx.append({ topics, kind, payload })',
      "if (changed && kind === 'reaction_added') tx.append({ topics, kind, payload })",
    ],
    'all or nothing',
  ),
  m(
    'a deletion has no event',
    'src/chat/deletions.ts',
    [
      'tx.append({ topics: topicsOf(conversations.get(conversationId) as ConversationRecord), kind: ',
      'if (isGroup) tx.append({ topics: topicsOf(conversations.get(conversationId) as ConversationRecord), kind: ',
    ],
    'all or nothing',
  ),
  m(
    'an edit is not logged',
    'src/chat/edits.ts',
    ["tx.append({ topics, kind: 'message_edited', payload: null, message: edited })", ''],
    'stored',
  ),
  m(
    'leaving is not logged',
    'src/chat/groups.ts',
    ["tx.append({ topics: [topic], kind: 'member_left', payload, changesAccess: true })", ''],
    'all or nothing',
  ),
  m(
    'a new member is not told',
    'src/chat/groups.ts',
    [
      "tx.append({ topics: [topic, userTopic(id)], kind: 'member_joined', payload, changesAccess: true })",
      "tx.append({ topics: [topic], kind: 'member_joined', payload, changesAccess: true })",
    ],
    'all or nothing',
  ),
  m(
    'reading moves the pointer back',
    'src/chat/receipts.ts',
    [
      'const count = await tx.readPointers.moveTo(readerId, conversationId, position)',
      'if (upTo < position.readTo) await tx.readPointers.moveBefore(readerId, conversationId, position)\n        const count = await tx.readPointers.moveTo(readerId, conversationId, position)',
    ],
    'read pointers',
  ),
  m(
    'a receipt is not told to the sender',
    'src/chat/receipts.ts',
    ["tx.append({ topics: [userTopic(senders.get(messageId) as number)], kind: 'message_read', payload })", ''],
    'stored',
  ),
  m(
    'a send is answered before it is written',
    'src/lib/write-queue.ts',
    [
      'const batch = take(lane.waiting)\n',
      'const batch = take(lane.waiting)\n      for (const { resolve } of batch) resolve(({ status: "sent", message: { id: 1, conversationId: "" }, entries: [] }) as never)\n',
    ],
    'stored',
    'same success',
  ),
  m(
    'one slow write drops the rest of its batch',
    'src/lib/batch-loader.ts',
    [
      'return sink.failed(batch.slice(start), error)',
      'return sink.values(part, part.map(() => ({ status: "sent", message: { id: 1, conversationId: "" }, entries: [] }) as never))',
    ],
    'stored',
    'no failure',
  ),
  m(
    'a slow client loses what finds no room',
    'src/transport/socket/writer.ts',
    ['this.#counts.tooSlow++\n    closeWith(this.#ws, CLOSE.tooSlow)\n    return', 'return'],
    'no gap',
    'slow clients',
    'resume',
  ),
  m(
    'durable frames are coalesced',
    'src/transport/socket/writer.ts',
    [
      'if (key !== undefined && waiting + length > this.#maxBufferedBytes / 2) {',
      "if (waiting + length > this.#maxBufferedBytes / 2) {\n        key ??= 'any'",
    ],
    'no gap',
    'resume',
    'slow clients',
  ),
  m(
    'results overtake each other',
    'src/graphql/subscription.ts',
    [
      "else if (!this.#tail && !('then' in result)) this.#deliver(result, event)",
      "else if (!('then' in result)) this.#deliver(result, event)",
    ],
    'order',
  ),
  m(
    'results that are waited for overtake each other',
    'src/graphql/subscription.ts',
    ['(this.#tail ?? Promise.resolve()).then(step)', 'Promise.resolve().then(step)'],
    'order',
  ),
  m(
    'a connection does not tell that it closed',
    'src/live/connections.ts',
    ['this.#onClosed(userId, id, protocol)\n', ''],
    'typing and presence',
  ),
  m(
    'typing does not end by itself',
    'src/chat/typing.ts',
    [
      'const deadline = this.#wheel.at(now + TYPING_MS, () => this.#end(key))',
      'const deadline = this.#wheel.at(now + TYPING_MS, () => undefined)',
    ],
    'typing and presence',
  ),
  m(
    'the end of typing is not pushed',
    'src/chat/typing.ts',
    ['if (place) this.#push(place, false)\n', ''],
    'typing and presence',
  ),
  m(
    'coming online is not announced',
    'src/chat/presence.ts',
    [
      'if (isChange) await this.#announce(userId, isHere, lastActive)',
      'if (isChange && !isHere) await this.#announce(userId, isHere, lastActive)',
    ],
    'typing and presence',
  ),
  m(
    'the client keeps a push for itself',
    'src/clients/legacy/pushes.ts',
    ['if (this.#seen.has(id)) return\n', 'if (this.#seen.has(id) || this.#seen.size % 5 === 4) return this.#seen.clear()\n'],
    'resume',
    'order',
  ),
  m(
    'the client forgets what it holds during a replay',
    'src/clients/legacy/pushes.ts',
    ['const buffered = this.#buffered ?? []', 'const buffered = (this.#buffered ?? []).slice(1)'],
    'resume',
  ),
  m(
    'the client gives live events before missed ones',
    'src/clients/legacy/pushes.ts',
    ['events.sort((a, b) => (isHigher(a.id, b.id) ? 1 : -1))', 'events.reverse()'],
    'order',
  ),
  m('the client does not say what was incomplete', 'src/clients/legacy/pushes.ts', ['this.#enqueue(resume)\n', ''], 'resume'),
  m(
    'the client resumes after what it was just given',
    'src/clients/legacy/client.ts',
    ['data: { last_message_id: pushes.cursor }', 'data: { last_message_id: String(Number(pushes.cursor) + 1) }'],
    'resume',
    'no failure',
  ),
  m(
    'the client repeats a send under another key',
    'src/clients/legacy/requests.ts',
    [
      'if (REPEATABLE.has(waiting.type) && !isHarmful) waiting.isSent = false',
      'if (REPEATABLE.has(waiting.type) && !isHarmful) waiting.resolve({})',
    ],
    'stored',
  ),
  m('the resuming client gives repeats', 'src/clients/resume/resume.ts', ['if (this.#seen.has(id)) return', ''], 'order'),
  m(
    'the resuming client ends a subscription inside of its result',
    'src/clients/resume/resume.ts',
    ['if (unsubscribe) queueMicrotask(unsubscribe)', 'unsubscribe?.()'],
    'comes back',
    'resume',
  ),
  m(
    'the outbox takes a failure for an answer',
    'src/clients/resume/outbox.ts',
    [
      "if (verdictOf(reason) !== 'over') {",
      "if (verdictOf(reason) !== 'over') return complete(entry, { result: { data: { sendMessage: null } } })\n    if (verdictOf(reason) !== 'over') {",
    ],
    'stored',
  ),
]
