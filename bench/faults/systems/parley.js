import { WebSocket } from 'ws'
import { delayOf } from '../backoff.js'
import { signToken } from '../../support/token.js'
import { openGraphqlClient } from './graphql-client.js'

export const SUBSCRIPTION = `subscription ($after: ID) {
  events(after: $after) { __typename id ... on MessageSent { message { id content conversation { id } sender { id } } } }
}`
export const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

export const keyOf = (content) => content.slice(0, content.indexOf(' '))

/**
 * Parley, its clients half of the legacy protocol, half of GraphQL subscriptions.
 *
 * @param {string} entry
 * @returns {import('./system.js').System}
 */
export const parley = (entry) => ({
  name: 'Parley',
  busConnections: 'pubsub',
  entry,
  env: () => ({ NODE_ENV: 'production', RATE_LIMIT_PER_SECOND: '0', LOG_LEVEL: 'warn' }),
  async prepare({ nodes: [node], users, conversations }) {
    const admin = (query, variables) => mutate(node, { role: 'admin', userId: 1_000_000, name: 'Admin' }, query, variables)
    for (const { id, name } of users) {
      await admin('mutation ($id: ID!, $name: String!) { upsertUser(id: $id, name: $name) { id } }', { id, name })
    }
    for (const conversation of conversations.filter(({ isGroup }) => isGroup)) {
      const [owner, ...others] = conversation.members
      const { createGroup } = await mutate(
        node,
        { userId: owner, name: users.find(({ id }) => id === owner).name },
        'mutation ($input: CreateGroupInput!) { createGroup(input: $input) { conversation { id } } }',
        { input: { name: conversation.id, memberIds: others } },
      )
      conversation.id = createGroup.conversation.id
    }
  },
  connect: (options) => (options.userId % 4 < 2 ? connectLegacy(options) : connectGraphql(options)),
})

async function mutate({ port }, claims, query, variables) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${signToken(claims)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}

function connectGraphql({ address, userId, token, ledger }) {
  let cursor = 0
  const client = openGraphqlClient({
    url: `ws://${address}/graphql`,
    connectionParams: { authorization: `Bearer ${token}` },
    subscription: {
      query: SUBSCRIPTION,
      // Read whenever the client subscribes, the first time and each time it came back.
      variables: {
        get after() {
          return String(cursor)
        },
      },
    },
    onData({ events: { __typename: type, id, message } }, connection) {
      cursor = Math.max(cursor, Number(id ?? 0))
      if (type === 'ResumeIncomplete') ledger.incompleteResumes++
      if (type !== 'MessageSent') return
      ledger.received(userId, { key: keyOf(message.content), id: Number(message.id), place: Number(id), connection })
    },
  })
  return {
    ...client,
    send({ key, conversation, receiverId, content }) {
      const to = conversation.isGroup ? { conversationId: conversation.id } : { receiverId: String(receiverId) }
      return client.mutate(SEND, { input: { ...to, content, clientMessageId: key } })
    },
  }
}

function connectLegacy({ address, userId, token, ledger }) {
  let socket
  let cursor = 0
  let connection = 0
  let attempt = 0
  let timer
  let isClosed = false
  /** Sends without an answer, by key, in their order; all are sent again on a new connection. */
  const unanswered = new Map()
  /** @type {() => void} */
  let established = () => undefined
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => (established = resolve))

  function open() {
    const headers = { authorization: `Bearer ${token}`, 'last-event-id': String(cursor) }
    socket = new WebSocket(`ws://${address}/ws/connect`, { headers })
    socket.on('message', (data) => receive(JSON.parse(data.toString())))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (!isClosed) timer = setTimeout(open, delayOf(attempt++))
    })
  }

  function receive({ type, code, data, message_id: messageId }) {
    if (type === 'connection_established') {
      connection++
      attempt = 0
      established()
      for (const { frame } of unanswered.values()) socket.send(frame)
    } else if (type === 'resume') {
      if (!data.complete) ledger.incompleteResumes++
    } else if (type === 'error' || (type === 'message_sent' && data.id === undefined)) {
      answered(messageId, code)
    } else if (messageId !== undefined) {
      cursor = Math.max(cursor, Number(messageId))
      if (type !== 'message_sent') return
      ledger.received(userId, { key: keyOf(data.content), id: data.id, place: Number(messageId), connection })
    }
  }

  function answered(key, code) {
    const waiters = unanswered.get(key)?.waiters ?? []
    unanswered.delete(key)
    for (const { resolve, reject } of waiters) {
      if (code === 200) resolve()
      else reject(new Error(`refused with ${code}`))
    }
  }

  open()
  return {
    ready,
    send: ({ key, conversation, receiverId, content }) =>
      new Promise((resolve, reject) => {
        const to = conversation.isGroup ? { conversation_id: conversation.id, is_group: true } : { receiver_id: receiverId }
        const frame = JSON.stringify({ type: 'message_sent', message_id: key, data: { ...to, content } })
        const { waiters } = unanswered.get(key) ?? { waiters: [] }
        unanswered.set(key, { frame, waiters: [...waiters, { resolve, reject }] })
        if (socket.readyState === WebSocket.OPEN) socket.send(frame)
      }),
    async close() {
      isClosed = true
      clearTimeout(timer)
      socket.terminate()
    },
  }
}
