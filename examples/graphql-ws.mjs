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

for await (const { data, errors } of socket.iterate({ query: EVENTS, variables: { after: '0' } })) {
  if (errors) throw new Error(errors[0].message)
  show(data.events)
}
