import { fileURLToPath } from 'node:url'
import { TABLE } from '../controls/table.js'
import { openGraphqlClient } from './graphql-client.js'
import { query } from '../../support/services.js'

const SUBSCRIPTION = 'subscription { messageSent { id key conversation sender content } }'
const SEND = `mutation ($key: ID!, $conversation: ID!, $content: String!) {
  sendMessage(key: $key, conversation: $conversation, content: $content)
}`

/** @type {import('./system.js').System} */
export const yoga = {
  name: 'Yoga + graphql-ws + RedisPubSub',
  busConnections: 'pubsub',
  entry: fileURLToPath(new URL('../controls/yoga.js', import.meta.url)),
  env: ({ conversations }) => ({ CONVERSATIONS: JSON.stringify(conversations) }),
  prepareDatabase: (databaseUrl) => query(databaseUrl, TABLE),
  connect({ address, userId, token, ledger }) {
    const client = openGraphqlClient({
      url: `ws://${address}/graphql`,
      connectionParams: { token },
      subscription: { query: SUBSCRIPTION },
      onData({ messageSent: { id, key } }, connection) {
        ledger.received(userId, { key, id: Number(id), place: Number(id), connection })
      },
    })
    return {
      ...client,
      send: ({ key, conversation, content }) => client.mutate(SEND, { key, conversation: conversation.id, content }),
    }
  },
}
