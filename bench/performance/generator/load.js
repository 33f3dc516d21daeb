import { sleep } from '../../support/processes.js'
import { contentOf, findContent, numberAt, slotAt } from './content.js'
import { received } from './connection.js'
import { Tally } from './tally.js'

/** What has not come when nothing came for so long is lost. */
const PATIENCE_MS = 15_000
/** For what comes twice. */
const LINGER_MS = 200

const has = (bytes, needle, start, end) => {
  const found = bytes.indexOf(needle, start)
  return found >= 0 && found + needle.length <= end
}

/**
 * Messages in rooms: each sender keeps a number of messages unacknowledged, and every member of the room has to receive
 * each of them once. Whatever else happens is thrown by `run`.
 *
 * @typedef {object} Room
 * @property {import('./connection.js').Connection[]} members
 * @property {{ connection: import('./connection.js').Connection, userId: number, target: object }[]} senders also members
 */
export class Load {
  #protocol
  #rooms
  #senders
  #window = 0
  /** So many are to be sent. */
  #limit = 0
  #sent = 0
  #acknowledged = 0
  #due = 0
  #delivered = 0
  #failure
  /** Called when something has come, while the end is waited for. */
  #onProgress

  /**
   * @param {Room[]} rooms
   * @param {import('../protocols/protocol.js').Protocol} protocol
   */
  constructor(rooms, protocol) {
    this.#protocol = protocol
    this.#rooms = rooms
    this.#senders = rooms.flatMap(({ senders, members }) => {
      return senders.map((sender, slot) => ({ ...sender, slot, count: 0, unanswered: 0, memberCount: members.length }))
    })
    const senderOf = new Map(this.#senders.map((sender) => [sender.connection, sender]))
    for (const { members, senders } of rooms) {
      for (const connection of members) {
        const tallies = senders.map(() => new Tally())
        const sender = senderOf.get(connection)
        connection.onText = (bytes, start, end) => this.#receive(tallies, sender, bytes, start, end)
        connection.onLost = (reason) => this.#fail(new Error(`a connection was lost: ${reason}`))
      }
    }
  }

  /**
   * Writes for so long, or so many messages, with so many unacknowledged ones of each sender, and waits until all has come.
   *
   * @param {{ seconds?: number, messages?: number, window: number }} options
   */
  async run({ seconds, messages = Infinity, window }) {
    const before = { sent: this.#sent, delivered: this.#delivered, bytes: received.bytes }
    const since = performance.now()
    this.#window = window
    this.#limit = this.#sent + messages
    for (const sender of this.#senders) this.#fill(sender)
    if (seconds !== undefined) {
      await Promise.race([sleep(seconds * 1000), this.#failed()])
      this.#limit = this.#sent
    }
    await this.#drained()
    const elapsed = (performance.now() - since) / 1000
    return {
      messages: this.#sent - before.sent,
      deliveries: this.#delivered - before.delivered,
      bytes: received.bytes - before.bytes,
      seconds: elapsed,
    }
  }

  /** Resolves when nothing came twice after the end either; the connections may be closed then. */
  async finish() {
    await sleep(LINGER_MS)
    if (this.#failure) throw this.#failure
    for (const { members } of this.#rooms) {
      for (const connection of members) connection.onLost = () => undefined
    }
  }

  #receive(tallies, sender, bytes, start, end) {
    const content = findContent(bytes, start, end)
    if (content >= 0) {
      try {
        tallies[slotAt(bytes, content)].add(numberAt(bytes, content))
      } catch (error) {
        this.#fail(error)
      }
      this.#delivered++
    } else if (this.#protocol.failures.some((failure) => has(bytes, failure, start, end))) {
      this.#fail(new Error(`an error came: ${bytes.toString('utf8', start, end)}`))
    } else if (sender && has(bytes, this.#protocol.acknowledgement, start, end)) {
      this.#acknowledged++
      sender.unanswered--
      this.#fill(sender)
    }
    this.#onProgress?.()
  }

  #fill(sender) {
    while (this.#sent < this.#limit && sender.unanswered < this.#window) {
      const number = sender.count++
      sender.unanswered++
      this.#sent++
      this.#due += sender.memberCount
      const key = `${sender.userId}-${number}`.padStart(36, '0')
      sender.connection.send(this.#protocol.message({ ...sender.target, key, number, content: contentOf(sender.slot, number) }))
    }
  }

  get #isDrained() {
    return this.#sent === this.#limit && this.#acknowledged === this.#sent && this.#delivered === this.#due
  }

  async #drained() {
    let timer
    const drained = new Promise((/** @type {(nothing?: void) => void} */ resolve, reject) => {
      let before = -1
      timer = setInterval(() => {
        const now = this.#acknowledged + this.#delivered
        const lost = `${this.#sent - this.#acknowledged} acknowledgements and ${this.#due - this.#delivered} deliveries`
        if (now === before) reject(new Error(`${lost} did not come`))
        before = now
      }, PATIENCE_MS)
      this.#onProgress = () => this.#isDrained && resolve()
      this.#onProgress()
    })
    try {
      await Promise.race([drained, this.#failed()])
    } finally {
      clearInterval(timer)
      this.#onProgress = undefined
    }
  }

  /** Rejects when something goes wrong. */
  #failed() {
    return new Promise((_, reject) => {
      if (this.#failure) reject(this.#failure)
      else this.#reject = reject
    })
  }

  /** @type {(error: Error) => void} */
  #reject = () => undefined

  #fail(error) {
    this.#limit = this.#sent
    this.#failure ??= error
    this.#reject(error)
  }
}
