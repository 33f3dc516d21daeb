import { Client, subscriptionExchange } from '@urql/core'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
// In an app: from 'parley/resume'.
import { resumable } from '../dist/clients/resume/resume.js'
import { endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { EVENTS, show } from './events.mjs'

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
urql.subscription(EVENTS, { after: '0' }).subscribe(({ data, error }) => {
  if (error) console.error(error.message)
  else show(data.events)
})
