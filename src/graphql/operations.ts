import { createSourceEventStream, type ExecutionResult, type GraphQLError, type GraphQLSchema } from 'graphql'
import { countIn, createCounts, type Counts } from '../telemetry/counters.ts'
import type { Activity } from '../admin/activity.ts'
import { Readings } from '../admin/readings.ts'
import { createContext, type Services } from './context.ts'
import type { PreparedDocument, PreparedOperation } from './documents.ts'
import { clientResult, toClientError, toClientResult, type ReportError } from './errors.ts'
import type { Variables } from './execute.ts'
import { inSpan, tracing } from '../telemetry/tracing.ts'
import { ExecutionTurns, WaitingExecution } from './execution-turns.ts'
import { LargeAnswers, SMALL_COST } from './large-answers.ts'
import {
  Requests,
  type AcceptedParameters,
  type OperationRequest,
  type PreparedRequest,
  type Refused,
  type RequestParameters,
} from './requests.ts'
import { SubscriptionBudget } from './subscription-budget.ts'
import { createSharedExecution, NO_RESULT, type SharedOperation } from './shared-execution.ts'
import type { SourceEvent } from './delivery.ts'
import { Source, type OpenSource } from './source.ts'
import { Subscription, type SubscriptionSink } from './subscription.ts'

export type OpenSubscription = OpenSource

/** How every transport runs an operation. */
export interface Operations {
  /** Parses and validates, with limits; results are cached by text. */
  parse(text: string): PreparedDocument
  /**
   * The parameters of a request that are executed, without anything else: the text, or that of the named persisted document,
   * and the variables that it declares. Throws BAD_USER_INPUT if there is no text.
   */
  accept(parameters: RequestParameters): AcceptedParameters
  /** The input of `run` and `subscribe`, or why the request can't be executed. */
  prepare(request: OperationRequest): PreparedRequest | Refused
  /** Counts a document rejected before there was a request to execute. */
  countRefused(errors: readonly GraphQLError[]): void
  /** Executes a query or mutation; never rejects. */
  run(request: PreparedRequest): Promise<ExecutionResult> | ExecutionResult
  /** Prepares a query or mutation and executes it; never rejects. */
  execute(request: OperationRequest): Promise<ExecutionResult> | ExecutionResult
  /** Resolves when no query or mutation is running; undefined if none is. */
  idle(): Promise<void> | undefined
  /** Opens a subscription, whose events wait for `start`; returns a result if it could not be opened. */
  subscribe(request: PreparedRequest, sink: SubscriptionSink): Promise<OpenSubscription | ExecutionResult>
  /** An error as clients may see it. */
  failure(error: unknown): GraphQLError
}

/** The part of the live trace that records operations. */
export type ActivityRecorder = Pick<Activity, 'isWatched' | 'record'>

export interface OperationsOptions {
  schema: GraphQLSchema
  services: Services
  report: ReportError
  /** The only documents that non-admins may use, by id; undefined: any. */
  persisted?: ReadonlyMap<string, string> | undefined
  /** The live trace; receives operations and deliveries while an admin watches. */
  activity: ActivityRecorder
  counts?: Counts
  /** Introspection for everyone, and suggestions of field names in errors; otherwise introspection for admins only. */
  open: boolean
}

/** How successful operations are counted. */
const OK = { query: 'query ok', mutation: 'mutation ok', subscription: 'subscription ok' } as const

const hasErrors = ({ errors }: ExecutionResult): boolean => errors !== undefined

export function createOperations(options: OperationsOptions): Operations {
  const { schema, services, report, persisted, activity, counts = createCounts(), open } = options
  const requests = new Requests({ schema, report, counts, persisted, open })
  const turns = new ExecutionTurns()
  const budget = new SubscriptionBudget()
  const shared = createSharedExecution({ services, report, counts, turns })
  const parts = { report, activity, budget, counts }
  const rules = { suggestions: open, maxBytes: services.maxResponseBytes }
  const largeAnswers = new LargeAnswers()
  /** Queries and mutations in progress, and who waits for them to end. */
  let running = 0
  const waiting: (() => void)[] = []

  /** Counts the outcome of an operation, and shows it in watches. */
  function recordOperation(request: PreparedRequest, result: ExecutionResult): ExecutionResult {
    const { node, takesToken } = request.operation
    const code = (result.errors?.[0]?.extensions['code'] as string | undefined) ?? 'ok'
    countIn(counts.operations, code === 'ok' ? OK[node.operation] : `${node.operation} ${code}`)
    if (!activity.isWatched) return result
    const name = node.name?.value ?? node.operation
    // Pings are not traced.
    if (name === 'LegacyPing') return result
    const { viewer, connectionId, variables } = request
    activity.record({
      kind: 'operation',
      userId: viewer.userId,
      connectionId,
      name,
      code,
      conversationId: conversationIn(variables),
      content: () => (takesToken ? null : variables),
    })
    return result
  }

  function executeNow(request: PreparedRequest): ExecutionResult | Promise<ExecutionResult> {
    const { operation, viewer, connectionId, variables } = request
    if (viewer.isAdmin && operation.node.operation === 'query') return executeForAdmin(request)
    if (operation.selectsCursor) return executeInSnapshot(request)
    return operation.execute(undefined, createContext(services, viewer, connectionId), variables)
  }

  /** An admin's query is answered after it is audited which conversations of others it read. */
  async function executeForAdmin(request: PreparedRequest): Promise<ExecutionResult> {
    const { operation, viewer, connectionId, variables } = request
    const readings = new Readings(viewer.userId)
    const result = operation.selectsCursor
      ? await executeInSnapshot(request, readings)
      : await operation.execute(undefined, createContext(services, viewer, connectionId, { readings }), variables)
    try {
      if (readings.entries.length > 0) await services.admin.noteReadings(readings.entries)
    } catch (error) {
      return { errors: [toClientError(error, report)] }
    }
    return result
  }

  /** Executes a query that selects `cursor`: all of its reads see one state of the database, that of the cursor. */
  async function executeInSnapshot(request: PreparedRequest, readings?: Readings): Promise<ExecutionResult> {
    const { operation, viewer, connectionId, variables } = request
    try {
      return await services.chat.snapshots.read(viewer.userId, async (snapshot) =>
        operation.execute(undefined, createContext(services, viewer, connectionId, { snapshot, readings }), variables),
      )
    } catch (error) {
      return { errors: [toClientError(error, report)] }
    }
  }

  function execute(request: PreparedRequest): ExecutionResult | Promise<ExecutionResult> {
    return request.cost <= SMALL_COST ? executeNow(request) : largeAnswers.make(request, () => executeNow(request))
  }

  /** An operation executed for its subscriber alone. */
  function unshared(cost: number, execute: (event: SourceEvent) => ExecutionResult | Promise<ExecutionResult>): SharedOperation {
    let isReleased = false
    const result: SharedOperation['result'] = (event, { userId }) => {
      const started = turns.run(userId, cost, () => {
        if (isReleased) return NO_RESULT
        counts.executions++
        return toClientResult(execute(event), report, { maxBytes: services.maxResponseBytes })
      })
      return started instanceof WaitingExecution ? started.result : started
    }
    return {
      result,
      resultFor: result,
      release() {
        isReleased = true
      },
    }
  }

  function run(request: PreparedRequest): ExecutionResult | Promise<ExecutionResult> {
    const result = tracing.isOn
      ? inSpan({ name: nameOf(request.operation) }, () => execute(request), hasErrors)
      : execute(request)
    if (!('then' in result)) return recordOperation(request, clientResult(result, report, rules))
    running++
    return result.then((settled) => {
      running--
      if (running === 0) for (const resolve of waiting.splice(0)) resolve()
      return recordOperation(request, clientResult(settled, report, rules))
    })
  }

  return {
    parse: (text) => requests.parse(text),
    accept: (parameters) => requests.accept(parameters),
    prepare: (request) => requests.prepare(request),
    countRefused: (errors) => void requests.refuse({ errors }),
    failure: (error) => toClientError(error, report),
    run,

    execute(request) {
      const prepared = requests.prepare(request)
      return 'errors' in prepared ? prepared : run(prepared)
    },

    idle: () => (running === 0 ? undefined : new Promise((resolve) => waiting.push(resolve))),

    async subscribe(request, sink) {
      const { document, operation, variables, viewer, connectionId, isOwn, lastEventId } = request
      const source = await createSourceEventStream({
        schema,
        document: document.document,
        contextValue: createContext(services, viewer, connectionId, { lastEventId }),
        variableValues: variables,
        operationName: operation.node.name?.value,
      })
      if (!(source instanceof Source)) return toClientResult(source as ExecutionResult, report, rules)
      const { userId } = viewer
      // The server's own documents are cheap, and an admitted connection must not be refused because of others.
      const cost = isOwn ? 0 : request.cost
      try {
        budget.acquire(userId, connectionId, cost)
      } catch (error) {
        return requests.refuse({ errors: [toClientError(error, report)] })
      }
      const executed = operation.isShared
        ? shared.share(document, operation, variables, cost)
        : unshared(cost, (event) =>
            operation.execute(event, createContext(services, viewer, connectionId, { isEvent: true }), variables),
          )
      recordOperation(request, {})
      const subscription = new Subscription(parts, { viewer, connectionId, executed, cost, sink })
      try {
        await subscription.open(source)
      } catch (error) {
        subscription.close()
        return { errors: [toClientError(error, report)] }
      }
      return subscription
    },
  }
}

const nameOf = ({ node }: PreparedOperation): string => [node.operation, node.name?.value].filter(Boolean).join(' ')

/** The id of the conversation that an operation is about, if any. */
function conversationIn(variables: Variables): string | null {
  const { conversationId, input } = variables as { conversationId?: unknown; input?: { conversationId?: unknown } | null }
  const id = conversationId ?? input?.conversationId
  return typeof id === 'string' ? id : null
}
