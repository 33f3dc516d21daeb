/**
 * The closed table of errors. The code is what GraphQL clients see in `extensions.code`, the status is the HTTP status and the
 * legacy protocol's `code` (docs/protocol.md, section 5).
 */
export const ERROR_STATUS = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  UNAVAILABLE: 503,
  // Apollo's clients check its name and text, and then send the document itself.
  PERSISTED_QUERY_NOT_SUPPORTED: 200,
} as const

export type ErrorCode = keyof typeof ERROR_STATUS

/**
 * Creates errors without a stack. Refusals occur by the thousand, their message says everything, and capturing the stack costs
 * more than all the rest.
 */
export function withoutStack<T>(make: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * A problem that the person who runs a command can correct: the message says what is wrong and what to do, contains no secret,
 * and is printed alone, without a stack.
 */
export class OperatorError extends Error {
  override name = 'OperatorError'
}

/** An error that a client may see: its message is written for clients and contains no internals. */
export class ChatError extends Error {
  readonly code: ErrorCode
  /** Milliseconds after which a retry may succeed; with RATE_LIMITED. */
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    // As `withoutStack` does.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'ChatError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }

  get status(): number {
    return ERROR_STATUS[this.code]
  }
}

export const badInput = (message: string): ChatError => new ChatError('BAD_USER_INPUT', message)
export const notFound = (message: string): ChatError => new ChatError('NOT_FOUND', message)
export const forbidden = (message: string): ChatError => new ChatError('FORBIDDEN', message)
