import type { DocumentNode, GraphQLError, GraphQLSchema } from 'graphql'
import type { Viewer } from '../auth/verify.ts'
import type { HotOperations } from './hot-operations.ts'
import { ChatError } from '../errors.ts'
import { countIn, type Counts } from '../telemetry/counters.ts'
import { analyse, createDocuments, DOCUMENT_LIMITS, type PreparedDocument, type PreparedOperation } from './documents.ts'
import { cut, toClientError, type ReportError } from './errors.ts'
import { compiled, type Variables } from './execute.ts'
import { problemWithTexts } from './input-texts.ts'
import { coerceVariables, declaredOf } from './variables.ts'

export interface OperationRequest {
  /** The document's text, or one of the server's own documents, which is known to be valid. */
  document: string | DocumentNode
  operationName?: string | null | undefined
  variables?: Variables | null | undefined
  viewer: Viewer
  /** The connection it arrived on; null for a single HTTP request. */
  connectionId: string | null
  /** The reader of the answer; if absent, it reads at once. */
  reader?: AnswerReader | undefined
  /** What a client of server-sent events received last; takes precedence over the argument `after` of a subscription. */
  lastEventId?: string | undefined
}

export interface AnswerReader {
  /** Resolves when little is left unread; undefined if that is the case now. */
  ready(): Promise<void> | undefined
}

/** A client's request. */
export interface RequestParameters {
  query?: string | null | undefined
  operationName?: string | null | undefined
  variables?: Variables | null | undefined
  extensions?: unknown
}

export interface AcceptedParameters {
  /** The text; the same string object for all clients while its document is cached. */
  document: string
  operationName: string | undefined
  variables: Variables
}

/** Why a request can't be executed. */
export interface Refused {
  errors: readonly GraphQLError[]
}

/** A request that can be executed, with all that its execution needs. */
export interface PreparedRequest {
  readonly document: PreparedDocument
  readonly operation: PreparedOperation
  /** As received: execution coerces them. */
  readonly variables: Variables
  /** How many fields it may resolve with its variables. */
  readonly cost: number
  /** Whether the document is one of the server's own. */
  readonly isOwn: boolean
  readonly viewer: Viewer
  readonly connectionId: string | null
  readonly reader: AnswerReader | undefined
  readonly lastEventId: string | undefined
}

export interface RequestsOptions {
  schema: GraphQLSchema
  report: ReportError
  counts: Pick<Counts, 'operations'>
  /** The only documents that non-admins may use, by id; undefined: any. */
  persisted: ReadonlyMap<string, string> | undefined
  /** Introspection for everyone, and suggestions of field names in errors; otherwise introspection for admins only. */
  open: boolean
  /** Cache of prepared documents, which several nodes of one process may share; its own if absent. */
  documents?: PreparedDocuments | undefined
}

/** The prepared documents of one schema. `open` as in RequestsOptions. */
export class PreparedDocuments {
  readonly #schema: GraphQLSchema
  readonly #own = new WeakMap<DocumentNode, PreparedDocument>()
  /** A client's document, by its text. */
  readonly ofText: (text: string) => PreparedDocument

  constructor({ schema, open, hot }: Pick<RequestsOptions, 'schema' | 'open'> & { hot?: HotOperations }) {
    this.#schema = schema
    this.ofText = createDocuments(schema, { suggestions: open, hot })
  }

  /** One of the server's own documents, or one that is as trusted. */
  trusted(document: DocumentNode): PreparedDocument {
    let found = this.#own.get(document)
    if (!found) {
      found = analyse(this.#schema, document, (operation) => compiled(this.#schema, document, operation))
      this.#own.set(document, found)
    }
    return found
  }
}

const NO_VARIABLES: Variables = {}

/** Decides which requests of all transports are executed, and with which of their parameters. */
export class Requests {
  readonly #options: RequestsOptions
  readonly #documents: PreparedDocuments
  readonly #persistedTexts: ReadonlySet<string>

  constructor(options: RequestsOptions) {
    this.#options = options
    this.#documents = options.documents ?? new PreparedDocuments(options)
    this.#persistedTexts = new Set(options.persisted?.values())
  }

  /** Parses and validates, with limits; results are cached by text. */
  parse(text: string): PreparedDocument {
    return this.#documents.ofText(text)
  }

  /**
   * The parameters of a request that are executed, without anything else: the text, or that of the named persisted document,
   * and the variables that it declares. Throws BAD_USER_INPUT if there is no text.
   */
  accept({ query, operationName, variables, extensions }: RequestParameters): AcceptedParameters {
    const text = query ? query : this.#persistedText(extensions)
    const document = this.#documents.ofText(text)
    const operation = operationIn(document, operationName)
    return {
      document: document.document.loc?.source.body ?? text,
      operationName: operationName ?? undefined,
      variables: operation ? declaredOf(operation.node, variables ?? NO_VARIABLES) : NO_VARIABLES,
    }
  }

  /** The request ready for execution, or why it can't be executed, which is counted. */
  prepare(request: OperationRequest): PreparedRequest | Refused {
    const found = this.#check(request)
    return 'errors' in found ? this.refuse(found) : found
  }

  /** Counts a rejected request. */
  refuse<R extends Refused>(refused: R): R {
    countIn(this.#options.counts.operations, `refused ${String(refused.errors[0]?.extensions['code'])}`)
    return refused
  }

  #check(request: OperationRequest): PreparedRequest | Refused {
    const { persisted, open } = this.#options
    const { viewer, connectionId, reader, operationName, lastEventId } = request
    const isOwn = typeof request.document !== 'string'
    const document = this.#documentOf(request.document)
    if (document.errors.length > 0) return { errors: document.errors }
    if (document.usesIntrospection && !open && !viewer.isAdmin) {
      return this.#refused(new ChatError('FORBIDDEN', 'introspection is for admins here'))
    }
    if (persisted && typeof request.document === 'string' && !viewer.isAdmin && !this.#persistedTexts.has(request.document)) {
      return this.#refused(new ChatError('FORBIDDEN', 'only persisted documents are executed here'))
    }
    const operation = operationIn(document, operationName)
    if (!operation) {
      const message = operationName
        ? `unknown operation ${JSON.stringify(cut(operationName))}`
        : 'operationName is missing: the document has several operations, or none'
      return this.#refused(new ChatError('BAD_USER_INPUT', message))
    }
    const variables = request.variables ?? NO_VARIABLES
    const cost = this.#costOf(operation, variables, isOwn)
    if (typeof cost !== 'number') return cost
    // The library fails on it: every field counts.
    if (cost === 0 && operation.node.operation === 'subscription')
      return this.#refused(
        new ChatError('BAD_USER_INPUT', 'the subscription has no field: all of them are left out by @skip or @include'),
      )
    if (cost <= DOCUMENT_LIMITS.cost)
      return { document, operation, variables, cost, isOwn, viewer, connectionId, reader, lastEventId }
    const message = `it may resolve ${cost} fields, expected at most ${DOCUMENT_LIMITS.cost}: ask for smaller pages`
    return this.#refused(new ChatError('BAD_USER_INPUT', message))
  }

  /** The operation's cost with these variables, or what is wrong with them. */
  #costOf({ node, cost, check }: PreparedOperation, given: Variables, isOwn: boolean): number | Refused {
    const { schema, open } = this.#options
    // Variables of the server's own documents have their declared types.
    if (isOwn) return typeof cost === 'number' ? cost : cost(given)
    // Execution coerces them again: usually it need not be done here.
    if (typeof cost === 'number' && check(given)) return cost
    const coerced = coerceVariables(schema, node, given, open)
    if ('errors' in coerced) return coerced
    const problem = problemWithTexts(coerced.values)
    if (problem !== null) return this.#refused(new ChatError('BAD_USER_INPUT', problem))
    return typeof cost === 'number' ? cost : cost(coerced.values)
  }

  #refused(error: ChatError): Refused {
    return { errors: [toClientError(error, this.#options.report)] }
  }

  #documentOf(document: string | DocumentNode): PreparedDocument {
    if (typeof document !== 'string') return this.#documents.trusted(document)
    const found = this.#documents.ofText(document)
    // Persisted documents are the operator's own, and as trusted as the server's.
    return this.#persistedTexts.has(document) && found.errors.length === 0 ? this.#documents.trusted(found.document) : found
  }

  #persistedText(extensions: unknown): string {
    const { persisted } = this.#options
    const id = persistedId(extensions)
    if (id === undefined) throw new ChatError('BAD_USER_INPUT', 'query is missing, expected the text of a GraphQL document')
    if (!persisted) throw new ChatError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported')
    const text = persisted.get(id)
    if (text === undefined) throw new ChatError('BAD_USER_INPUT', 'there is no persisted document with this id')
    return text
  }
}

function operationIn({ operations }: PreparedDocument, name: string | null | undefined): PreparedOperation | undefined {
  if (name) return operations.get(name)
  return operations.size === 1 ? operations.values().next().value : undefined
}

/** The id in `extensions.persistedQuery.sha256Hash`, where Apollo's and urql's clients put it. */
function persistedId(extensions: unknown): string | undefined {
  const { sha256Hash } =
    (extensions as { persistedQuery?: { sha256Hash?: unknown } | null } | null | undefined)?.persistedQuery ?? {}
  return typeof sha256Hash === 'string' ? sha256Hash : undefined
}
