import type { DocumentNode, ExecutionResult } from 'graphql'
import type { Counts } from '../counts.ts'
import { createSharedContext, type Services } from './context.ts'
import { toClientResult, type ReportError } from './errors.ts'
import type { PreparedDocument, PreparedOperation } from './documents.ts'
import type { Variables } from './execute.ts'
import type { SourceEvent } from './source.ts'

export interface SharedOperation {
  /** The result for an event: executed once, whoever and however many ask. The same object for each of them. */
  result(event: SourceEvent): ExecutionResult | Promise<ExecutionResult>
  /** To be called by each who got the operation, when they are done with it. */
  release(): void
}

export interface SharedExecution {
  /** The operation that all subscribers with this document and these variables share. */
  share(prepared: PreparedDocument, operation: PreparedOperation, variables: Variables): SharedOperation
}

/** Executes once for each event, document and variables (rule 3), in a context that holds no viewer. */
export function createSharedExecution({
  services,
  report,
  counts,
}: {
  services: Services
  report: ReportError
  counts: Counts
}): SharedExecution {
  interface Entry {
    /** An event reaches its subscribers one after the other, so that only the last result is asked for again. */
    last: { event: SourceEvent; result: ExecutionResult | Promise<ExecutionResult> } | undefined
    references: number
  }
  const byDocument = new Map<DocumentNode, Map<string, Entry>>()

  return {
    share({ document }, operation, variables) {
      const name = operation.node.name?.value
      const key = JSON.stringify([name, operation.resultVariables.map((variable) => variables[variable] ?? null)])
      let entries = byDocument.get(document)
      if (!entries) byDocument.set(document, (entries = new Map<string, Entry>()))
      let entry = entries.get(key)
      if (!entry) entries.set(key, (entry = { last: undefined, references: 0 }))
      entry.references++
      const shared = entry

      const run = (event: SourceEvent): ExecutionResult | Promise<ExecutionResult> => {
        return toClientResult(operation.execute(event, createSharedContext(services), variables), report)
      }

      return {
        result(event) {
          if (shared.last?.event === event) counts.executionsSaved++
          else {
            counts.executions++
            shared.last = { event, result: run(event) }
          }
          return shared.last.result
        },
        release() {
          if (--shared.references > 0) return
          entries.delete(key)
          if (entries.size === 0) byDocument.delete(document)
        },
      }
    },
  }
}
