import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { backoff, endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { createReader, EVENTS } from './events.mjs'

const { url, token } = readArguments('ws://127.0.0.1:4000/graphql')
const reader = createReader(console.log)

/** Why there is no socket; what the subscription ends with is its close only. */
let failure

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  // The library would subscribe again with the old `after`: coming back is done below, with the new one.
  retryAttempts: 0,
  // A line that is dead without a word is noticed by its missing pong.
  keepAlive: 10_000,
  on: { connecting: () => (failure = undefined), error: (error) => (failure = error) },
})

for (let failures = 0; ; failures++) {
  try {
    for await (const { data, errors } of client.iterate({ query: EVENTS, variables: { after: reader.cursor } })) {
      if (errors) throw new Error(errors[0].message)
      reader.read(data.events)
      failures = 0
    }
  } catch (problem) {
    endIfRefused(problem.code, problem.reason)
    sayBroken(url, failure ?? problem)
  }
  await backoff(failures)
}
