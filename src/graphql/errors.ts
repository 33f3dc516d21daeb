import { GraphQLError, type ExecutionResult } from 'graphql'
import { ChatError, ERROR_STATUS, type ErrorCode } from '../errors.ts'

/** Told of an error that no client may see, once for each time it happened. */
export type ReportError = (error: unknown) => void

const reported = new WeakSet<object>()

/** A copy of the error with another text and other extensions. */
export const reworded = (error: GraphQLError, message: string, extensions: Record<string, unknown>): GraphQLError =>
  new GraphQLError(message, {
    ...(error.nodes ? { nodes: error.nodes } : {}),
    ...(error.source ? { source: error.source } : {}),
    ...(error.positions ? { positions: error.positions } : {}),
    ...(error.path ? { path: error.path } : {}),
    ...(error.originalError ? { originalError: error.originalError } : {}),
    extensions: { ...extensions },
  })

/**
 * The error as clients may see it, always with `extensions.code`: a ChatError with its own, what the document or its
 * variables do wrong as BAD_USER_INPUT, anything else masked and reported once.
 */
export function toClientError(error: unknown, report: ReportError): GraphQLError {
  const graphqlError = error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error })
  let cause: unknown = graphqlError
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError
  if (cause instanceof ChatError) {
    const { code, message, retryAfterMs } = cause
    return reworded(graphqlError, message, retryAfterMs === undefined ? { code } : { code, retryAfterMs })
  }
  if (cause instanceof GraphQLError) {
    // What a library puts there of the error that it caught is not for clients.
    const { code, originalError, ...extensions } = cause.extensions
    if (originalError === undefined && typeof code === 'string' && Object.hasOwn(ERROR_STATUS, code)) return graphqlError
    return reworded(graphqlError, graphqlError.message, { ...extensions, code: 'BAD_USER_INPUT' satisfies ErrorCode })
  }
  if (typeof cause === 'object' && cause !== null && !reported.has(cause)) {
    reported.add(cause)
    report(cause)
  }
  return reworded(graphqlError, 'Unexpected error.', { code: 'INTERNAL_SERVER_ERROR' satisfies ErrorCode })
}

/**
 * An execution's result with its errors as clients may see them; at once where it is there already. `suggestions` false
 * takes names of the schema out of what the variables do wrong.
 */
export function toClientResult(
  result: ExecutionResult | Promise<ExecutionResult>,
  report: ReportError,
  suggestions = true,
): ExecutionResult | Promise<ExecutionResult> {
  if ('then' in result) return result.then((settled) => withClientErrors(settled, report, suggestions))
  return withClientErrors(result, report, suggestions)
}

function withClientErrors(result: ExecutionResult, report: ReportError, suggestions: boolean): ExecutionResult {
  if (!result.errors) return result
  const errors = result.errors.map((error) => toClientError(error, report))
  return { ...result, errors: suggestions || 'data' in result ? errors : errors.map(withoutSuggestion) }
}

/** The error without the names that graphql-js thinks were meant. */
export const withoutSuggestion = (error: GraphQLError): GraphQLError =>
  reworded(error, error.message.replace(/ ?Did you mean .+\?$/, ''), error.extensions)

/** The code of a client's error, and its status; errors of the transports need both. */
export function statusOf(error: GraphQLError): { code: ErrorCode; status: number } {
  const code = error.extensions['code']
  const known = typeof code === 'string' && Object.hasOwn(ERROR_STATUS, code) ? (code as ErrorCode) : 'INTERNAL_SERVER_ERROR'
  return { code: known, status: ERROR_STATUS[known] }
}
