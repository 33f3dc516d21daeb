import { createClient, type Client } from 'graphql-ws'
import { WebSocket } from 'ws'
import { Inbox } from './inbox.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- results are looked at by the tests, field by field
export type Data = any

export interface GraphqlError {
  message: string
  path?: (string | number)[]
  extensions: { code: string } & Record<string, unknown>
}

export interface Result {
  data?: Data
  errors?: GraphqlError[]
}

/** An open subscription: results in the inbox, `ended` when it is over, with the errors it ended with. */
export interface Subscription {
  inbox: Inbox<Result>
  ended: Promise<readonly GraphqlError[]>
  close(): void
}

/** One viewer over one transport. */
export interface GraphqlClient {
  /** Runs a query or mutation. */
  run(query: string, variables?: Record<string, unknown>): Promise<Result>
  /** Runs it and resolves with its data; rejects where there are errors. */
  data(query: string, variables?: Record<string, unknown>): Promise<Data>
  /**
   * Subscribes; events published after this call's promise resolved are not missed, unless the caller has another way to
   * know when the subscription is open.
   */
  subscribe(query: string, variables?: Record<string, unknown>, options?: { untilOpen: boolean }): Promise<Subscription>
  close(): Promise<void>
}

const withData = (run: GraphqlClient['run']): GraphqlClient['data'] => {
  return async (query, variables) => {
    const { data, errors } = await run(query, variables)
    if (errors) throw new Error(JSON.stringify(errors))
    return data as Data
  }
}

/** GraphQL over WebSocket, through the library that clients use. */
export function connectGraphqlWs(url: string, token: string): GraphqlClient & { client: Client } {
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${token}` },
    onNonLazyError: () => undefined,
  })
  const run: GraphqlClient['run'] = (query, variables = {}) =>
    new Promise((resolve, reject) => {
      let result: Result = {}
      client.subscribe(
        { query, variables },
        {
          next: (value) => (result = value as Result),
          error: (error) => (Array.isArray(error) ? resolve({ errors: error as never }) : reject(error as Error)),
          complete: () => resolve(result),
        },
      )
    })
  return {
    client,
    run,
    data: withData(run),
    async subscribe(query, variables = {}, { untilOpen } = { untilOpen: true }) {
      const inbox = new Inbox<Result>()
      let last: Result = {}
      let close: () => void = () => undefined
      const ended = new Promise<readonly GraphqlError[]>((resolve) => {
        const over = (errors: readonly GraphqlError[]): void => {
          inbox.end(`the subscription ended: ${JSON.stringify(errors)}`)
          resolve(errors)
        }
        close = client.subscribe(
          { query, variables },
          {
            next: (value) => inbox.push((last = value as Result)),
            error: (error) =>
              over(
                Array.isArray(error)
                  ? (error as never)
                  : [
                      {
                        message: String((error as Error).message ?? (error as { reason?: string }).reason),
                        extensions: { code: 'CLOSED' },
                      },
                    ],
              ),
            complete: () => over(last.errors ?? []),
          },
        )
      })
      // Executed when the subscription is attached.
      if (untilOpen) await run('{ viewer { id } }')
      return { inbox, ended, close }
    },
    async close() {
      await client.dispose()
    },
  }
}

/** GraphQL over HTTP, with subscriptions as server-sent events. */
export function connectHttp(url: string, token: string): GraphqlClient {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const open = new Set<AbortController>()
  const run: GraphqlClient['run'] = async (query, variables = {}) => {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })
    return (await response.json()) as Result
  }
  return {
    run,
    data: withData(run),
    async subscribe(query, variables = {}) {
      const inbox = new Inbox<Result>()
      const controller = new AbortController()
      open.add(controller)
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, accept: 'text/event-stream' },
        body: JSON.stringify({ query, variables }),
        signal: controller.signal,
      })
      const ended = readEvents(response, inbox).finally(() => open.delete(controller))
      return { inbox, ended, close: () => controller.abort() }
    },
    close() {
      for (const controller of open) controller.abort()
      return Promise.resolve()
    },
  }
}

/** Reads `event: next` and `event: complete`; resolves with the errors of the last result where it ended with some. */
async function readEvents(response: Response, inbox: Inbox<Result>): Promise<readonly GraphqlError[]> {
  let text = ''
  let last: Result = {}
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() as string
      for (const block of blocks) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1]
        if (/^event: next$/m.test(block)) {
          last = JSON.parse(data as string) as Result
          inbox.push(last)
        }
      }
    }
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error
  }
  inbox.end(`the stream ended: ${JSON.stringify(last.errors ?? [])}`)
  return last.errors ?? []
}
