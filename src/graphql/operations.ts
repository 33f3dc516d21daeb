import {
  createSourceEventStream,
  execute,
  getOperationAST,
  GraphQLError,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql'
import type { Viewer } from '../chat/auth.ts'
import type { ChatEvent } from '../chat/events.ts'
import { ChatError } from '../errors.ts'
import { createContext, type OperationContext, type Services } from './context.ts'
import { analyse, createDocuments, DOCUMENT_LIMITS, type PreparedDocument } from './documents.ts'
import { toClientError, toClientResult, type ReportError } from './errors.ts'
import { createSharedExecution } from './shared-execution.ts'
import { Source, type OpenSource, type SourceHooks } from './source.ts'

export interface OperationRequest {
  /** The document's text, or a document that is known to be valid. */
  document: string | DocumentNode
  operationName?: string | null | undefined
  variables?: Readonly<Record<string, unknown>> | null | undefined
  viewer: Viewer
  /** The connection that it came over; null for a single HTTP request. */
  connectionId: string | null
}

export interface SubscriptionSink {
  /**
   * A result, in the order of the events. Subscribers of a shared operation get the same object, so that what is made
   * of it (an encoding) can be kept with it. `event` is what it tells of.
   */
  next(result: ExecutionResult, event: ChatEvent): void
  /** The subscription ended by itself; nothing comes after it. `error` where it could not go on. */
  end(error?: GraphQLError): void
  /** Resolves when there is room for more of a replay; undefined where there is now. */
  ready?(): Promise<void> | undefined
}

export type OpenSubscription = OpenSource

/** How every transport runs an operation. */
export interface Operations {
  /** Parses and validates, with limits; the same text is worked on once. */
  prepare(text: string): PreparedDocument
  /** Why a request can't be executed at all; undefined where it can. `run` and `subscribe` answer with the same. */
  refusal(request: OperationRequest): readonly GraphQLError[] | undefined
  /** Executes a query or mutation; never rejects. */
  run(request: OperationRequest): Promise<ExecutionResult> | ExecutionResult
  /** Resolves when no query or mutation is running any more; undefined where none is. */
  idle(): Promise<void> | undefined
  /** Opens a subscription, whose events wait for `start`; a result is why it could not be opened. */
  subscribe(request: OperationRequest, sink: SubscriptionSink): Promise<OpenSubscription | ExecutionResult>
  /** An error as clients may see it. */
  failure(error: unknown): GraphQLError
}

export interface OperationsOptions {
  schema: GraphQLSchema
  services: Services
  report: ReportError
  /** Introspection for everyone, and suggestions of field names in errors; else introspection for admins only. */
  open: boolean
}

/** How many results of one subscriber may wait for the execution of an earlier one. */
const WAITING_LIMIT = 10_000

export function createOperations({ schema, services, report, open }: OperationsOptions): Operations {
  const documents = createDocuments(schema, { suggestions: open })
  const known = new WeakMap<DocumentNode, PreparedDocument>()
  const shared = createSharedExecution({ schema, services, report })
  /** Queries and mutations that are being executed, and who waits for the last of them. */
  let running = 0
  const waiting: (() => void)[] = []

  function prepared({ document }: OperationRequest): PreparedDocument {
    if (typeof document === 'string') return documents(document)
    let found = known.get(document)
    if (!found) known.set(document, (found = analyse(schema, document)))
    return found
  }

  function refusalOf(request: OperationRequest, ready: PreparedDocument): readonly GraphQLError[] | undefined {
    const { document, errors, usesIntrospection } = ready
    if (errors.length > 0) return errors
    if (usesIntrospection && !open && !request.viewer.isAdmin) {
      return [toClientError(new ChatError('FORBIDDEN', 'introspection is for admins here'), report)]
    }
    const node = getOperationAST(document, request.operationName ?? undefined)
    if (node) {
      const cost = ready.operations.get(node.name?.value ?? '')?.cost(request.variables ?? {}) ?? 0
      if (cost <= DOCUMENT_LIMITS.cost) return undefined
      const message = `it may resolve ${cost} fields, expected at most ${DOCUMENT_LIMITS.cost}: ask for smaller pages`
      return [toClientError(new ChatError('BAD_USER_INPUT', message), report)]
    }
    const message = request.operationName
      ? `unknown operation ${JSON.stringify(request.operationName)}`
      : 'operationName is missing: the document has several operations, or none'
    return [toClientError(new ChatError('BAD_USER_INPUT', message), report)]
  }

  const argsOf = (
    { operationName, variables, viewer, connectionId }: OperationRequest,
    document: DocumentNode,
  ): ExecutionArgs & { contextValue: OperationContext } => ({
    schema,
    document,
    contextValue: createContext(services, viewer, connectionId),
    ...(variables ? { variableValues: variables } : {}),
    ...(operationName ? { operationName } : {}),
  })

  return {
    prepare: documents,
    failure: (error) => toClientError(error, report),

    refusal: (request) => refusalOf(request, prepared(request)),

    run(request) {
      const ready = prepared(request)
      const errors = refusalOf(request, ready)
      if (errors) return { errors }
      const result = toClientResult(execute(argsOf(request, ready.document)), report, open)
      if (!('then' in result)) return result
      running++
      return result.finally(() => {
        if (--running > 0) return
        for (const resolve of waiting.splice(0)) resolve()
      })
    },

    idle: () => (running === 0 ? undefined : new Promise((resolve) => waiting.push(resolve))),

    async subscribe(request, sink) {
      const ready = prepared(request)
      const errors = refusalOf(request, ready)
      if (errors) return { errors }
      const args = argsOf(request, ready.document)
      const source = await createSourceEventStream(args)
      if (!(source instanceof Source)) return toClientResult(source as ExecutionResult, report, open)
      const node = getOperationAST(ready.document, request.operationName ?? undefined)
      const operation = ready.operations.get(node?.name?.value ?? '')
      if (!operation) throw new Error('a document was analysed without one of its operations')
      const share = operation.isShared ? shared.share(ready, operation, request.variables ?? {}) : undefined
      const execution = (event: ChatEvent): ExecutionResult | Promise<ExecutionResult> => {
        if (share) return share.result(event)
        return toClientResult(
          execute({
            ...args,
            rootValue: event,
            contextValue: createContext(services, request.viewer, request.connectionId),
          }),
          report,
        )
      }
      const sequence = createSequence(sink)
      let opened: OpenSource
      try {
        opened = await source.open({
          event: (event) => sequence.add(execution(event), event),
          ready: () => sequence.settled()?.then(() => sink.ready?.()) ?? sink.ready?.(),
          end(error) {
            share?.release()
            sequence.end(error && toClientError(error, report))
          },
        })
      } catch (error) {
        share?.release()
        return { errors: [toClientError(error, report)] }
      }
      let closed = false
      // What a replay did is told after its last event, also where that is still being executed.
      const inSequence = ({ replayed }: SourceHooks): SourceHooks =>
        replayed ? { replayed: (replay) => sequence.call(() => replayed(replay)) } : {}
      return {
        start: (hooks = {}) => opened.start(inSequence(hooks)),
        resume: (after, hooks) => opened.resume(after, inSequence(hooks)),
        close() {
          if (closed) return
          closed = true
          share?.release()
          sequence.stop()
          opened.close()
        },
      }
    },
  }
}

/** Passes results on in the order of their events, at once where they are there already. */
function createSequence(sink: SubscriptionSink): {
  add(result: ExecutionResult | Promise<ExecutionResult>, event: ChatEvent): void
  /** Calls after everything added so far. */
  call(step: () => void): void
  /** Resolves when everything added so far was passed on; undefined where it was. */
  settled(): Promise<void> | undefined
  end(error?: GraphQLError): void
  stop(): void
} {
  let tail: Promise<void> | undefined
  let waiting = 0
  let stopped = false

  const after = (step: () => void | Promise<void>): void => {
    const now: Promise<void> = (tail ?? Promise.resolve()).then(step).finally(() => {
      if (tail === now) tail = undefined
    })
    tail = now
  }

  return {
    add(result, event) {
      if (stopped) return
      if (!tail && !('then' in result)) return sink.next(result, event)
      if (++waiting > WAITING_LIMIT) {
        stopped = true
        sink.end(
          new GraphQLError('too many events wait to be executed: resume after the last event received', {
            extensions: { code: 'UNAVAILABLE' },
          }),
        )
        return
      }
      after(async () => {
        const done = await result
        waiting--
        if (!stopped) sink.next(done, event)
      })
    },
    call(step) {
      if (!tail) step()
      else
        after(() => {
          if (!stopped) step()
        })
    },
    settled: () => tail,
    end(error) {
      const finish = (): void => {
        if (stopped) return
        stopped = true
        sink.end(error)
      }
      if (tail) after(finish)
      else finish()
    },
    stop() {
      stopped = true
    },
  }
}
