import type { CheckpointStore } from '../cluster/checkpoint-store.ts'
import type { EventCursor } from '../ids.ts'
import { hasMembers, isCount, isListOf, isObject, isText } from '../lib/received.ts'
import type { TopicRange } from '../store/event-log.ts'

/**
 * What a connection had been given when it closed. A cursor is one number, and on several nodes the event of one topic may
 * overtake that of another: with the checkpoint of the client's last connection a resume knows what was not given, without
 * it a resume has to repeat what is recent.
 */
export interface Checkpoint {
  /** What it was given of: only the same scope says anything to a resume. */
  scope: string
  /** The cursor that the connection resumed after, or the first event that it was given. */
  from: number
  /** The highest event id that it was given. */
  to: number
  /**
   * Up to which `seq` it was given everything, for each stretch of a topic that it knew to be the user's; a stretch that is
   * not here had not been told of.
   */
  seqs: Readonly<Record<string, number>>
  /** Events that it was given behind a higher id, which was `behind`. */
  late: readonly LateEvent[]
}

export interface LateEvent {
  topic: string
  seq: number
  id: number
  behind: number
}

/** Keeps checkpoints for a while, for all nodes. */
export interface Checkpoints {
  /** Resolves at once; a failure is nobody's concern. */
  save(userId: number, checkpoint: Checkpoint): void
  /** The user's last ones; none where they can't be read. */
  load(userId: number): Promise<readonly Checkpoint[]>
}

/** Checkpoints as texts that all nodes can read. `onUnreadable` is called for each that is none: it is left out. */
export const createCheckpoints = (texts: CheckpointStore, onUnreadable: () => void = () => undefined): Checkpoints => ({
  save: (userId, checkpoint) => texts.save(userId, JSON.stringify(checkpoint)),
  async load(userId) {
    const checkpoints = (await texts.load(userId)).map(parse)
    const readable = checkpoints.filter((each) => each !== undefined)
    for (let count = checkpoints.length - readable.length; count > 0; count--) onUnreadable()
    return readable
  },
})

const isCheckpoint = hasMembers<Checkpoint>({
  scope: isText,
  from: isCount,
  to: isCount,
  seqs: (seqs) => isObject(seqs) && Object.values(seqs).every(isCount),
  late: isListOf(hasMembers({ topic: isText, seq: isCount, id: isCount, behind: isCount })),
})

function parse(text: string): Checkpoint | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isCheckpoint(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** More late events than that tell of a replay in mid connection, which no checkpoint can describe. */
const LATE_LIMIT = 200

/** Follows what a connection is given. */
export class CheckpointRecorder {
  #from: number | undefined
  #to = 0
  readonly #late: LateEvent[] = []
  /** Replays in mid connection that are not through: what they still owe is behind what was given. */
  #owing = 0

  /** A replay after this cursor begins; `isFirst`: before anything was given. Returns what to call when it is through. */
  replays(after: EventCursor, isFirst: boolean): () => void {
    // What comes after a snapshot may have lower ids than it has seen: then the checkpoint is of the ids that were given.
    if (isFirst && typeof after === 'object') return () => undefined
    if (isFirst && typeof after === 'number' && Number.isFinite(after)) {
      this.#from ??= after
      if (after > this.#to) this.#to = after
      return () => undefined
    }
    this.#owing++
    return () => this.#owing--
  }

  delivered(topic: string, seq: number, id: number): void {
    this.#from ??= id
    if (id >= this.#to) this.#to = id
    else if (this.#late.length <= LATE_LIMIT) this.#late.push({ topic, seq, id, behind: this.#to })
  }

  /** The checkpoint, with the `seq` up to which each stretch was given; undefined where there is nothing to tell. */
  close(scope: string, seqs: Readonly<Record<string, number>>): Checkpoint | undefined {
    if (this.#from === undefined || this.#owing > 0 || this.#late.length > LATE_LIMIT) return undefined
    return { scope, from: this.#from, to: this.#to, seqs, late: this.#late }
  }
}

/** The checkpoints of connections that a client with this cursor may have had. */
export const matching = (checkpoints: readonly Checkpoint[], wanted: string, cursor: number): Checkpoint[] =>
  checkpoints.filter(({ scope, from, to }) => scope === wanted && from <= cursor && cursor <= to)

/**
 * The `seq` of a stretch of a topic after which a client with this cursor may not have been given everything, by what its
 * connection was given: what came was the beginning of that, up to the cursor's event.
 */
export function deliveredUntil({ seqs, late }: Checkpoint, { topic, after, until }: TopicRange, cursor: number): number {
  let seq = seqs[membershipKey(topic, after)] ?? after
  for (const event of late) {
    const isOfIt = event.topic === topic && event.seq > after && event.seq <= until
    if (isOfIt && event.id < cursor && cursor <= event.behind) seq = Math.min(seq, event.seq - 1)
  }
  return seq
}

/** A stretch by its topic and the `seq` after which it begins. */
export const membershipKey = (topic: string, after: number): string => `${topic} ${after}`

/** For a stretch that has ended, and was given to its end. */
export const WHOLE = Number.MAX_SAFE_INTEGER
