import { randomUUID } from 'node:crypto'

const SUBSCRIPTION = `subscription {
  events { __typename id timestamp ... on MessageSent { message { id content sender { id name } conversation { id } } } }
}`
const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

/** @type {import('./protocol.js').Protocol} */
export const graphql = {
  path: '/graphql',
  headers: () => ({ 'Sec-WebSocket-Protocol': 'graphql-transport-ws' }),
  async open(connection, token) {
    await connection.until('')
    const acknowledged = connection.until('"connection_ack"')
    connection.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
    await acknowledged
    // An id of its own, as long as those of graphql-ws's client: a server that made one frame for all would have it easier than it is.
    const id = `${randomUUID().slice(7)}-events`
    connection.send(JSON.stringify({ id, type: 'subscribe', payload: { query: SUBSCRIPTION } }))
  },
  message: ({ conversationId, receiverId, key, number, content }) => {
    const to = receiverId === undefined ? { conversationId } : { receiverId: String(receiverId) }
    const variables = { input: { ...to, content, clientMessageId: key } }
    return JSON.stringify({ id: `send-${number}`, type: 'subscribe', payload: { query: SEND, variables } })
  },
  acknowledgement: Buffer.from('"sendMessage"'),
  failures: [Buffer.from('"errors"'), Buffer.from('"type":"error"'), Buffer.from('-events","type":"complete"')],
}
