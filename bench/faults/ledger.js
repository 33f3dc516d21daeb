/**
 * Keeps what was acknowledged and what each client received, and says what follows from it. Messages are known by the key
 * that their sender gave them, which is part of their content.
 */
export class Ledger {
  /** How many deliveries of acknowledged messages are still to come. */
  missing = 0
  acknowledged = 0
  /** How many deliveries the acknowledged messages make: one to each member of the conversation, the sender too. */
  expected = 0
  /** Times a message came again on the same connection. */
  repeats = 0
  /** First deliveries that came after one which the server put later in the same conversation. */
  outOfOrder = 0
  /** First deliveries that came after one which was sent only when they had been acknowledged already. */
  outOfAckOrder = 0
  /** Messages that came under two ids. */
  storedTwice = 0
  /** How often a client was told that its resume is incomplete. */
  incompleteResumes = 0
  #messages = new Map()
  #members = new Map()
  #faults = []

  /** @param {readonly { id: number }[]} users */
  constructor(users) {
    for (const { id } of users) {
      this.#members.set(id, { received: new Map(), conversations: new Map(), connection: 0, onConnection: new Set() })
    }
  }

  /** A message goes out for the first time. */
  sent(key, conversation) {
    this.#messages.set(key, { conversation, sentAt: performance.now(), ackedAt: undefined, id: undefined, isTwice: false })
  }

  /** It was acknowledged to its sender. */
  acked(key) {
    const message = this.#messages.get(key)
    if (message.ackedAt !== undefined) return
    message.ackedAt = performance.now()
    this.acknowledged++
    this.expected += message.conversation.members.length
    for (const userId of message.conversation.members) {
      if (!this.#members.get(userId).received.has(key)) this.missing++
    }
  }

  /**
   * A client received a message: on which of its connections, under which id of the message, and at which place in the
   * server's order.
   *
   * @param {number} userId
   * @param {{ key: string, id: number, place: number, connection: number }} delivery
   */
  received(userId, { key, id, place, connection }) {
    const message = this.#messages.get(key)
    if (!message) return
    const member = this.#members.get(userId)
    if (member.connection !== connection) {
      member.connection = connection
      member.onConnection.clear()
    }
    if (member.onConnection.has(key)) this.repeats++
    member.onConnection.add(key)
    message.id ??= id
    if (message.id !== id && !message.isTwice) {
      message.isTwice = true
      this.storedTwice++
    }
    if (member.received.has(key)) return
    member.received.set(key, performance.now())
    if (message.ackedAt !== undefined) this.missing--

    const latest = member.conversations.get(message.conversation) ?? { place: -Infinity, sentAt: -Infinity }
    if (place < latest.place) this.outOfOrder++
    if (latest.sentAt > (message.ackedAt ?? Infinity)) this.outOfAckOrder++
    member.conversations.set(message.conversation, {
      place: Math.max(place, latest.place),
      sentAt: Math.max(message.sentAt, latest.sentAt),
    })
  }

  /** Notes that there was a fault until now, for one user or for all. */
  faultUntilNow(since, userId) {
    this.#faults.push({ since, until: performance.now(), userId })
  }

  /**
   * The longest time that a member lacked an acknowledged message, in ms, not counting the time in which a fault went on;
   * Infinity where one never came.
   */
  longestHeal() {
    if (this.missing > 0) return Infinity
    let longest = 0
    for (const [key, { conversation, ackedAt }] of this.#messages) {
      if (ackedAt === undefined) continue
      for (const userId of conversation.members) {
        const at = this.#members.get(userId).received.get(key)
        longest = Math.max(longest, at - ackedAt - this.#faultTime(ackedAt, at, userId))
      }
    }
    return longest
  }

  /** How much of the time between the two the user was under a fault. */
  #faultTime(from, to, userId) {
    let sum = 0
    for (const fault of this.#faults) {
      if (fault.userId !== undefined && fault.userId !== userId) continue
      sum += Math.max(0, Math.min(to, fault.until) - Math.max(from, fault.since))
    }
    return sum
  }

  /** How many never were acknowledged, however often they were sent. */
  unacknowledged() {
    return this.#messages.size - this.acknowledged
  }

  /** How long acknowledgements took at most, in ms. */
  slowestAck() {
    let slowest = 0
    for (const { sentAt, ackedAt } of this.#messages.values()) slowest = Math.max(slowest, (ackedAt ?? 0) - sentAt)
    return slowest
  }
}
