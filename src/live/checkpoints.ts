import { randomUUID } from 'node:crypto'
import type { CheckpointStore } from '../cluster/checkpoint-store.ts'
import type { EventCursor } from '../ids.ts'
import { hasMembers, isAbsentOr, isCount, isListOf, isObject, isText } from '../lib/received.ts'
import type { TopicRange } from '../store/event-log.ts'

/**
 * What a connection had been delivered when it closed. A cursor is one number, and on several nodes the event of one topic may
 * overtake that of another: with the checkpoint of the client's last connection a resume knows what was not delivered; without
 * it a resume has to repeat recent events.
 */
export interface Checkpoint {
  /** The scope of its deliveries: only a resume of the same scope can use it. */
  scope: string
  /** The cursor that the connection resumed after, or its first event. */
  from: number
  /** The highest delivered event id. */
  to: number
  /**
   * The `seq` up to which everything was delivered, for each range of a topic that it knew to be the user's; it had not yet
   * received the start of other ranges.
   */
  seqs: Readonly<Record<string, number>>
  /** Events delivered after one with a higher id, which was `behind`. */
  late: readonly LateEvent[]
  /** Set if it does not describe what was delivered: a client with a cursor in its range may have missed what was overtaken. */
  isVague?: true | undefined
}

export interface LateEvent {
  topic: string
  seq: number
  id: number
  behind: number
}

/** Stores checkpoints for a while, for all nodes. All but `load` return at once; failures are ignored. */
export interface Checkpoints {
  /** A connection that is to leave a checkpoint was opened. */
  opened(userId: number, name: string): void
  /** It was closed; without a checkpoint if there is nothing to tell. */
  closed(userId: number, name: string, checkpoint: Checkpoint | undefined): void
  /** The user's latest ones; empty if they can't be read. */
  load(userId: number): Promise<SavedCheckpoints>
}

export interface SavedCheckpoints {
  checkpoints: readonly Checkpoint[]
  /** The names of connections that left none: they are open, or ended without notice. */
  open: readonly string[]
  /** Whether none of the last minutes is missing, which may be the client's own. */
  isWhole: boolean
}

/** Checkpoints as texts that all nodes can read. `onUnreadable` is called for each invalid one, which is skipped. */
export const createCheckpoints = (store: CheckpointStore, onUnreadable: () => void = () => undefined): Checkpoints => ({
  opened: (userId, name) => store.opened(userId, name),
  closed: (userId, name, checkpoint) => store.closed(userId, name, checkpoint && JSON.stringify(checkpoint)),
  async load(userId) {
    const { texts, open, isWhole } = await store.load(userId)
    const checkpoints = texts.map(parse)
    const readable = checkpoints.filter((each) => each !== undefined)
    for (let count = checkpoints.length - readable.length; count > 0; count--) onUnreadable()
    return { checkpoints: readable, open, isWhole: isWhole && readable.length === checkpoints.length }
  },
})

/** A name that no other connection has, and that contains its scope. */
export const connectionName = (scope: string): string => `${randomUUID()} ${scope}`

/** Whether another connection with this scope has left no checkpoint. */
const hasOthersOpen = ({ open }: SavedCheckpoints, own: string, scope: string): boolean =>
  open.some((name) => name !== own && name.slice(name.indexOf(' ') + 1) === scope)

/**
 * The checkpoints of connections that a client with this cursor may have had. `hasItsOwn`: its own is among them, however many
 * clients the user has; without it the checkpoints of the others do not describe what the client was delivered.
 */
export function matching(
  saved: SavedCheckpoints,
  { scope: wanted, connection, cursor }: { scope: string; connection: string; cursor: number },
): { checkpoints: Checkpoint[]; hasItsOwn: boolean } {
  const all = saved.checkpoints.filter(({ scope, from, to }) => scope === wanted && from <= cursor && cursor <= to)
  const checkpoints = all.filter(({ isVague }) => !isVague)
  const isAnyVague = checkpoints.length < all.length
  const hasItsOwn = checkpoints.length > 0 && !isAnyVague && saved.isWhole && !hasOthersOpen(saved, connection, wanted)
  return { checkpoints, hasItsOwn }
}

const isCheckpoint = hasMembers<Checkpoint>({
  scope: isText,
  from: isCount,
  to: isCount,
  seqs: (seqs) => isObject(seqs) && Object.values(seqs).every(isCount),
  late: isListOf(hasMembers({ topic: isText, seq: isCount, id: isCount, behind: isCount })),
  isVague: isAbsentOr((value) => value === true),
})

function parse(text: string): Checkpoint | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isCheckpoint(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** More late events than that come from a replay in mid connection, which no checkpoint can describe. */
const LATE_LIMIT = 200

/** Tracks what a connection is delivered. */
export class CheckpointRecorder {
  #from: number | undefined
  #to = 0
  /** The lowest cursor that a replay in mid connection began after: its client may be anywhere from there on. */
  #lowest = Infinity
  readonly #late: LateEvent[] = []
  /** Unfinished replays in mid connection: what they have not delivered yet is behind what was delivered. */
  #unfinished = 0

  /** A replay after this cursor begins; `isFirst`: before any delivery. Returns what to call when it is done. */
  replays(after: EventCursor, isFirst: boolean): () => void {
    // Events after a snapshot may have lower ids than its last one: the checkpoint then begins at the delivered ids.
    if (isFirst && typeof after === 'object') return () => undefined
    if (isFirst && typeof after === 'number' && Number.isFinite(after)) {
      this.#from ??= after
      if (after > this.#to) this.#to = after
      return () => undefined
    }
    if (typeof after === 'number') this.#lowest = Math.min(this.#lowest, after)
    this.#unfinished++
    return () => this.#unfinished--
  }

  delivered(topic: string, seq: number, id: number): void {
    this.#from ??= id
    if (id >= this.#to) this.#to = id
    else if (this.#late.length <= LATE_LIMIT) this.#late.push({ topic, seq, id, behind: this.#to })
  }

  /** The checkpoint, with the `seq` up to which each range was delivered; undefined if nothing was delivered. */
  close(scope: string, seqs: Readonly<Record<string, number>>): Checkpoint | undefined {
    if (this.#from === undefined) return undefined
    const isVague = this.#unfinished > 0 || this.#late.length > LATE_LIMIT
    if (!isVague) return { scope, from: this.#from, to: this.#to, seqs, late: this.#late }
    return { scope, from: Math.min(this.#from, this.#lowest), to: this.#to, seqs, late: [], isVague }
  }
}

/**
 * The `seq` of a topic's range after which a client with this cursor may have missed events, by what its connection was
 * delivered: it received the beginning of that, up to the cursor's event.
 */
export function deliveredUntil({ seqs, late }: Checkpoint, { topic, after, until }: TopicRange, cursor: number): number {
  let seq = seqs[membershipKey(topic, after)] ?? after
  for (const event of late) {
    const isOfIt = event.topic === topic && event.seq > after && event.seq <= until
    if (isOfIt && event.id < cursor && cursor <= event.behind) seq = Math.min(seq, event.seq - 1)
  }
  return seq
}

/** A range by its topic and the `seq` after which it begins. */
export const membershipKey = (topic: string, after: number): string => `${topic} ${after}`

/** For a range that has ended and was delivered completely. */
export const WHOLE = Number.MAX_SAFE_INTEGER
