import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSourceEventStream, type ExecutionResult, type GraphQLError, type GraphQLSchema } from 'graphql'
import { ChatError } from '../errors.ts'
import { countIn, createCounts, type Counts } from '../telemetry/counters.ts'
import type { Activity } from '../admin/activity.ts'
import type { Viewer } from '../auth/verify.ts'
import { Readings } from '../admin/readings.ts'
import { createContext, type Services } from './context.ts'
import type { PreparedDocument, PreparedOperation } from './documents.ts'
import { clientResult, toClientError, toClientResult, type AnswerRules, type ReportError } from './errors.ts'
import type { Variables } from './execute.ts'
import { Slots } from '../lib/slots.ts'
import { inSpan, tracing } from '../telemetry/tracing.ts'
import { ExecutionTurns, WaitingExecution } from './execution-turns.ts'
import { LargeAnswers, SMALL_COST } from './large-answers.ts'
import {
  Requests,
  type AcceptedParameters,
  type OperationRequest,
  type PreparedDocuments,
  type PreparedRequest,
  type Refused,
  type RequestParameters,
} from './requests.ts'
import { SubscriptionBudget } from './subscription-budget.ts'
import { SharedExecution, NO_RESULT, type SharedOperation } from './shared-execution.ts'
import type { SourceEvent } from './delivery.ts'
import { Source, type OpenSource } from './source.ts'
import { Subscription, type SubscriptionSink } from './subscription.ts'

export type OpenSubscription = OpenSource

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
  /** Cache of prepared documents; its own if absent. */
  documents?: PreparedDocuments | undefined
  /** Why a viewer is refused by now: a request may have waited long, for its body or its turn. Nobody is if absent. */
  refusalOf?: ((viewer: Viewer) => ChatError | undefined) | undefined
  /** A connection's viewer by its current token. As when the subscription was opened if absent. */
  viewerOf?: ((connectionId: string) => Viewer | undefined) | undefined
}

/** How successful operations are counted. */
const OK = { query: 'query ok', mutation: 'mutation ok', subscription: 'subscription ok' } as const

/**
 * How many mutations of one user run in transactions at the same time: the connections to the database are shared by everybody,
 * and one that waits for a lock is taken meanwhile. The user's other mutations wait this long. Admins have no such limit: theirs
 * are often scripts, which create many users at once.
 */
const TRANSACTIONS_OF_USER = 2
const TRANSACTION_WAIT_MS = 10_000

const hasErrors = ({ errors }: ExecutionResult): boolean => errors !== undefined

/** How every transport runs an operation. */
export class Operations {
  readonly #schema: GraphQLSchema
  readonly #services: Services
  readonly #report: ReportError
  readonly #activity: ActivityRecorder
  readonly #counts: Counts
  readonly #requests: Requests
  readonly #turns = new ExecutionTurns()
  readonly #budget = new SubscriptionBudget()
  readonly #shared: SharedExecution
  readonly #parts: { report: ReportError; activity: ActivityRecorder; budget: SubscriptionBudget; counts: Counts }
  readonly #rules: AnswerRules
  readonly #rulesOfMutations: AnswerRules
  readonly #refusalOf: NonNullable<OperationsOptions['refusalOf']>
  readonly #viewerOf: NonNullable<OperationsOptions['viewerOf']>
  readonly #largeAnswers = new LargeAnswers()
  readonly #transactions = new Slots({ count: Infinity, perUser: TRANSACTIONS_OF_USER })
  /** Queries and mutations in progress, and who waits for them to end. */
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(options: OperationsOptions) {
    const { schema, services, report, persisted, activity, counts = createCounts(), open, documents } = options
    this.#refusalOf = options.refusalOf ?? (() => undefined)
    this.#viewerOf = options.viewerOf ?? (() => undefined)
    this.#schema = schema
    this.#services = services
    this.#report = report
    this.#activity = activity
    this.#counts = counts
    this.#requests = new Requests({ schema, report, counts, persisted, open, documents })
    this.#shared = new SharedExecution({ services, report, counts, turns: this.#turns })
    this.#parts = { report, activity, budget: this.#budget, counts }
    this.#rules = { suggestions: open, maxBytes: services.maxResponseBytes }
    this.#rulesOfMutations = { ...this.#rules, isMutation: true }
  }

  /** Parses and validates, with limits; results are cached by text. */
  parse(text: string): PreparedDocument {
    return this.#requests.parse(text)
  }

  /**
   * The parameters of a request that are executed, without anything else: the text, or that of the named persisted document,
   * and the variables that it declares. Throws BAD_USER_INPUT if there is no text.
   */
  accept(parameters: RequestParameters): AcceptedParameters {
    return this.#requests.accept(parameters)
  }

  /** The input of `run` and `subscribe`, or why the request can't be executed. */
  prepare(request: OperationRequest): PreparedRequest | Refused {
    return this.#requests.prepare(request)
  }

  /** Counts a document rejected before there was a request to execute. */
  countRefused(errors: readonly GraphQLError[]): void {
    this.#requests.refuse({ errors })
  }

  /** An error as clients may see it. */
  failure(error: unknown): GraphQLError {
    return toClientError(error, this.#report)
  }

  /** Executes a query or mutation; never rejects. */
  run(request: PreparedRequest): ExecutionResult | Promise<ExecutionResult> {
    const result = tracing.isOn
      ? inSpan({ name: nameOf(request.operation) }, () => this.#execute(request), hasErrors)
      : this.#execute(request)
    const rules = request.operation.node.operation === 'mutation' ? this.#rulesOfMutations : this.#rules
    if (!('then' in result)) return this.#recordOperation(request, clientResult(result, this.#report, rules))
    this.#running++
    const finish = (settled: ExecutionResult): ExecutionResult => {
      this.#running--
      if (this.#running === 0) for (const resolve of this.#waiting.splice(0)) resolve()
      return this.#recordOperation(request, clientResult(settled, this.#report, rules))
    }
    if (request.cost <= SMALL_COST) return result.then(finish)
    // A large answer is checked, and then encoded, in turns of the event loop apart from that which completed it.
    return result.then((settled) => nextTurn(settled)).then((settled) => nextTurn(finish(settled)))
  }

  /** Prepares a query or mutation and executes it; never rejects. */
  execute(request: OperationRequest): Promise<ExecutionResult> | ExecutionResult {
    const prepared = this.#requests.prepare(request)
    return 'errors' in prepared ? prepared : this.run(prepared)
  }

  /** Resolves when no query or mutation is running; undefined if none is. */
  idle(): Promise<void> | undefined {
    return this.#running === 0 ? undefined : new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Opens a subscription, whose events wait for `start`; returns a result if it could not be opened. */
  async subscribe(request: PreparedRequest, sink: SubscriptionSink): Promise<OpenSubscription | ExecutionResult> {
    const { document, operation, variables, viewer, connectionId, isOwn, lastEventId } = request
    const source = await createSourceEventStream({
      schema: this.#schema,
      document: document.document,
      contextValue: createContext(this.#services, viewer, connectionId, { lastEventId }),
      variableValues: variables,
      operationName: operation.node.name?.value,
    })
    if (!(source instanceof Source)) return toClientResult(source as ExecutionResult, this.#report, this.#rules)
    const { userId } = viewer
    // The server's own documents are cheap, and an admitted connection must not be refused because of others.
    const cost = isOwn ? 0 : request.cost
    const budgeted = isOwn ? 0 : cost + heldBy(variables)
    try {
      this.#budget.acquire(userId, connectionId, budgeted)
    } catch (error) {
      return this.#requests.refuse({ errors: [toClientError(error, this.#report)] })
    }
    const executed = operation.isShared
      ? this.#shared.share(document, operation, variables, cost)
      : this.#unshared(cost, (event) => {
          // Not the one that it was opened with: what an admin sees ends with the admin's token.
          const current = (connectionId === null ? undefined : this.#viewerOf(connectionId)) ?? viewer
          return operation.execute(event, createContext(this.#services, current, connectionId, { isEvent: true }), variables)
        })
    this.#recordOperation(request, {})
    const subscription = new Subscription(this.#parts, { viewer, connectionId, executed, cost: budgeted, sink })
    try {
      await subscription.open(source)
    } catch (error) {
      subscription.close()
      return { errors: [toClientError(error, this.#report)] }
    }
    return subscription
  }

  /** Counts the outcome of an operation, and shows it in watches. */
  #recordOperation(request: PreparedRequest, result: ExecutionResult): ExecutionResult {
    const { node, takesToken } = request.operation
    const code = (result.errors?.[0]?.extensions['code'] as string | undefined) ?? 'ok'
    countIn(this.#counts.operations, code === 'ok' ? OK[node.operation] : `${node.operation} ${code}`)
    if (!this.#activity.isWatched) return result
    const name = node.name?.value ?? node.operation
    // Pings are not traced.
    if (name === 'LegacyPing') return result
    const { viewer, connectionId, variables } = request
    this.#activity.record({
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

  #executeNow(request: PreparedRequest): ExecutionResult | Promise<ExecutionResult> {
    const { operation, viewer, connectionId, variables } = request
    const refusal = this.#refusalOf(viewer)
    if (refusal) return { errors: [toClientError(refusal, this.#report)] }
    if (viewer.isAdmin && operation.node.operation === 'query') return this.#executeForAdmin(request)
    if (operation.selectsCursor) return this.#executeInSnapshot(request)
    return operation.execute(undefined, createContext(this.#services, viewer, connectionId), variables)
  }

  /** An admin's query is answered after it is audited which conversations of others it read. */
  async #executeForAdmin(request: PreparedRequest): Promise<ExecutionResult> {
    const { operation, viewer, connectionId, variables } = request
    const readings = new Readings(viewer.userId)
    const result = operation.selectsCursor
      ? await this.#executeInSnapshot(request, readings)
      : await operation.execute(undefined, createContext(this.#services, viewer, connectionId, { readings }), variables)
    try {
      if (readings.entries.length > 0) await this.#services.admin.noteReadings(readings.entries)
    } catch (error) {
      return { errors: [toClientError(error, this.#report)] }
    }
    return result
  }

  /** Executes a query that selects `cursor`: all of its reads see one state of the database, that of the cursor. */
  async #executeInSnapshot(request: PreparedRequest, readings?: Readings): Promise<ExecutionResult> {
    const { operation, viewer, connectionId, variables } = request
    try {
      return await this.#services.chat.snapshots.read(viewer.userId, async (snapshot) =>
        operation.execute(undefined, createContext(this.#services, viewer, connectionId, { snapshot, readings }), variables),
      )
    } catch (error) {
      return { errors: [toClientError(error, this.#report)] }
    }
  }

  async #executeInTransaction(request: PreparedRequest): Promise<ExecutionResult> {
    if (request.viewer.isAdmin) return this.#executeNow(request)
    const release = await this.#transactions.acquire(request.viewer.userId, TRANSACTION_WAIT_MS)
    if (!release) {
      const error = new ChatError('UNAVAILABLE', 'too many changes of this user wait; nothing was changed, try again in a second')
      return { errors: [toClientError(error, this.#report)] }
    }
    try {
      return await this.#executeNow(request)
    } finally {
      release()
    }
  }

  #execute(request: PreparedRequest): ExecutionResult | Promise<ExecutionResult> {
    const run = () => (request.operation.hasTransaction ? this.#executeInTransaction(request) : this.#executeNow(request))
    return request.cost <= SMALL_COST ? run() : this.#largeAnswers.make(request, run)
  }

  /** An operation executed for its subscriber alone. */
  #unshared(cost: number, execute: (event: SourceEvent) => ExecutionResult | Promise<ExecutionResult>): SharedOperation {
    let isReleased = false
    const result: SharedOperation['result'] = (event, { userId }) => {
      const started = this.#turns.run(userId, cost, () => {
        if (isReleased) return NO_RESULT
        this.#counts.executions++
        return toClientResult(execute(event), this.#report, { maxBytes: this.#services.maxResponseBytes })
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
}

const nameOf = ({ node }: PreparedOperation): string => [node.operation, node.name?.value].filter(Boolean).join(' ')

/** So many characters of a subscription's variables, which are held as long as it is open, count as a field. */
const CHARACTERS_PER_FIELD = 64

const heldBy = (variables: Variables): number => Math.floor(JSON.stringify(variables).length / CHARACTERS_PER_FIELD)

/** The id of the conversation that an operation is about, if any. */
function conversationIn(variables: Variables): string | null {
  const { conversationId, input } = variables as { conversationId?: unknown; input?: { conversationId?: unknown } | null }
  const id = conversationId ?? input?.conversationId
  return typeof id === 'string' ? id : null
}
