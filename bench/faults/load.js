import { sleep } from '../support/processes.js'

/** How many messages of one client may wait for their acknowledgement; while they do, it writes no new ones. */
const OUTSTANDING_LIMIT = 16
const ACK_PATIENCE_MS = 5000
const RETRY_AFTER_MS = 500
/** Of four bytes each in UTF-8. */
const LARGE_CONTENT = '\u{1F4AC}'.repeat(4900)

/**
 * Users, and conversations between them: everyone is in two groups and has two direct partners.
 *
 * @param {number} count of users, a multiple of ten
 */
export function cast(count) {
  const users = Array.from({ length: count }, (_, index) => ({ id: index + 1, name: `User ${index + 1}` }))
  const ids = users.map(({ id }) => id)
  const groupCount = count / 10
  const groups = Array.from({ length: groupCount }, (_, group) => [
    ids.filter((id) => Math.floor((id - 1) / 10) === group),
    ids.filter((id) => (id - 1) % groupCount === group),
  ]).flat()
  const pairs = ids.map((id) => [id, (id % count) + 1].sort((a, b) => a - b))
  /** `id` becomes what the system calls the conversation. */
  const conversations = [
    ...groups.map((members, index) => ({ id: `group-${index + 1}`, isGroup: true, members })),
    ...pairs.map((members) => ({ id: `direct_${members.join('_')}`, isGroup: false, members })),
  ]
  return { users, conversations }
}

/** One user who writes messages at a steady pace and sends each until it is acknowledged. */
export class Writer {
  #options
  #outstanding = 0
  #count = 0
  #timer
  #isStopped = false

  /**
   * @param {object} options
   * @param {{ id: number }} options.user
   * @param {{ send(message: object): Promise<void> }} options.client
   * @param {import('./ledger.js').Ledger} options.ledger
   * @param {object[]} options.conversations those of the user
   * @param {number} options.everyMs
   * @param {boolean} options.isDoubled every message is sent twice
   * @param {object[]} options.large conversations that get most of the messages of their members, and large ones
   */
  constructor(options) {
    this.#options = options
  }

  start() {
    const { everyMs } = this.#options
    const next = () => {
      this.#timer = setTimeout(next, everyMs * (0.5 + Math.random()))
      this.#write()
    }
    this.#timer = setTimeout(next, everyMs * Math.random())
  }

  /** Writes no more; what is not acknowledged yet is still sent again. */
  pause() {
    clearTimeout(this.#timer)
  }

  stop() {
    this.pause()
    this.#isStopped = true
  }

  get outstanding() {
    return this.#outstanding
  }

  #write() {
    if (this.#outstanding >= OUTSTANDING_LIMIT) return
    const { user, ledger, isDoubled } = this.#options
    const conversation = this.#choose()
    const key = `${user.id}-${++this.#count}`
    const content = this.#options.large.includes(conversation) ? `${key} ${LARGE_CONTENT}` : `${key} is the key of this message`
    const message = { key, conversation, content, receiverId: conversation.members.find((id) => id !== user.id) }
    ledger.sent(key, conversation)
    this.#outstanding++
    const sending = [this.#send(message)]
    if (isDoubled) sending.push(this.#send(message, Math.random() < 0.5 ? 0 : Math.random() * 200))
    void Promise.all(sending).then(() => this.#outstanding--)
  }

  /** Half of the messages go to groups. */
  #choose() {
    const { conversations, large } = this.#options
    const favourites = large.length > 0 && Math.random() < 0.9 ? conversations.filter((each) => large.includes(each)) : []
    const isGroup = Math.random() < 0.5
    const candidates = favourites.length > 0 ? favourites : conversations.filter((each) => each.isGroup === isGroup)
    return candidates[Math.floor(Math.random() * candidates.length)]
  }

  async #send(message, delayMs = 0) {
    if (delayMs > 0) await sleep(delayMs)
    while (!this.#isStopped) {
      try {
        await this.#inTime(this.#options.client.send(message))
        return this.#options.ledger.acked(message.key)
      } catch {
        await sleep(RETRY_AFTER_MS)
      }
    }
  }

  async #inTime(sending) {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no acknowledgement came')), ACK_PATIENCE_MS)
    })
    try {
      await Promise.race([sending, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
