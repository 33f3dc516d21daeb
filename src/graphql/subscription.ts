import { GraphQLError, type ExecutionResult } from 'graphql'
import { conversationOf } from '../chat/events.ts'
import type { Viewer } from '../auth/verify.ts'
import type { ChatError } from '../errors.ts'
import type { Activity } from '../admin/activity.ts'
import { toClientError, type ReportError } from './errors.ts'
import type { SharedOperation } from './shared-execution.ts'
import type { SubscriptionBudget } from './subscription-budget.ts'
import type { OpenSource, Source, SourceHooks, SourceSink } from './source.ts'
import { deliveryOf, type Delivery, type SourceEvent } from './delivery.ts'
import type { EventSink } from '../lib/event-sink.ts'
import { TurnQueue } from '../lib/turn-queue.ts'
import type { Protocol } from '../live/connections.ts'
import type { Counts } from '../telemetry/counters.ts'

/** Where a transport writes a subscription's results. Ends with an error if it can't continue. */
export interface SubscriptionSink extends EventSink<ExecutionResult, Delivery, GraphQLError | undefined> {
  /** What its deliveries are counted as. */
  readonly protocol: Protocol
  /**
   * Called in the order of the events. Subscribers of a shared operation get the same result object, so that a derived value
   * (an encoding) can be cached with it. Returns whether the client gets it.
   */
  event(result: ExecutionResult, delivery: Delivery): boolean
}

/** What all subscriptions have in common. */
export interface SubscriptionParts {
  report: ReportError
  /** The live trace. */
  activity: Pick<Activity, 'isWatched' | 'record'>
  budget: SubscriptionBudget
  counts: Pick<Counts, 'deliveries'>
}

export interface SubscriptionOptions {
  viewer: Viewer
  connectionId: string | null
  /** Executes events into results. */
  executed: SharedOperation
  /** Its share of the budget, released when the subscription ends. */
  cost: number
  sink: SubscriptionSink
}

/** How many results of one subscriber may wait for the execution of an earlier one. */
const WAITING_LIMIT = 10_000

/** So many blocks of the viewer count as a field, as long as the subscription is open; at most so many fields. */
const HELD_PER_FIELD = 50
const HELD_FIELDS = 200

/** How long one turn of the event loop ends subscriptions: an event may be one too many for thousands of them. */
const ENDING_MS = 4
const ending = new TurnQueue<Subscription>({ turnMs: ENDING_MS, serve: (subscription) => subscription.endOverflowed() })

/**
 * An open subscription: its source's events become results, which are passed on in order, synchronously if they are ready.
 * There is one for each subscriber, and each event goes through all of them: hence methods instead of closures.
 */
export class Subscription implements SourceSink, OpenSource {
  readonly #parts: SubscriptionParts
  readonly #viewer: Viewer
  readonly #connectionId: string | null
  readonly #executed: SharedOperation
  #cost: number
  readonly #sink: SubscriptionSink
  #source: OpenSource | undefined
  /** Settles when everything so far was passed on; undefined if it was. */
  #tail: Promise<void> | undefined
  /** How many results are being executed, or wait for those. */
  #waiting = 0
  #delivered = 0
  #isStopped = false
  #isReleased = false

  constructor(parts: SubscriptionParts, { viewer, connectionId, executed, cost, sink }: SubscriptionOptions) {
    this.#parts = parts
    this.#viewer = viewer
    this.#connectionId = connectionId
    this.#executed = executed
    this.#cost = cost
    this.#sink = sink
  }

  /** Attaches to the source; its events wait for `start`. Rejects with RATE_LIMITED if the budget has no room for what the source holds. */
  async open(source: Source): Promise<void> {
    this.#source = await source.open(this)
    const held = Math.min(HELD_FIELDS, Math.floor((this.#source.held ?? 0) / HELD_PER_FIELD))
    // The server's own documents have no cost.
    if (held === 0 || this.#cost === 0 || this.#isReleased) return
    this.#parts.budget.acquire(this.#viewer.userId, this.#connectionId, held)
    this.#cost += held
  }

  event(event: SourceEvent, isFormer: boolean): void {
    if (this.#isStopped) return
    if (this.#parts.activity.isWatched) this.#notifyWatchers(event)
    const result = isFormer
      ? this.#executed.resultFor(event, this.#viewer, this.#connectionId)
      : this.#executed.result(event, this.#viewer)
    if (!result) this.#overflow()
    else if (!this.#tail && !('then' in result)) this.#deliver(result, event)
    else this.#addLater(result, event)
  }

  #deliver(result: ExecutionResult, event: SourceEvent): void {
    const delivery = deliveryOf(event)
    if (!this.#sink.event(result, delivery)) return
    this.#delivered++
    this.#parts.counts.deliveries[this.#sink.protocol][delivery.class]++
  }

  #addLater(result: ExecutionResult | Promise<ExecutionResult>, event: SourceEvent): void {
    if (++this.#waiting > WAITING_LIMIT) return this.#overflow()
    this.#after(async () => {
      const done = await result
      this.#waiting--
      if (!this.#isStopped) this.#deliver(done, event)
    })
  }

  #overflow(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    ending.add(this)
  }

  /** Ends it because too many events wait. */
  endOverflowed(): void {
    const message = 'too many events wait to be executed: resume after the last event received'
    this.#sink.end(new GraphQLError(message, { extensions: { code: 'UNAVAILABLE' } }))
  }

  /** Calls after everything received so far was passed on. */
  #after(step: () => void | Promise<void>): void {
    const now: Promise<void> = (this.#tail ?? Promise.resolve()).then(step).finally(() => {
      if (this.#tail === now) this.#tail = undefined
    })
    this.#tail = now
  }

  #notifyWatchers(event: SourceEvent): void {
    // Otherwise a watch would show its own entries.
    if (event.kind === 'activity') return
    const { kind, payload } = event
    const about = {
      kind: 'delivery' as const,
      userId: this.#viewer.userId,
      connectionId: this.#connectionId,
      name: kind,
      code: null,
    }
    this.#parts.activity.record({ ...about, conversationId: conversationOf(event), content: () => payload })
  }

  ready(): Promise<void> | undefined {
    return this.#sink.ready?.()
  }

  settled(): Promise<void> | undefined {
    return this.#tail
  }

  end(error?: ChatError): void {
    this.#release()
    const clientError = error && toClientError(error, this.#parts.report)
    const finish = (): void => {
      if (this.#isStopped) return
      this.#isStopped = true
      this.#sink.end(clientError)
    }
    if (this.#tail) this.#after(finish)
    else finish()
  }

  async start(hooks: SourceHooks = {}): Promise<void> {
    await this.#source?.start(this.#inSequence(hooks))
  }

  async resume(after: string, hooks: SourceHooks): Promise<void> {
    await this.#source?.resume(after, this.#inSequence(hooks))
  }

  /**
   * A replay's outcome follows its last event, even if that is still being executed. Live events wait meanwhile, so what was
   * delivered since its beginning is what the client received of it.
   */
  #inSequence({ replayed, again }: SourceHooks): SourceHooks {
    if (!replayed) return {}
    let before = 0
    return {
      again,
      begins: () => this.#next(() => (before = this.#delivered)),
      replayed: ({ complete }) => this.#next(() => replayed({ replayed: this.#delivered - before, complete })),
    }
  }

  #next(step: () => void): void {
    if (!this.#tail) return step()
    this.#after(() => {
      if (!this.#isStopped) step()
    })
  }

  close(): void {
    this.#release()
    this.#isStopped = true
    this.#source?.close()
  }

  #release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#executed.release()
    this.#parts.budget.release(this.#viewer.userId, this.#connectionId, this.#cost)
  }
}
