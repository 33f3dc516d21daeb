import { GraphQLError, type ExecutionResult, type GraphQLSchema } from 'graphql'
import { createYoga, processRegularResult, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Viewer } from '../auth/verify.ts'
import type { ErrorCode } from '../errors.ts'
import { reworded, statusOf, toClientError, withShortValues, type ReportError } from './errors.ts'
import type { Operations } from './operations.ts'
import type { AnswerReader, OperationRequest, RequestParameters } from './requests.ts'
import { processEventStream } from './event-stream.ts'
import type { ResultStream } from './result-stream.ts'

/** What the HTTP transport passes with a request that it has authenticated. */
export interface HttpContext {
  viewer: Viewer
  reader: AnswerReader
  /** The header Last-Event-ID; undefined if it is missing or empty. */
  lastEventId: string | undefined
  /** Opens a subscription as a stream that the transport counts as a connection of the viewer. */
  openStream: (request: OperationRequest) => Promise<ResultStream | ExecutionResult>
}

export interface YogaOptions {
  schema: GraphQLSchema
  operations: Operations
  report: ReportError
}

export type HttpHandler = YogaServerInstance<HttpContext, object>

/** GraphQL over HTTP and server-sent events, with the project's own parsing, validation and execution. */
export function createHttpHandler({ schema, operations, report }: YogaOptions): HttpHandler {
  return createYoga<HttpContext>({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    batching: false,
    multipart: false,
    logging: false,
    // The transport checks origins.
    cors: false,
    healthCheckEndpoint: '/graphql/health-is-elsewhere',
    parserAndValidationCache: false,
    maskedErrors: { maskError: (error) => toClientError(error, report) },
    // The transport serves the page.
    graphiql: false,
    plugins: [useWellFormedRequests(operations), useOperations(operations), useAcceptedTypes(), useStatus(), useStreamHeaders()],
  })
}

/** Refuses anything that is not a GraphQL request with status 400, whatever the client accepts. */
function useWellFormedRequests(operations: Operations): Plugin<HttpContext> {
  return {
    onRequestParse({ requestParser, setRequestParser }) {
      if (!requestParser) return
      setRequestParser(async (request) => {
        let params: Awaited<ReturnType<typeof requestParser>>
        try {
          params = await requestParser(request)
        } catch (error) {
          if (error instanceof GraphQLError) throw malformed(error.message)
          // Of the parameters in a URL.
          if (error instanceof SyntaxError) throw malformed('variables or extensions is not valid JSON')
          throw error
        }
        if ('status' in params || Array.isArray(params)) return params
        // Typed as a string, but read from a body.
        if (typeof (params.query ?? '') !== 'string') throw malformed('query is not a string')
        try {
          // The rest is checked after Yoga has found it well-formed.
          return { ...params, query: operations.accept({ query: params.query, extensions: params.extensions }).document }
        } catch (error) {
          const { code, status } = statusOf(operations.failure(error))
          throw malformed((error as Error).message, code, status)
        }
      })
    },
  }
}

const malformed = (message: string, code: ErrorCode = 'BAD_USER_INPUT', status = 400): GraphQLError =>
  new GraphQLError(withShortValues(message), { extensions: { code, http: { status } } })

/** Parses, validates and executes as every transport does. */
function useOperations(operations: Operations): Plugin<HttpContext> {
  return {
    onParse({ params, context, setParsedDocument }) {
      const { document, errors } = operations.parse(String(params.source))
      if (errors.length > 0) {
        operations.countRefused(errors)
        // Copies: Yoga modifies them, and all transports share them.
        throw new AggregateError(errors.map((error) => reworded(error, error.message, error.extensions)))
      }
      // Yoga keeps them as long as a stream is open.
      const request = (context as unknown as { params: RequestParameters }).params
      Object.assign(request, { variables: operations.accept(request).variables, extensions: undefined })
      setParsedDocument(document)
    },
    onValidate: ({ setResult }) => setResult([]),
    onExecute({ args, setExecuteFn }) {
      const { viewer, reader } = args.contextValue as unknown as HttpContext
      setExecuteFn(() => operations.execute({ ...requestOf(args), viewer, connectionId: null, reader }))
    },
    onSubscribe({ args, setSubscribeFn }) {
      const { viewer, lastEventId, openStream } = args.contextValue as unknown as HttpContext
      setSubscribeFn(() => openStream({ ...requestOf(args), viewer, connectionId: null, lastEventId }))
    },
  }
}

interface Args {
  document: { loc?: { source: { body: string } } | undefined }
  operationName?: string | null | undefined
  variableValues?: Record<string, unknown> | null | undefined
}

const requestOf = ({ document, operationName, variableValues }: Args) => ({
  document: document.loc?.source.body ?? '',
  operationName,
  variables: variableValues,
})

/**
 * SSE is for subscriptions: a query or mutation whose Accept also lists JSON is answered in JSON. A subscription of a client
 * that does not accept SSE gets 406; otherwise its stream would have no reader.
 */
function useAcceptedTypes(): Plugin<HttpContext> {
  return {
    onResultProcess(payload) {
      const { result, request, resultProcessor } = payload
      if (Symbol.asyncIterator in result) {
        if (resultProcessor) payload.setResultProcessor(processEventStream as never, 'text/event-stream')
        else void (result as ResultStream).return()
        return
      }
      const accept = request.headers.get('accept') ?? ''
      if (!/text\/event-stream/i.test(accept)) return
      const mediaType = /application\/graphql-response\+json|application\/json/i.exec(accept)?.[0].toLowerCase()
      if (mediaType) payload.setResultProcessor(processRegularResult as never, mediaType)
    },
  }
}

/**
 * The status of a response without data (GraphQL over HTTP, section 6.4): its error's own for
 * application/graphql-response+json; for other media types only if the server is at fault, otherwise 200.
 */
function useStatus(): Plugin<HttpContext> {
  const withStatus = (error: GraphQLError): GraphQLError => {
    const { status } = statusOf(error)
    return reworded(error, error.message, { http: { status, spec: status < 500 }, ...error.extensions })
  }
  return {
    onResultProcess(payload) {
      const { result } = payload
      if (Symbol.asyncIterator in result || Array.isArray(result) || 'data' in result || !result.errors) return
      payload.setResult({ ...result, errors: result.errors.map(withStatus) })
    },
  }
}

/**
 * Server-sent events through proxies: nginx and similar ones must not buffer them, and `none` is not a content coding in HTTP.
 */
function useStreamHeaders(): Plugin<HttpContext> {
  return {
    onResponse({ response }) {
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return
      response.headers.delete('content-encoding')
      response.headers.set('x-accel-buffering', 'no')
    },
  }
}
