import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { Client as UrqlClient, subscriptionExchange } from '@urql/core'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWsClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { sleep } from '../../support/processes.js'
import { delayOf } from '../backoff.js'
import { keyOf, parley, SEND, SUBSCRIPTION } from './parley.js'

// Apollo's link looks at the global one, which Node has since version 22.
globalThis.WebSocket ??= /** @type {any} */ (WebSocket)

/**
 * Parley with clients of three libraries, a third each: Apollo Client over graphql-ws, urql over graphql-ws, graphql-sse. What counts is what
 * a component was given that subscribed once, whatever became of its connections: nothing may come twice.
 *
 * @param {string} entry
 * @param {string} [resumeModule] the compiled module `parley/resume`, which wraps each client; without it they come back by themselves
 * @returns {import('./system.js').System}
 */
export const libraries = (entry, resumeModule) => ({
  ...parley(entry),
  name: resumeModule ? 'Apollo, urql, graphql-sse with parley/resume' : 'the same without it',
  connect: (options) => connect(options, resumeModule),
})

const openWs = ({ address, newToken }, retries) =>
  createWsClient({
    url: `ws://${address}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: () => ({ authorization: `Bearer ${newToken()}` }),
    ...retries,
  })

const openSse = ({ address, newToken }, retries) =>
  createSseClient({ url: `http://${address}/graphql`, headers: () => ({ authorization: `Bearer ${newToken()}` }), ...retries })

/** Apollo's and urql's way to a component, and that of graphql-sse, which has none between. */
const COMPONENTS = [
  (client, variables, show) => {
    const apollo = new ApolloClient({ link: new GraphQLWsLink(client), cache: new InMemoryCache() })
    const options = { query: gql(SUBSCRIPTION), variables, fetchPolicy: 'no-cache' }
    apollo.subscribe(options).subscribe({ next: ({ data }) => show(data), error: () => undefined })
  },
  (client, variables, show) => {
    const forwardSubscription = ({ query, variables }) => ({
      subscribe: (sink) => ({ unsubscribe: client.subscribe({ query, variables }, sink) }),
    })
    const urql = new UrqlClient({ url: 'http://127.0.0.1', exchanges: [subscriptionExchange({ forwardSubscription })] })
    urql.subscription(SUBSCRIPTION, variables).subscribe(({ data }) => show(data))
  },
  (client, variables, show) => {
    client.subscribe(
      { query: SUBSCRIPTION, variables },
      { next: ({ data }) => show(data), error: () => undefined, complete: () => undefined },
    )
  },
]

function connect(options, resumeModule) {
  const { userId, ledger } = options
  const component = COMPONENTS[userId % COMPONENTS.length]
  const isSse = userId % COMPONENTS.length === 2
  // Without the package the libraries come back as long as they can; with it it decides alone.
  const retries = resumeModule
    ? { retryAttempts: 0 }
    : {
        retryAttempts: Infinity,
        retry: (count) => sleep(delayOf(count)),
        retryWait: (count) => sleep(delayOf(count)),
        shouldRetry: () => true,
      }
  const inner = isSse ? openSse(options, retries) : openWs(options, retries)
  const opened = resumeModule ? import(resumeModule).then((module) => wrap(module, inner)) : Promise.resolve(unwrapped(inner))
  const ready = opened.then(async ({ client, mutate }) => {
    const show = (data) => {
      const event = data?.events
      if (event?.__typename === 'ResumeIncomplete') ledger.incompleteResumes++
      if (event?.__typename !== 'MessageSent') return
      const { id, content } = event.message
      // One connection to the component, whatever lies below.
      ledger.received(userId, { key: keyOf(content), id: Number(id), place: Number(event.id), connection: 1 })
    }
    // Without the package an app begins with what is new, as it has no position to go on from.
    component(client, { after: resumeModule ? '0' : null }, show)
    await mutate({ query: '{ viewer { id } }' })
  })
  return {
    ready,
    async send({ key, conversation, receiverId, content }) {
      const to = conversation.isGroup ? { conversationId: conversation.id } : { receiverId: String(receiverId) }
      const { mutate } = await opened
      await mutate({ query: SEND, variables: { input: { ...to, content, clientMessageId: key } } })
    },
    async close() {
      const { client, dispose } = await opened
      dispose?.()
      await Promise.resolve(client.dispose()).catch(() => undefined)
    },
  }
}

function wrap({ outbox, resumable }, inner) {
  const client = resumable(inner)
  const box = outbox(inner)
  /** The outbox repeats by itself: a second call for the same message waits for the same answer. */
  const pending = new Map()
  return {
    client,
    dispose: () => box.dispose(),
    mutate(payload) {
      const key = payload.variables?.input.clientMessageId
      if (key === undefined) return box.mutate(payload)
      if (!pending.has(key))
        pending.set(
          key,
          box.mutate(payload).finally(() => pending.delete(key)),
        )
      return pending.get(key)
    },
  }
}

const unwrapped = (client) => ({
  client,
  mutate: (payload) =>
    new Promise((resolve, reject) => {
      let result
      client.subscribe(payload, {
        next: (value) => (result = value),
        error: reject,
        complete: () => (result?.data && !result.errors ? resolve(result) : reject(new Error(JSON.stringify(result?.errors)))),
      })
    }),
})
