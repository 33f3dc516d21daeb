import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Publisher } from '../pubsub/publisher.ts'
import type { LogEntry } from '../store/event-log.ts'
import type { Store, Transaction } from '../store/store.ts'

/**
 * Called after the commit with the events that the transaction logged. Must not throw or block: the caller's response waits for
 * it.
 */
export type CommitListener = (entries: readonly LogEntry[]) => void

/** A change with more entries, such as an invitation of hundreds, is published in turns of the event loop: each entry may have a thousand receivers. */
const AT_ONCE = 50
const TURN_MS = 4

/** A statement committed with a change, such as an audit entry of an admin. */
export type Also = (tx: Transaction) => Promise<void>

/**
 * The only place where a change and its events are committed and then published (docs/architecture.md, rule 1). Events are
 * logged before they are published; receivers find an unpublished one in the log.
 */
export class Commits {
  readonly #store: Pick<Store, 'transaction'>
  readonly #publisher: Pick<Publisher, 'entries'>
  readonly #listeners: CommitListener[] = []

  constructor(store: Pick<Store, 'transaction'>, publisher: Pick<Publisher, 'entries'>) {
    this.#store = store
    this.#publisher = publisher
  }

  /**
   * Runs `change`, and what is committed with it, in one transaction, then publishes the events it appended. Rejects with the
   * error of either or of the store.
   */
  async run<T>(change: (tx: Transaction) => Promise<T>, also?: Also): Promise<T> {
    const { result, entries } = await this.#store.transaction(async (tx) => {
      const changed = await change(tx)
      await also?.(tx)
      return changed
    })
    if (entries.length <= AT_ONCE) this.publish(entries)
    else await this.#publishInTurns(entries)
    return result
  }

  async #publishInTurns(entries: readonly LogEntry[]): Promise<void> {
    let began = performance.now()
    for (const entry of entries) {
      this.#publisher.entries([entry])
      if (performance.now() - began < TURN_MS) continue
      await nextTurn()
      began = performance.now()
    }
    for (const listener of this.#listeners) listener(entries)
  }

  /** Publishes the events of a statement that commits by itself. */
  publish(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return
    this.#publisher.entries(entries)
    for (const listener of this.#listeners) listener(entries)
  }

  /** Calls `listener` after every commit of this node; listeners run in the order of registration. */
  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener)
  }
}
