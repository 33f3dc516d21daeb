import type { GraphQLError } from 'graphql'
import type { Counts } from '../../telemetry/counters.ts'
import { statusOf } from '../../graphql/errors.ts'
import type { SourceEvent } from '../../graphql/delivery.ts'

/** How many events are remembered as logged. */
const REMEMBERED = 1000

/** The log entry of an event that was left out. */
export interface LeftOutEvent {
  eventId: number | null
  event: string
  reason: string
}

/** Counts the events that could not be executed for legacy clients, and logs each of them once. */
export class LeftOut {
  readonly #counts: Counts['leftOut']
  readonly #log: (event: LeftOutEvent) => void
  readonly #logged = new Set<number>()

  constructor({ leftOut }: Pick<Counts, 'leftOut'>, log: (event: LeftOutEvent) => void) {
    this.#counts = leftOut
    this.#log = log
  }

  note({ id, kind }: SourceEvent, error: GraphQLError): void {
    this.#counts.executionFailed++
    // The cause of an unexpected failure was logged where it happened.
    if (statusOf(error).code === 'INTERNAL_SERVER_ERROR' || (id !== null && this.#logged.has(id))) return
    if (id !== null) {
      if (this.#logged.size >= REMEMBERED) this.#logged.clear()
      this.#logged.add(id)
    }
    this.#log({ eventId: id, event: kind, reason: error.message })
  }
}
