import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
// In an app: from 'parley/resume'.
import { resumable } from '../dist/clients/resume/resume.js'
import { endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { EVENTS, show } from './events.mjs'

// Apollo's link looks at the global one, which Node has since version 22.
globalThis.WebSocket ??= WebSocket
const { url, token } = readArguments('ws://127.0.0.1:4000/graphql')
const socket = resumable(
  createClient({
    url,
    webSocketImpl: WebSocket,
    // Asked before each connection: an app gives a new token here when the old one has expired.
    connectionParams: () => ({ authorization: `Bearer ${token}` }),
    // A line that is dead without a word is noticed by its missing pong.
    keepAlive: 10_000,
    retryAttempts: 0,
    on: { closed: ({ code, reason }) => code === 4403 && endIfRefused(code, reason) },
  }),
  { onRetry: (reason) => sayBroken(url, reason) },
)

const apollo = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() })
apollo.subscribe({ query: gql(EVENTS), variables: { after: '0' }, fetchPolicy: 'no-cache' }).subscribe({
  next({ data, error }) {
    if (error) console.error(error.message)
    else show(data.events)
  },
  error: (error) => console.error(error.message),
})
