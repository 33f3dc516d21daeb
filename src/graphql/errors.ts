import { GraphQLError, type ExecutionResult } from 'graphql'
import { ChatError, ERROR_STATUS, withoutStack, type ErrorCode } from '../errors.ts'
import { AnswerTooLarge, MAX_RESPONSE_BYTES, overflowOf } from './answer.ts'

/** Called with each error that clients may not see, and its context. */
export type ReportError = (error: unknown, about?: { eventId: number; event: string }) => void

const reported = new WeakSet<object>()

/** Maximum number of reported errors of a document or of its variables. */
export const MAX_ERRORS = 10

/** How much of a value an error shows, and the maximum length of a message. */
const VALUE_CHARACTERS = 100
const MESSAGE_CHARACTERS = 1000

const QUOTED = new RegExp(`"((?:[^"\\\\]|\\\\.){${VALUE_CHARACTERS}})(?:[^"\\\\]|\\\\.)+(?:"|$)`, 'gs')
const UNQUOTED = new RegExp(`((?:value:|value|found) [{[].{${VALUE_CHARACTERS}}).*$`, 's')

export const cut = (text: string, characters = VALUE_CHARACTERS): string =>
  text.length > characters ? `${text.slice(0, characters)}…` : text

/** The message with long values cut: the libraries repeat input values of any length. */
export const withShortValues = (message: string): string =>
  message.length <= VALUE_CHARACTERS
    ? message
    : cut(
        cut(message, 16 * MESSAGE_CHARACTERS)
          .replace(QUOTED, '"$1…"')
          .replace(UNQUOTED, '$1…'),
        MESSAGE_CHARACTERS,
      )

/**
 * A copy of the error with another message and extensions that holds only what clients see: no stack, and neither the document
 * nor the values concerned.
 */
export function reworded(
  { locations, path }: Pick<GraphQLError, 'locations' | 'path'>,
  message: string,
  extensions: Record<string, unknown>,
): GraphQLError {
  // A stack keeps alive everything that was in scope, and is never read.
  const error = withoutStack(() => new GraphQLError(message, { ...(path ? { path } : {}), extensions: { ...extensions } }))
  return locations ? Object.assign(error, { locations: locations.slice(0, MAX_ERRORS) }) : error
}

/**
 * The error as clients may see it, always with `extensions.code`: a ChatError with its own, mistakes in the document or
 * variables as BAD_USER_INPUT, anything else masked and reported once.
 */
export function toClientError(error: unknown, report: ReportError): GraphQLError {
  const graphqlError =
    error instanceof GraphQLError ? error : withoutStack(() => new GraphQLError('', { originalError: error as Error }))
  let cause: unknown = graphqlError
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError
  if (cause instanceof ChatError) {
    const { code, message, retryAfterMs } = cause
    return reworded(graphqlError, message, retryAfterMs === undefined ? { code } : { code, retryAfterMs })
  }
  if (cause instanceof GraphQLError) {
    // What a library copies from the error it caught is not for clients.
    const { code, originalError, ...extensions } = cause.extensions
    if (originalError === undefined && typeof code === 'string' && Object.hasOwn(ERROR_STATUS, code)) return graphqlError
    const text = withShortValues(graphqlError.message)
    return reworded(graphqlError, text, { ...extensions, code: 'BAD_USER_INPUT' satisfies ErrorCode })
  }
  if (typeof cause === 'object' && cause !== null && !reported.has(cause)) {
    reported.add(cause)
    report(cause)
  }
  return reworded(graphqlError, 'Unexpected error.', { code: 'INTERNAL_SERVER_ERROR' satisfies ErrorCode })
}

export interface AnswerRules {
  /** Whether errors about variables may name parts of the schema. */
  suggestions?: boolean
  maxBytes?: number | undefined
  isMutation?: boolean
}

/**
 * An execution's result with its errors as clients may see them, or BAD_USER_INPUT if it is too large; synchronous if the
 * result is there.
 */
export function toClientResult(
  result: ExecutionResult | Promise<ExecutionResult>,
  report: ReportError,
  rules: AnswerRules = {},
): ExecutionResult | Promise<ExecutionResult> {
  return 'then' in result ? result.then((settled) => clientResult(settled, report, rules)) : clientResult(result, report, rules)
}

const NO_ERRORS: readonly GraphQLError[] = []

/** Maximum number of errors in an answer. */
const ERRORS_LIMIT = 1000

/** The same for a settled result. */
export function clientResult(
  result: ExecutionResult,
  report: ReportError,
  { suggestions = true, maxBytes = MAX_RESPONSE_BYTES, isMutation = false }: AnswerRules,
): ExecutionResult {
  const given = result.errors ?? NO_ERRORS
  const tooLarge = given.find(({ originalError }) => originalError instanceof AnswerTooLarge)
  if (tooLarge) return refusal(tooLarge, report, isMutation)
  const clientResult = given.length > ERRORS_LIMIT ? result : withClientErrors(result, report, suggestions)
  const where = given.length > ERRORS_LIMIT ? String(given[0]?.path?.[0] ?? 'it') : overflowOf(clientResult, maxBytes)
  if (where === undefined) return clientResult
  return refusal(new AnswerTooLarge(`${maxBytes} bytes`, cut(where)), report, isMutation)
}

/** What is sent instead of an answer that is too large. */
function refusal(tooLarge: Error, report: ReportError, isMutation: boolean): ExecutionResult {
  const error = toClientError(tooLarge, report)
  const told = isMutation ? reworded(error, `${error.message}. The mutation was carried out`, error.extensions) : error
  return { data: null, errors: [told] }
}

function withClientErrors(result: ExecutionResult, report: ReportError, suggestions: boolean): ExecutionResult {
  if (!result.errors) return result
  const shown = 'data' in result ? result.errors : result.errors.slice(0, MAX_ERRORS)
  const errors = shown.map((error) => toClientError(error, report))
  return { ...result, errors: suggestions || 'data' in result ? errors : errors.map(withoutSuggestion) }
}

/** The error without the names that graphql-js suggests. */
export const withoutSuggestion = (error: GraphQLError): GraphQLError =>
  reworded(error, error.message.replace(/ ?Did you mean .+\?$/, ''), error.extensions)

/** A client error's code and status; errors of the transports need both. */
export function statusOf(error: GraphQLError): { code: ErrorCode; status: number } {
  const code = error.extensions['code']
  const known = typeof code === 'string' && Object.hasOwn(ERROR_STATUS, code) ? (code as ErrorCode) : 'INTERNAL_SERVER_ERROR'
  return { code: known, status: ERROR_STATUS[known] }
}
