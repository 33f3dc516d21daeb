import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { backoff, endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { createReader, EVENTS } from './events.mjs'

// Apollo's link looks at the global one, which Node has since version 22.
globalThis.WebSocket ??= WebSocket
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
const apollo = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() })

/** Resolves when the subscription is over, for whatever reason. */
const subscribe = (onEvent) =>
  new Promise((resolve) => {
    apollo.subscribe({ query: gql(EVENTS), variables: { after: reader.cursor }, fetchPolicy: 'no-cache' }).subscribe({
      next({ data, error }) {
        if (data) onEvent(data.events)
        // Apollo tells of a broken line as of an error in a result.
        if (error) resolve(error)
      },
      error: resolve,
      complete: resolve,
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
