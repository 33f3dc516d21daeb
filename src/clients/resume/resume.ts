import type { Payload, Result, Sink, SubscribingClient } from './client.ts'
import { shapeOf } from './document.ts'
import { hintOf, LONGEST_PAUSE_MS, pauseOf, verdictOf } from './retry.ts'

export type { Payload, Result, Sink, SubscribingClient } from './client.ts'
export { outbox, OutboxError, type Outbox, type OutboxOptions } from './outbox.ts'

/** Stores cursors across reloads, each under the key of its document and variables. */
export interface CursorStore {
  load(key: string): string | null | undefined | Promise<string | null | undefined>
  save(key: string, cursor: string): unknown
}

export interface ResumeOptions {
  /**
   * The server could not replay everything that was missed. Load and show the state by a query that selects a cursor and
   * resolve with that cursor: the subscription continues after it, and events received meanwhile are dropped. Resolve with
   * undefined to go on from here. After a rejection it is called again. Without this option the event is passed on.
   */
  onIncomplete?: (payload: Payload) => string | void | Promise<string | void>
  /** Where cursors are stored; a stored one takes precedence over the variable `$after`. */
  store?: CursorStore
  /** Called before each new attempt, with its reason and the pause before it in milliseconds. */
  onRetry?: (reason: unknown, pauseMs: number) => void
}

/** How many ids are remembered, so that an event repeated by a resume is delivered once. */
const SEEN_LIMIT = 10_000
/** How often in a row a new token may be refused. */
const TOKEN_ATTEMPTS = 3

/**
 * Wraps a client so that subscriptions resume: one whose document has a variable `$after` continues after the last event that
 * its sink received, whatever ended the connection (docs/resume.md). Everything else is passed to the client unchanged.
 * `subscribe` throws for a document that can't be resumed.
 */
export function resumable<C extends SubscribingClient>(client: C, options: ResumeOptions = {}): C {
  const open = new Set<Subscription>()
  client.on?.('connected', () => open.forEach((each) => each.connected()))
  client.on?.('closed', (event: unknown) => [...open].forEach((each) => each.closed(event)))

  function subscribe(payload: Payload, sink: Sink, ...rest: unknown[]): () => void {
    const { takesAfter, selectsId } = shapeOf(payload.query, payload.operationName)
    if (!takesAfter) return client.subscribe(payload, sink, ...rest)
    if (!selectsId) {
      throw new Error(
        'This subscription has a variable $after but selects no `id` of its event beside `__typename`, so it cannot be resumed: select it.',
      )
    }
    const subscription = new Subscription({ client, options, payload, sink, rest, ended: () => open.delete(subscription) })
    open.add(subscription)
    subscription.begin()
    return () => subscription.stop()
  }

  return {
    ...client,
    subscribe,
    iterate: (payload: Payload) => iterate(subscribe, payload),
    dispose() {
      for (const each of open) each.stop()
      // graphql-ws rejects while it waits to reconnect.
      return Promise.resolve(client.dispose?.()).catch(() => undefined)
    },
  }
}

interface SubscriptionParts {
  client: SubscribingClient
  options: ResumeOptions
  payload: Payload
  sink: Sink
  rest: unknown[]
  ended: () => void
}

class Subscription {
  readonly #parts: SubscriptionParts
  /** The client sends the same object again when it retries by itself, so the cursor must be in it. */
  readonly #payload: Payload & { variables: Record<string, unknown> }
  readonly #key: string
  readonly #seen = new Set<string>()
  /** Identifies the current attempt, so that results of an earlier one are ignored. */
  #attempt = 0
  /** When it began. */
  #since = 0
  #unsubscribe: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #tokenFailures = 0
  #isOver = false
  /** Events received while the state is loaded. */
  #buffered: Result[] | undefined

  constructor(parts: SubscriptionParts) {
    this.#parts = parts
    const { after, ...variables } = parts.payload.variables ?? {}
    this.#key = keyOf(JSON.stringify([parts.payload.query, parts.payload.operationName, variables]))
    this.#payload = { ...parts.payload, variables: { ...variables, after: after ?? null } }
  }

  /** Synchronous if nothing has to be loaded: later results of the client come after it. */
  begin(): void {
    const stored = this.#parts.options.store?.load(this.#key)
    if (!(stored instanceof Promise)) return this.#beginAfter(stored)
    stored.then(
      (cursor) => this.#isOver || this.#beginAfter(cursor),
      (error: unknown) => this.#end(() => this.#parts.sink.error(error)),
    )
  }

  #beginAfter(cursor: string | null | undefined): void {
    if (cursor != null) this.#payload.variables['after'] = cursor
    this.#subscribe()
  }

  #subscribe(): void {
    const attempt = ++this.#attempt
    this.#since = Date.now()
    const isCurrent = (): boolean => attempt === this.#attempt && !this.#isOver
    const { client, sink, rest } = this.#parts
    const unsubscribe = client.subscribe(
      this.#payload,
      {
        next: (result: Result) => isCurrent() && this.#next(result),
        error: (error: unknown) => isCurrent() && this.#failed(error),
        complete: () => isCurrent() && this.#end(() => sink.complete()),
      },
      ...rest,
    )
    if (isCurrent()) this.#unsubscribe = unsubscribe
    else unsubscribe()
  }

  #next(result: Result): void {
    // Server-sent events have no close code: the last result says why it ended.
    if (result.errors && !result.data && verdictOf(result.errors) !== 'over') return this.#failed(result.errors)
    if (this.#buffered) return void this.#buffered.push(result)
    this.connected()
    const [event] = Object.values(result.data ?? {}) as ({ __typename?: string; id?: unknown } | null | undefined)[]
    const { onIncomplete, store } = this.#parts.options
    if (event?.__typename === 'ResumeIncomplete' && onIncomplete) return void this.#recover(onIncomplete)
    const id = event?.id == null ? undefined : String(event.id)
    if (id !== undefined) {
      if (this.#seen.has(id)) return
      this.#seen.add(id)
      if (this.#seen.size > SEEN_LIMIT) this.#seen.delete(this.#seen.values().next().value as string)
    }
    this.#parts.sink.next(result)
    if (id === undefined) return
    this.#payload.variables['after'] = id
    void store?.save(this.#key, id)
  }

  async #recover(load: NonNullable<ResumeOptions['onIncomplete']>): Promise<void> {
    const attempt = this.#attempt
    this.#buffered = []
    let cursor: string | void
    try {
      cursor = await load(this.#parts.payload)
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(error, true)
      return
    }
    if (attempt !== this.#attempt || this.#isOver) return
    const buffered = this.#buffered
    this.#buffered = undefined
    if (cursor === undefined) return buffered.forEach((result) => this.#next(result))
    this.#payload.variables['after'] = cursor
    void this.#parts.options.store?.save(this.#key, cursor)
    this.#leave()
    this.#subscribe()
  }

  /** The connection works. */
  connected(): void {
    this.#failures = this.#tokenFailures = 0
  }

  /** The connection was closed. The client retries by itself, unless the server says not to, or says when. */
  closed(event: unknown): void {
    if (verdictOf(event) === 'over' || hintOf(event) !== undefined) this.#failed(event)
  }

  #failed(reason: unknown, isTemporary = false): void {
    const verdict = isTemporary ? 'again' : verdictOf(reason)
    if (verdict === 'token') this.#tokenFailures++
    else if (verdict === 'again') this.#tokenFailures = 0
    // Server-sent events tell nothing of a connection on which no event came.
    if (Date.now() - this.#since > LONGEST_PAUSE_MS) this.#failures = 0
    this.#leave()
    if (verdict === 'over' || this.#tokenFailures > TOKEN_ATTEMPTS) return this.#end(() => this.#parts.sink.error(reason))
    // The first time, try the new token at once.
    const pause = hintOf(reason) ?? (verdict === 'token' && this.#tokenFailures === 1 ? 0 : pauseOf(this.#failures++))
    this.#parts.options.onRetry?.(reason, pause)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#isOver || this.#subscribe(), pause)
  }

  /** Ignores all further results of this attempt. */
  #leave(): void {
    this.#attempt++
    this.#buffered = undefined
    const unsubscribe = this.#unsubscribe
    this.#unsubscribe = undefined
    // graphql-ws counts one twice that ends inside of its result, where the server's `complete` comes in the same turn of the event loop: it
    // would take the connection for one that nobody uses.
    if (unsubscribe) queueMicrotask(unsubscribe)
  }

  #end(notify: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#parts.ended()
    this.#leave()
    notify()
  }

  stop(): void {
    this.#end(() => this.#parts.sink.complete())
  }
}

/** A short key for a text (FNV-1a, twice for 64 bits). */
function keyOf(text: string): string {
  const hash = (start: number): string => {
    let value = start
    for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 16_777_619)
    return (value >>> 0).toString(36)
  }
  return `resume-${hash(2_166_136_261)}${hash(84_696_351)}`
}

/** A subscription's results in order; ends with its error. */
async function* iterate(
  subscribe: (payload: Payload, sink: Sink) => () => void,
  payload: Payload,
): AsyncGenerator<Result, void, void> {
  const results: Result[] = []
  let isDone = false
  let failure: { error: unknown } | undefined
  let wake = (): void => undefined
  const sink: Sink = {
    next(result) {
      results.push(result)
      wake()
    },
    error(error) {
      failure = { error }
      wake()
    },
    complete() {
      isDone = true
      wake()
    },
  }
  const unsubscribe = subscribe(payload, sink)
  try {
    for (;;) {
      while (results.length > 0) yield results.shift() as Result
      if (failure) throw failure.error
      if (isDone) return
      await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    unsubscribe()
  }
}
