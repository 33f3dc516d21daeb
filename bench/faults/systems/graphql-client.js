import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { delayOf } from '../backoff.js'
import { sleep } from '../../support/processes.js'

/**
 * A client of graphql-ws that comes back for ever, and subscribes again when a subscription ends.
 *
 * @param {object} options
 * @param {string} options.url
 * @param {Record<string, unknown>} options.connectionParams
 * @param {{ query: string, variables?: Record<string, unknown> }} options.subscription
 * @param {(data: any, connection: number) => void} options.onData
 */
export function openGraphqlClient({ url, connectionParams, subscription, onData }) {
  let connection = 0
  let isClosed = false
  /** @type {() => void} */
  let connected = () => undefined
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => (connected = resolve))
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: Infinity,
    retryWait: (attempt) => sleep(delayOf(attempt)),
    shouldRetry: () => true,
    on: {
      connected() {
        connection++
        connected()
      },
    },
  })

  async function subscribe() {
    for (let attempt = 0; !isClosed; attempt++) {
      await new Promise((/** @type {(reason?: unknown) => void} */ resolve) => {
        const next = ({ data }) => {
          attempt = 0
          if (data) onData(data, connection)
        }
        client.subscribe(subscription, { next, error: resolve, complete: resolve })
      })
      // A subscription that is opened again may deliver again what an earlier one delivered.
      connection++
      if (!isClosed) await sleep(delayOf(attempt))
    }
  }
  void subscribe()

  return {
    ready,
    /** Resolves when the mutation has succeeded. */
    mutate: (query, variables) =>
      new Promise((/** @type {(nothing?: void) => void} */ resolve, reject) => {
        let result
        client.subscribe(
          { query, variables },
          {
            next: (value) => (result = value),
            error: reject,
            complete: () => (result?.data && !result.errors ? resolve() : reject(new Error(JSON.stringify(result?.errors)))),
          },
        )
      }),
    async close() {
      isClosed = true
      await client.dispose()
    },
  }
}
