import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LogEntry } from '../store/event-log.ts'
import type { MessageRecord } from '../store/message-rows.ts'
import type { IndexedMessage } from '../store/search.ts'
import type { Store } from '../store/store.ts'
import { markToken, tokensOf } from './search-words.ts'

/** Each level is for ranges of 2 to the power of it ids: a search begins with the newest and widens only as far as it has to. */
export const RANGE_LEVELS = [12, 16, 20, 24] as const

export const rangeToken = (level: number, range: number): number => markToken(`${level}:${range}`)
export const rangeOf = (level: number, messageId: number): number => Math.floor(messageId / 2 ** level)
export const conversationToken = (conversationId: string): number => markToken(`in ${conversationId}`)
export const senderToken = (userId: number): number => markToken(`from ${userId}`)
export const MEDIA_TOKEN = markToken('media')
export const mentionToken = (userId: number): number => markToken(`to ${userId}`)
export const MENTIONS_ALL_TOKEN = markToken('to all')
/** The token of a UTC year, month or day: `2026`, `2026-11` or `2026-11-27`. */
export const dateToken = (date: string): number => markToken(`on ${date}`)

/** The tokens of a message: its content, conversation, sender, mentions, media and date. None for a deleted one. */
export function indexed(message: MessageRecord): IndexedMessage {
  const { id, conversationId, senderId, content, mediaUrl, mentionIds = [], mentionsAll, at, deletedAt } = message
  if (deletedAt !== undefined) return { messageId: id, tokens: [] }
  const tokens = tokensOf(content)
  tokens.add(conversationToken(conversationId)).add(senderToken(senderId))
  for (const token of rangeTokens(id)) tokens.add(token)
  for (const token of dateTokens(at)) tokens.add(token)
  if (mediaUrl !== null) tokens.add(MEDIA_TOKEN)
  for (const userId of mentionIds) tokens.add(mentionToken(userId))
  if (mentionsAll) tokens.add(MENTIONS_ALL_TOKEN)
  return { messageId: id, tokens: [...tokens] }
}

let ranges: { narrowest: number; tokens: readonly number[] } | undefined

/** The tokens of the ranges that an id lies in; mostly those of the message before. */
function rangeTokens(id: number): readonly number[] {
  const narrowest = rangeOf(RANGE_LEVELS[0], id)
  if (ranges?.narrowest !== narrowest) {
    ranges = { narrowest, tokens: RANGE_LEVELS.map((level) => rangeToken(level, rangeOf(level, id))) }
  }
  return ranges.tokens
}

let today: { day: number; tokens: readonly number[] } | undefined

/** The tokens of a time's year, month and day; mostly today's. */
function dateTokens(at: number): readonly number[] {
  const day = Math.floor(at / 86_400_000)
  if (today?.day !== day) {
    const date = new Date(at).toISOString()
    today = { day, tokens: [4, 7, 10].map((length) => dateToken(date.slice(0, length))) }
  }
  return today.tokens
}

/** How long a sent message waits for others to be indexed with it, in milliseconds; docs/guarantees.md allows 2 s. */
const GATHER_MS = 200
/** How many messages one statement adds, and how many tokens, unless one message has more: some 40 ms in the embedded database. */
const BATCH = 500
const BATCH_TOKENS = 10_000
/** How long one turn of the event loop computes tokens, in milliseconds; a long message takes several by itself. */
const TURN_MS = 4
/** Messages beyond this queue length are left to `catchUp`. */
const CAPACITY = 50_000

/** Adds messages to the index, and yields to the event loop in between. */
async function addAll(search: Pick<Store['search'], 'add'>, messages: readonly MessageRecord[]): Promise<void> {
  let batch: IndexedMessage[] = []
  let tokens = 0
  let began = performance.now()
  for (const message of messages) {
    if (performance.now() - began > TURN_MS) {
      await nextTurn()
      began = performance.now()
    }
    const entry = indexed(message)
    if (batch.length > 0 && (batch.length === BATCH || tokens + entry.tokens.length > BATCH_TOKENS)) {
      await search.add(batch)
      batch = []
      tokens = 0
    }
    batch.push(entry)
    tokens += entry.tokens.length
  }
  if (batch.length > 0) await search.add(batch)
}

/**
 * Fills the search index after the commit, so that sends do not wait for it. `catchUp` adds what a crash or a full queue left out,
 * from the database.
 */
export class SearchIndex {
  readonly #store: Store
  readonly #onError: (error: unknown) => void
  #waiting: MessageRecord[] = []
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()

  constructor(store: Store, onError: (error: unknown) => void) {
    this.#store = store
    this.#onError = onError
  }

  /** Queues the sent messages among the events that a transaction logged. */
  committed(entries: readonly LogEntry[]): void {
    let last: unknown
    for (const { event } of entries) {
      // A direct message is in two topics, one after the other.
      if (event.kind !== 'message_sent' || event.payload === last) continue
      last = event.payload
      if (this.#waiting.length < CAPACITY) this.#waiting.push(event.payload as MessageRecord)
    }
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS).unref()
  }

  /** Adds the queued messages; resolves when searches find them. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // One statement at a time: a slow database must not get more of them.
    this.#flushing = this.#flushing.then(() => this.#add(this.#waiting.splice(0)))
    await this.#flushing
  }

  async #add(messages: readonly MessageRecord[]): Promise<void> {
    try {
      await addAll(this.#store.search, messages)
    } catch (error) {
      // The next `catchUp` adds them.
      this.#onError(error)
    }
  }

  /**
   * Adds messages that are in the database but not in the index, in batches with pauses, since sends come first. Returns at once if
   * another node is doing it.
   */
  async catchUp(isStopping: () => boolean): Promise<void> {
    while (!isStopping()) {
      const { result } = await this.#store.transaction(async (tx) => {
        const next = await tx.search.nextUnindexed(BATCH)
        await addAll(tx.search, next.messages)
        if (next.lastId !== undefined) await tx.search.setIndexedTo(next.lastId)
        return next
      })
      if (result.isLast) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}
