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

export interface SharedExecution {
  /** The operation shared by all subscribers with this document and these variables. */
  share(prepared: PreparedDocument, operation: PreparedOperation, variables: Variables, cost: number): SharedOperation
}

/** Executes once for each event, document and variables (docs/architecture.md, rule 3), in a context that holds no viewer. */
export function createSharedExecution({
  services,
  report,
  counts,
  turns,
}: {
  services: Services
  turns: ExecutionTurns
  report: ReportError
  counts: Counts
}): SharedExecution {
  interface Entry extends SharedOperation {
    references: number
  }
  const byDocument = new Map<DocumentNode, Map<string, Entry>>()
  /** Events whose execution failed unexpectedly. Each replay of one fails again and is reported once. */
  const failedEvents = new WeakMap<DocumentNode, Set<number>>()

  function reportOnce(document: DocumentNode, { id, kind }: SourceEvent): ReportError {
    return (error) => {
      if (id === null) return report(error)
      let failed = failedEvents.get(document)
      if (!failed) failedEvents.set(document, (failed = new Set()))
      if (failed.has(id)) return
      if (failed.size >= FAILED_LIMIT) failed.clear()
      failed.add(id)
      report(error, { eventId: id, event: kind })
    }
  }

  interface EntryOptions {
    document: DocumentNode
    operation: PreparedOperation
    variables: Variables
    /** 0 for the server's own documents, which are not queued. */
    cost: number
    forget: () => void
  }

  function createEntry({ document, operation, variables, cost, forget }: EntryOptions): Entry {
    /** Subscribers get an event one after the other, so caching the last result suffices. */
    let last:
      | {
          event: SourceEvent
          result: ExecutionResult | Promise<ExecutionResult>
          waiting: WaitingExecution<ExecutionResult> | undefined
        }
      | undefined

    function execute(event: SourceEvent, context: OperationContext): ExecutionResult | Promise<ExecutionResult> {
      // All subscribers may have left while it waited.
      if (entry.references === 0) return NO_RESULT
      counts.executions++
      return toClientResult(operation.execute(event, context, variables), reportOnce(document, event), {
        maxBytes: services.maxResponseBytes,
      })
    }

    const start = (event: SourceEvent, userId: number, context: OperationContext) =>
      cost === 0 ? execute(event, context) : turns.run(userId, cost, () => execute(event, context))

    function executeFor(event: SourceEvent, userId: number): ExecutionResult | Promise<ExecutionResult> | undefined {
      const started = start(event, userId, createSharedContext(services))
      if (!started) return undefined
      const waiting = started instanceof WaitingExecution ? started : undefined
      const result = started instanceof WaitingExecution ? started.result : started
      last = { event, result, waiting }
      return result
    }

    const entry: Entry = {
      references: 0,
      result(event, { userId }) {
        if (last?.event !== event) return executeFor(event, userId)
        counts.executionsSaved++
        if (last.waiting) turns.promote(last.waiting, userId)
        return last.result
      },
      resultFor(event, viewer, connectionId) {
        const context = createContext(services, viewer, connectionId, { isEvent: true })
        const started = start(event, viewer.userId, context)
        return started instanceof WaitingExecution ? started.result : started
      },
      release() {
        if (--entry.references === 0) forget()
      },
    }
    return entry
  }

  return {
    share({ document }, operation, variables, cost) {
      const name = operation.node.name?.value
      const key = JSON.stringify([name, operation.resultVariables.map((variable) => variables[variable] ?? null)])
      let entries = byDocument.get(document)
      if (!entries) byDocument.set(document, (entries = new Map<string, Entry>()))
      let entry = entries.get(key)
      if (!entry) {
        const forget = (): void => {
          entries.delete(key)
          if (entries.size === 0) byDocument.delete(document)
        }
        entry = createEntry({ document, operation, variables, cost, forget })
        entries.set(key, entry)
      }
      entry.references++
      return entry
    },
  }
}
