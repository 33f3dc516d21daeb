import type { Payload, Result, SubscribingClient } from './client.ts'
import { hintOf, pauseOf, verdictOf } from './retry.ts'

export interface OutboxOptions {
  /** Where mutations are stored until they are answered, such as localStorage; in memory if absent. */
  storage?: {
    getItem(name: string): string | null | Promise<string | null>
    setItem(name: string, value: string): unknown
  }
  /** The storage key: one for each user and tab. */
  name?: string
  /** Called with the outcome of each mutation, including those an earlier page left, whose callers are gone. */
  onResult?: (payload: Payload, outcome: { result: Result } | { error: unknown }) => void
}

export interface Outbox {
  /**
   * Sends a mutation once all before it are answered, and repeats it until it is answered. Resolves with its result; rejects
   * with an OutboxError if the server refuses it, or with the close event if the connection was refused: it stays stored then.
   */
  mutate(payload: Payload): Promise<Result>
  /** Mutations without an answer, in order. */
  readonly pending: readonly Payload[]
  /** Stops sending; unanswered mutations stay in the storage. */
  dispose(): void
}

/** The server refused a mutation; `errors` are those of its result, such as one with `extensions.code` CONFLICT. */
export class OutboxError extends Error {
  readonly errors: readonly unknown[]
  constructor(errors: readonly unknown[]) {
    super((errors[0] as { message?: string } | undefined)?.message ?? 'the mutation was refused')
    this.name = 'OutboxError'
    this.errors = errors
  }
}

interface Entry {
  payload: Payload
  resolve?: (result: Result) => void
  reject?: (error: unknown) => void
}

/**
 * Sends mutations one after the other, in the order of the calls, however long that takes. One that sends a message has a
 * `clientMessageId` in its variable `input` or among its variables, by which the server executes it once; a missing one is
 * filled in. Any other mutation must be safe to repeat, and is sent unchanged.
 */
export function outbox(client: SubscribingClient, { storage, name = 'outbox', onResult }: OutboxOptions = {}): Outbox {
  const queue: Entry[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let unsubscribe: (() => void) | undefined
  let isSending = false
  let isDisposed = false
  let failures = 0

  const save = (): unknown => storage?.setItem(name, JSON.stringify(queue.map(({ payload }) => payload)))

  /** Mutations left by an earlier page go first. */
  const loaded = (async () => {
    const text = await storage?.getItem(name)
    const left = text ? (JSON.parse(text) as Payload[]) : []
    queue.unshift(...left.map((payload) => ({ payload })))
  })().catch(() => undefined)
  void loaded.then(sendNext)

  function complete(entry: Entry, outcome: { result: Result } | { error: unknown }): void {
    queue.shift()
    void save()
    failures = 0
    onResult?.(entry.payload, outcome)
    if ('result' in outcome) entry.resolve?.(outcome.result)
    else entry.reject?.(outcome.error)
    sendNext()
  }

  function failed(entry: Entry, reason: unknown): void {
    if (verdictOf(reason) !== 'over') {
      const retry = (): void => {
        // Tries that a new mutation brings about don't make the pauses longer.
        failures++
        sendNext()
      }
      timer = setTimeout(retry, hintOf(reason) ?? pauseOf(failures))
      return
    }
    if (Array.isArray(reason)) return complete(entry, { error: new OutboxError(reason) })
    // The sender was refused, not the mutation: it stays in the storage for the next page.
    isDisposed = true
    for (const { reject } of queue) reject?.(reason)
  }

  function sendNext(): void {
    const [entry] = queue
    if (!entry || isSending || isDisposed) return
    isSending = true
    clearTimeout(timer)
    let result: Result | undefined
    const answered = (then: () => void): void => {
      if (!isSending) return
      isSending = false
      unsubscribe = undefined
      then()
    }
    unsubscribe = client.subscribe(entry.payload, {
      next: (value: Result) => (result = value),
      error: (error: unknown) => answered(() => failed(entry, error)),
      complete: () =>
        answered(() => {
          if (isDisposed) return
          if (!result) failed(entry, undefined)
          else if (result.errors) failed(entry, result.errors)
          else complete(entry, { result })
        }),
    })
  }

  return {
    async mutate(payload) {
      const answer = new Promise<Result>((resolve, reject) => {
        queue.push({ payload: SENDS.test(payload.query) ? withKey(payload) : payload, resolve, reject })
      })
      // In the order of the calls; those left by an earlier page come before them.
      void loaded.then(save).then(sendNext)
      return await answer
    },
    get pending() {
      return queue.map(({ payload }) => payload)
    },
    dispose() {
      isDisposed = true
      clearTimeout(timer)
      unsubscribe?.()
    },
  }
}

const SENDS = /\bsendMessage\b/

function withKey(payload: Payload): Payload {
  const { input, ...variables } = (payload.variables ?? {}) as { input?: object } & Record<string, unknown>
  const clientMessageId = newKey()
  const keyed = input ? { ...variables, input: { clientMessageId, ...input } } : { clientMessageId, ...variables }
  return { ...payload, variables: keyed }
}

/** 128 random bits; `randomUUID` exists in secure contexts only. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
