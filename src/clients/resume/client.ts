/** What a client sends; as in graphql-ws and graphql-sse. */
export interface Payload {
  query: string
  operationName?: string | null | undefined
  variables?: Record<string, unknown> | null | undefined
}

export interface Result {
  data?: Record<string, unknown> | null | undefined
  errors?: readonly unknown[] | undefined
}

export interface Sink {
  next(result: Result): void
  error(error: unknown): void
  complete(): void
}

/** The part of a client that is used, common to graphql-ws and graphql-sse. `on` is graphql-ws's. */
export interface SubscribingClient {
  // oxlint-disable-next-line typescript/no-explicit-any -- both libraries have types of their own, of the same shape
  subscribe(payload: any, sink: any, ...rest: any[]): () => void
  dispose?: () => unknown
  // oxlint-disable-next-line typescript/no-explicit-any
  on?: any
}
