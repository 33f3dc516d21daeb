import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSourceEventStream, type DocumentNode, type ExecutionResult, type GraphQLError, type GraphQLSchema } from 'graphql'
import type { Viewer } from '../auth/verify.ts'
import { countIn, createCounts, type Counts } from '../telemetry/counters.ts'
import { ChatError } from '../errors.ts'
import type { Activity } from '../admin/activity.ts'
import { createContext, type Services } from './context.ts'
import { CostGate } from './cost-gate.ts'
import { analyse, createDocuments, DOCUMENT_LIMITS, type PreparedDocument, type PreparedOperation } from './documents.ts'
import { cut, toClientError, toClientResult, type ReportError } from './errors.ts'
import { compiled, type Variables } from './execute.ts'
import { problemWithTexts } from './input-texts.ts'
import { inSpan, tracing } from '../telemetry/tracing.ts'
import { ExecutionTurns, WaitingExecution } from './execution-turns.ts'
import { SubscriptionBudget } from './subscription-budget.ts'
import { createSharedExecution, NO_RESULT, type SharedOperation } from './shared-execution.ts'
import { Source, type OpenSource, type SourceEvent } from './source.ts'
import { Subscription, type SubscriptionSink } from './subscription.ts'
import { coerceVariables, declaredOf } from './variables.ts'

export interface OperationRequest {
  /** The document's text, or a document of the server's own, which is known to be valid. */
  document: string | DocumentNode
  operationName?: string | null | undefined
  variables?: Variables | null | undefined
  viewer: Viewer
  /** The connection that it came over; null for a single HTTP request. */
  connectionId: string | null
  /** Who reads the answer; absent: at once. */
  reader?: AnswerReader | undefined
}

export interface AnswerReader {
  /** Resolves when what waits to be read is little; undefined where it is. */
  ready(): Promise<void> | undefined
}

/** What a client sends. */
export interface RequestParameters {
  query?: string | null | undefined
  operationName?: string | null | undefined
  variables?: Variables | null | undefined
  extensions?: unknown
}

export interface AcceptedParameters {
  /** One and the same text for all who send it, as long as its document is kept. */
  document: string
  operationName: string | undefined
  variables: Variables
}

export type OpenSubscription = OpenSource

/** How every transport runs an operation. */
export interface Operations {
  /**
   * What of a request's parameters is executed, and nothing else of them: the text, or that of the persisted document that is named, and the
   * variables that it declares. Throws BAD_USER_INPUT where there is no text.
   */
  accept(parameters: RequestParameters): AcceptedParameters
  /** Parses and validates, with limits; the same text is worked on once. */
  prepare(text: string): PreparedDocument
  /** Why a request can't be executed at all; undefined where it can. `run` and `subscribe` answer with the same. */
  refusal(request: OperationRequest): readonly GraphQLError[] | undefined
  /** Notes that a document was refused before there was a request to execute. */
  noteRefused(errors: readonly GraphQLError[]): void
  /** Executes a query or mutation; never rejects. */
  run(request: OperationRequest): Promise<ExecutionResult> | ExecutionResult
  /** Resolves when no query or mutation is running any more; undefined where none is. */
  idle(): Promise<void> | undefined
  /** Opens a subscription, whose events wait for `start`; a result is why it could not be opened. */
  subscribe(request: OperationRequest, sink: SubscriptionSink): Promise<OpenSubscription | ExecutionResult>
  /** An error as clients may see it. */
  failure(error: unknown): GraphQLError
}

/** The part of the live trace that tells it what happens. */
export type ActivityRecorder = Pick<Activity, 'isWatched' | 'record'>

export interface OperationsOptions {
  schema: GraphQLSchema
  services: Services
  report: ReportError
  /** The only documents of those who are no admins, by their ids; undefined: any. */
  persisted?: ReadonlyMap<string, string> | undefined
  /** Where admins watch; told of operations and deliveries while they do. */
  activity: ActivityRecorder
  counts?: Counts
  /** Introspection for everyone, and suggestions of field names in errors; else introspection for admins only. */
  open: boolean
}

const NO_VARIABLES: Variables = {}

interface Refused {
  errors: readonly GraphQLError[]
}

interface Executable {
  ready: PreparedDocument
  operation: PreparedOperation
  /** How many fields it may resolve with the request's variables. */
  cost: number
}

/** What may resolve no more fields than this has a small answer. Larger answers of one user are made one after the other. */
const SMALL_COST = 100

/** Instead of a result: its client has to read first. */
const NOT_NOW: ExecutionResult = {}

export function createOperations({
  schema,
  services,
  report,
  persisted,
  activity,
  counts = createCounts(),
  open,
}: OperationsOptions): Operations {
  const documents = createDocuments(schema, { suggestions: open })
  const known = new WeakMap<DocumentNode, PreparedDocument>()
  /** What was found for requests that are asked about before they are run. */
  const executables = new WeakMap<OperationRequest, Executable>()
  const turns = new ExecutionTurns()
  const budget = new SubscriptionBudget()
  const shared = createSharedExecution({ services, report, counts, turns })
  const parts = { report, activity, budget }
  const rules = { suggestions: open, maxBytes: services.maxResponseBytes }
  const gate = new CostGate(DOCUMENT_LIMITS.cost)
  const answers = new CostGate(1, 0)
  const persistedTexts = new Set(persisted?.values())
  /** Queries and mutations that are being executed, and who waits for the last of them. */
  let running = 0
  const waiting: (() => void)[] = []

  function prepared({ document }: OperationRequest): PreparedDocument {
    if (typeof document === 'string') {
      const text = documents(document)
      // The operator's own, as good as the server's.
      return persistedTexts.has(document) && text.errors.length === 0 ? trusted(text.document) : text
    }
    return trusted(document)
  }

  function trusted(document: DocumentNode): PreparedDocument {
    let found = known.get(document)
    if (!found) known.set(document, (found = analyse(schema, document, compiled)))
    return found
  }

  function persistedText(extensions: unknown): string {
    const id = persistedId(extensions)
    if (id === undefined) throw new ChatError('BAD_USER_INPUT', 'query is missing, expected the text of a GraphQL document')
    if (!persisted) throw new ChatError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported')
    const text = persisted.get(id)
    if (text === undefined) throw new ChatError('BAD_USER_INPUT', 'there is no persisted document with this id')
    return text
  }

  function operationIn({ operations }: PreparedDocument, name: string | null | undefined): PreparedOperation | undefined {
    if (name) return operations.get(name)
    return operations.size === 1 ? operations.values().next().value : undefined
  }

  /** The operation that a request is for, or why it can't be executed. */
  function operationOf(request: OperationRequest): Refused | Executable {
    const found = executables.get(request) ?? check(request)
    if (!('errors' in found)) executables.set(request, found)
    return found
  }

  function check(request: OperationRequest): Refused | Executable {
    const refused = (error: ChatError) => ({ errors: [toClientError(error, report)] })
    const ready = prepared(request)
    if (ready.errors.length > 0) return { errors: ready.errors }
    if (ready.usesIntrospection && !open && !request.viewer.isAdmin) {
      return refused(new ChatError('FORBIDDEN', 'introspection is for admins here'))
    }
    if (persisted && typeof request.document === 'string' && !request.viewer.isAdmin && !persistedTexts.has(request.document)) {
      return refused(new ChatError('FORBIDDEN', 'only persisted documents are executed here'))
    }
    const operation = operationIn(ready, request.operationName)
    if (!operation) {
      const message = request.operationName
        ? `unknown operation ${JSON.stringify(cut(request.operationName))}`
        : 'operationName is missing: the document has several operations, or none'
      return refused(new ChatError('BAD_USER_INPUT', message))
    }
    // The server's own documents come with variables that are as they are declared.
    const given = request.variables ?? NO_VARIABLES
    const coerced =
      typeof request.document === 'string' ? coerceVariables(schema, operation.node, given, open) : { values: given }
    if ('errors' in coerced) return coerced
    const problem = typeof request.document === 'string' ? problemWithTexts(coerced.values) : null
    if (problem !== null) return refused(new ChatError('BAD_USER_INPUT', problem))
    const cost = operation.cost(coerced.values)
    if (cost <= DOCUMENT_LIMITS.cost) return { ready, operation, cost }
    const message = `it may resolve ${cost} fields, expected at most ${DOCUMENT_LIMITS.cost}: ask for smaller pages`
    return refused(new ChatError('BAD_USER_INPUT', message))
  }

  const contextOf = ({ viewer, connectionId }: OperationRequest) => createContext(services, viewer, connectionId)

  function refuse<R extends { errors: readonly GraphQLError[] }>(result: R): R {
    countIn(counts.operations, `refused ${String(result.errors[0]?.extensions['code'])}`)
    return result
  }

  /** Makes an answer when its user has no other one made and its client has read most of what came before: so few are in memory. */
  async function whenRead(
    { viewer: { userId }, reader }: OperationRequest,
    execute: () => ExecutionResult | Promise<ExecutionResult>,
  ): Promise<ExecutionResult> {
    for (;;) {
      for (let room = reader?.ready(); room; room = reader?.ready()) await room
      const result = await answers.run(userId, 1, async () => {
        // The answer before this one is on its way to its transport, which then says what waits there.
        await nextTurn()
        return reader?.ready() ? NOT_NOW : execute()
      })
      if (result !== NOT_NOW) return result
    }
  }

  /** Executes a query that selects `cursor`: all that it reads is one state of the database, the one of the cursor. */
  async function runInSnapshot(operation: PreparedOperation, request: OperationRequest): Promise<ExecutionResult> {
    const { viewer, connectionId, variables } = request
    try {
      return await services.chat.snapshots.read(viewer.userId, async (snapshot) =>
        operation.execute(undefined, createContext(services, viewer, connectionId, { snapshot }), variables ?? NO_VARIABLES),
      )
    } catch (error) {
      return { errors: [toClientError(error, report)] }
    }
  }

  /** Counts what came of an operation, and tells those who watch. */
  function told(request: OperationRequest, { node, takesToken }: PreparedOperation, result: ExecutionResult): ExecutionResult {
    const name = node.name?.value ?? node.operation
    // A ping says nothing.
    const code = (result.errors?.[0]?.extensions['code'] as string | undefined) ?? 'ok'
    countIn(counts.operations, `${node.operation} ${code}`)
    if (!activity.isWatched || name === 'LegacyPing') return result
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

  /** An operation that is executed for its subscriber alone. */
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

  return {
    accept({ query, operationName, variables, extensions }) {
      const text = query ? query : persistedText(extensions)
      const ready = documents(text)
      const operation = operationIn(ready, operationName)
      return {
        document: ready.document.loc?.source.body ?? text,
        operationName: operationName ?? undefined,
        variables: operation ? declaredOf(operation.node, variables ?? NO_VARIABLES) : NO_VARIABLES,
      }
    },

    prepare: documents,
    failure: (error) => toClientError(error, report),

    noteRefused: (errors) => void refuse({ errors }),

    refusal(request) {
      const found = operationOf(request)
      return 'errors' in found ? refuse(found).errors : undefined
    },

    run(request) {
      const found = operationOf(request)
      if ('errors' in found) return refuse(found)
      const { operation, cost } = found
      const run = () =>
        operation.selectsCursor
          ? runInSnapshot(operation, request)
          : operation.execute(undefined, contextOf(request), request.variables ?? NO_VARIABLES)
      const execute = () => gate.run(request.viewer.userId, cost, () => (cost <= SMALL_COST ? run() : whenRead(request, run)))
      const result = toClientResult(
        tracing.isOn ? inSpan({ name: nameOf(operation) }, execute, ({ errors }) => errors !== undefined) : execute(),
        report,
        rules,
      )
      if (!('then' in result)) return told(request, operation, result)
      running++
      return result.then((settled) => {
        running--
        if (running === 0) for (const resolve of waiting.splice(0)) resolve()
        return told(request, operation, settled)
      })
    },

    idle: () => (running === 0 ? undefined : new Promise((resolve) => waiting.push(resolve))),

    async subscribe(request, sink) {
      const found = operationOf(request)
      if ('errors' in found) return refuse(found)
      const { ready, operation } = found
      const { viewer, connectionId } = request
      const variables = request.variables ?? NO_VARIABLES
      const source = await createSourceEventStream({
        schema,
        document: ready.document,
        contextValue: contextOf(request),
        variableValues: variables,
        operationName: request.operationName,
      })
      if (!(source instanceof Source)) return toClientResult(source as ExecutionResult, report, rules)
      const { userId } = viewer
      // The server's own documents are cheap, and a connection that is allowed must not be refused for what others do.
      const cost = typeof request.document === 'string' ? found.cost : 0
      try {
        budget.acquire(userId, connectionId, cost)
      } catch (error) {
        return refuse({ errors: [toClientError(error, report)] })
      }
      const executed = operation.isShared
        ? shared.share(ready, operation, variables, cost)
        : unshared(cost, (event) =>
            operation.execute(event, createContext(services, viewer, connectionId, { isEvent: true }), variables),
          )
      told(request, operation, {})
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

/** The id in `extensions.persistedQuery.sha256Hash`, where Apollo's and urql's clients put it. */
function persistedId(extensions: unknown): string | undefined {
  const { sha256Hash } =
    (extensions as { persistedQuery?: { sha256Hash?: unknown } | null } | null | undefined)?.persistedQuery ?? {}
  return typeof sha256Hash === 'string' ? sha256Hash : undefined
}

const nameOf = ({ node }: PreparedOperation): string => [node.operation, node.name?.value].filter(Boolean).join(' ')

/** Where an operation is about a conversation, its id. */
function conversationIn(variables: Variables | null | undefined): string | null {
  const { conversationId, input } = (variables ?? {}) as { conversationId?: unknown; input?: { conversationId?: unknown } | null }
  const id = conversationId ?? input?.conversationId
  return typeof id === 'string' ? id : null
}
