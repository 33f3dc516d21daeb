import type { Publisher } from '../pubsub/publisher.ts'
import type { LogEntry } from '../store/event-log.ts'
import type { Store, Transaction } from '../store/store.ts'

/** Called with what a transaction has logged, after its commit. Must not throw, and must not wait: the caller's answer waits for it. */
export type CommitListener = (entries: readonly LogEntry[]) => void

/** What is committed with a change: that an admin made it. */
export type Also = (tx: Transaction) => Promise<void>

/**
 * The only place where a change and its events are committed and then published (docs/architecture.md, rule 1). The events are in
 * the log before anybody hears of them; what can't be published is found there.
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
   * Runs `change`, and what is to be committed with it, in one transaction and publishes the events that it appended. Rejects with what they
   * or the store reject with.
   */
  async run<T>(change: (tx: Transaction) => Promise<T>, also?: Also): Promise<T> {
    const { result, entries } = await this.#store.transaction(async (tx) => {
      const changed = await change(tx)
      await also?.(tx)
      return changed
    })
    this.publish(entries)
    return result
  }

  /** For a statement that commits its events by itself: publishes them. */
  publish(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return
    this.#publisher.entries(entries)
    for (const listener of this.#listeners) listener(entries)
  }

  /** Calls `listener` after every commit of this node, in the order of the registrations. */
  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener)
  }
}
