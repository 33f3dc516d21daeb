import type { DocumentNode, ExecutionResult } from 'graphql'
import type { Viewer } from '../chat/auth.ts'
import type { Counts } from '../counts.ts'
import { createContext, createSharedContext, type Services } from './context.ts'
import { toClientResult, type ReportError } from './errors.ts'
import type { PreparedDocument, PreparedOperation } from './documents.ts'
import type { Variables } from './execute.ts'
import type { SourceEvent } from './source.ts'

export interface SharedOperation {
  /** The result for an event: executed once, whoever and however many ask. The same object for each of them. */
  result(event: SourceEvent): ExecutionResult | Promise<ExecutionResult>
  /** The result for one viewer alone, of an event whose other subscribers may see more than they do. */
  resultFor(event: SourceEvent, viewer: Viewer, connectionId: string | null): ExecutionResult | Promise<ExecutionResult>
  /** To be called once by each who got the operation, when they are done with it. */
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
  interface Entry extends SharedOperation {
    references: number
  }
  const byDocument = new Map<DocumentNode, Map<string, Entry>>()

  function createEntry(operation: PreparedOperation, variables: Variables, forget: () => void): Entry {
    /** An event reaches its subscribers one after the other, so that only the last result is asked for again. */
    let last: { event: SourceEvent; result: ExecutionResult | Promise<ExecutionResult> } | undefined

    function execute(event: SourceEvent): ExecutionResult | Promise<ExecutionResult> {
      counts.executions++
      const result = toClientResult(operation.execute(event, createSharedContext(services), variables), report)
      last = { event, result }
      return result
    }

    const entry: Entry = {
      references: 0,
      result(event) {
        if (last?.event !== event) return execute(event)
        counts.executionsSaved++
        return last.result
      },
      resultFor(event, viewer, connectionId) {
        counts.executions++
        return toClientResult(operation.execute(event, createContext(services, viewer, connectionId, true), variables), report)
      },
      release() {
        if (--entry.references === 0) forget()
      },
    }
    return entry
  }

  return {
    share({ document }, operation, variables) {
      const name = operation.node.name?.value
      const key = JSON.stringify([name, operation.resultVariables.map((variable) => variables[variable] ?? null)])
      let entries = byDocument.get(document)
      if (!entries) byDocument.set(document, (entries = new Map<string, Entry>()))
      let entry = entries.get(key)
      if (!entry) {
        entry = createEntry(operation, variables, () => {
          entries.delete(key)
          if (entries.size === 0) byDocument.delete(document)
        })
        entries.set(key, entry)
      }
      entry.references++
      return entry
    },
  }
}
