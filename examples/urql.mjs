import { Client, subscriptionExchange } from '@urql/core'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { backoff, endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { createReader, EVENTS } from './events.mjs'

const { url, token } = readArguments('ws://127.0.0.1:4000/graphql')
const reader = createReader(console.log)

/** Why there is no socket; what the subscription ends with does not say it. */
let failure

const socket = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  // Subscribing again is done below, with the cursor of then.
  retryAttempts: 0,
  keepAlive: 10_000,
  on: {
    connecting: () => (failure = undefined),
    error: (error) => (failure = error),
    closed: (event) => {
      endIfRefused(event.code, event.reason)
      failure ??= event
    },
  },
})
const urql = new Client({
  url: url.replace(/^ws/, 'http'),
  exchanges: [
    subscriptionExchange({
      forwardSubscription: ({ query = '', variables }) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
})

/** Resolves when the subscription is over, for whatever reason. */
const subscribe = (onEvent) =>
  new Promise((resolve) => {
    const { unsubscribe } = urql.subscription(EVENTS, { after: reader.cursor }).subscribe(({ data, error, hasNext }) => {
      if (data && !error) onEvent(data.events)
      if (!error && hasNext !== false) return
      resolve(error)
      // The first result may come before `subscribe` has returned.
      queueMicrotask(() => unsubscribe())
    })
  })

for (let failures = 0; ; failures++) {
  const problem = await subscribe((event) => {
    reader.read(event)
    failures = 0
  })
  sayBroken(url, failure ?? problem)
  await backoff(failures)
}
