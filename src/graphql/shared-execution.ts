import type { DocumentNode, ExecutionResult } from 'graphql'
import type { Viewer } from '../auth/verify.ts'
import type { Counts } from '../telemetry/counters.ts'
import { createContext, createSharedContext, type OperationContext, type Services } from './context.ts'
import { toClientResult, type ReportError } from './errors.ts'
import type { PreparedDocument, PreparedOperation } from './documents.ts'
import type { Variables } from './execute.ts'
import { WaitingExecution, type ExecutionTurns } from './execution-turns.ts'
import type { SourceEvent } from './delivery.ts'

/** Marks a result that nobody waits for any more. */
export const NO_RESULT: ExecutionResult = { data: null }

/** How many failed events of a document are remembered. */
const FAILED_LIMIT = 1000

export interface SharedOperation {
  /**
   * The result for an event: executed once, however many subscribers there are. The same object for each of them; undefined if
   * too many executions of the viewer are queued.
   */
  result(event: SourceEvent, viewer: Viewer): ExecutionResult | Promise<ExecutionResult> | undefined
  /** The result for one viewer alone, of an event whose other subscribers may see more. */
  resultFor(
    event: SourceEvent,
    viewer: Viewer,
    connectionId: string | null,
  ): ExecutionResult | Promise<ExecutionResult> | undefined
  /** Each subscriber that acquired the operation must release it once. */
  release(): void
}

export interface SharedExecutionOptions {
  services: Services
  turns: ExecutionTurns
  report: ReportError
  counts: Counts
}

interface Executed {
  event: SourceEvent
  result: ExecutionResult | Promise<ExecutionResult>
  waiting: WaitingExecution<ExecutionResult> | undefined
}

interface EntryOptions {
  document: DocumentNode
  operation: PreparedOperation
  variables: Variables
  /** 0 for the server's own documents, which are not queued. */
  cost: number
  /** Called when the last subscriber has released it. */
  forget: () => void
  reportFor: (document: DocumentNode, event: SourceEvent) => ReportError
}

/** An operation and how many share it. */
class Entry implements SharedOperation {
  readonly #parts: SharedExecutionOptions
  readonly #options: EntryOptions
  /** Subscribers get an event one after the other, so caching the last result suffices. */
  #last: Executed | undefined
  #references = 0

  constructor(parts: SharedExecutionOptions, options: EntryOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** One more subscriber, which is to call `release`. */
  acquire(): this {
    this.#references++
    return this
  }

  result(event: SourceEvent, { userId }: Viewer): ExecutionResult | Promise<ExecutionResult> | undefined {
    if (this.#last?.event !== event) return this.#executeFor(event, userId)
    const { counts, turns } = this.#parts
    counts.executionsSaved++
    if (this.#last.waiting) turns.promote(this.#last.waiting, userId)
    return this.#last.result
  }

  resultFor(
    event: SourceEvent,
    viewer: Viewer,
    connectionId: string | null,
  ): ExecutionResult | Promise<ExecutionResult> | undefined {
    const context = createContext(this.#parts.services, viewer, connectionId, { isEvent: true })
    const started = this.#start(event, viewer.userId, context)
    return started instanceof WaitingExecution ? started.result : started
  }

  release(): void {
    if (--this.#references === 0) this.#options.forget()
  }

  #executeFor(event: SourceEvent, userId: number): ExecutionResult | Promise<ExecutionResult> | undefined {
    const started = this.#start(event, userId, createSharedContext(this.#parts.services))
    if (!started) return undefined
    const waiting = started instanceof WaitingExecution ? started : undefined
    const result = started instanceof WaitingExecution ? started.result : started
    this.#last = { event, result, waiting }
    return result
  }

  #start(event: SourceEvent, userId: number, context: OperationContext) {
    const { cost } = this.#options
    return cost === 0 ? this.#execute(event, context) : this.#parts.turns.run(userId, cost, () => this.#execute(event, context))
  }

  #execute(event: SourceEvent, context: OperationContext): ExecutionResult | Promise<ExecutionResult> {
    // All subscribers may have left while it waited.
    if (this.#references === 0) return NO_RESULT
    const { counts, services } = this.#parts
    const { document, operation, variables, reportFor } = this.#options
    counts.executions++
    return toClientResult(operation.execute(event, context, variables), reportFor(document, event), {
      maxBytes: services.maxResponseBytes,
    })
  }
}

export interface SharedExecutionOptions {
  services: Services
  turns: ExecutionTurns
  report: ReportError
  counts: Counts
}

/** Executes once for each event, document and variables (docs/architecture.md, rule 3), in a context that holds no viewer. */
export class SharedExecution {
  readonly #parts: SharedExecutionOptions
  readonly #byDocument = new Map<DocumentNode, Map<string, Entry>>()
  /** Events whose execution failed unexpectedly. Each replay of one fails again and is reported once. */
  readonly #failedEvents = new WeakMap<DocumentNode, Set<number>>()

  constructor(parts: SharedExecutionOptions) {
    this.#parts = parts
  }

  /** The operation shared by all subscribers with this document and these variables. */
  share({ document }: PreparedDocument, operation: PreparedOperation, variables: Variables, cost: number): SharedOperation {
    const name = operation.node.name?.value
    // Null is not absent: a default stands for an absent one only.
    const values = operation.resultVariables.map((each) => (Object.hasOwn(variables, each) ? [variables[each]] : []))
    const key = JSON.stringify([name, values])
    let entries = this.#byDocument.get(document)
    if (!entries) this.#byDocument.set(document, (entries = new Map<string, Entry>()))
    let entry = entries.get(key)
    if (!entry) {
      const forget = (): void => {
        entries.delete(key)
        if (entries.size === 0) this.#byDocument.delete(document)
      }
      entry = new Entry(this.#parts, {
        document,
        operation,
        variables,
        cost,
        forget,
        reportFor: (document, event) => this.#reportOnce(document, event),
      })
      entries.set(key, entry)
    }
    return entry.acquire()
  }

  #reportOnce(document: DocumentNode, { id, kind }: SourceEvent): ReportError {
    return (error) => {
      if (id === null) return this.#parts.report(error)
      let failed = this.#failedEvents.get(document)
      if (!failed) this.#failedEvents.set(document, (failed = new Set()))
      if (failed.has(id)) return
      if (failed.size >= FAILED_LIMIT) failed.clear()
      failed.add(id)
      this.#parts.report(error, { eventId: id, event: kind })
    }
  }
}
