import { createServer } from 'node:http'
import { RedisPubSub } from 'graphql-redis-subscriptions'
import { PubSub } from 'graphql-subscriptions'
import { useServer } from 'graphql-ws/use/ws'
import { createSchema, createYoga } from 'graphql-yoga'
import { Redis } from 'ioredis'
import { WebSocketServer } from 'ws'
import { prisma } from './database.js'
import { directConversation } from './push.js'
import { verify } from './verify.js'

/**
 * Yoga with graphql-ws and Prisma, put together as their documentation shows; RedisPubSub with REDIS_URL, else its twin inside
 * of the process. What is published holds all that a subscription selects, so that no subscriber asks the database.
 */
const connect = () => new Redis(process.env.REDIS_URL)
/** @type {any} */
const pubsub = process.env.REDIS_URL ? new RedisPubSub({ publisher: connect(), subscriber: connect() }) : new PubSub()
// One listener for each subscriber is meant.
pubsub.ee?.setMaxListeners(0)

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    type User {
      id: ID!
      name: String!
    }
    type Conversation {
      id: ID!
    }
    type Message {
      id: ID!
      content: String!
      sender: User!
      conversation: Conversation!
    }
    interface Event {
      id: ID
      timestamp: String!
    }
    type MessageSent implements Event {
      id: ID
      timestamp: String!
      message: Message!
    }
    input SendMessageInput {
      conversationId: ID
      receiverId: ID
      content: String!
      clientMessageId: String
    }
    type Query {
      viewer: User!
    }
    type Mutation {
      sendMessage(input: SendMessageInput!): Message!
    }
    type Subscription {
      "Those of all conversations of the viewer"
      events: Event!
    }
  `,
  resolvers: {
    Query: { viewer: (_root, _args, /** @type {any} */ { extra }) => extra.user },
    Mutation: {
      async sendMessage(_root, { input }, /** @type {any} */ { extra: { user } }) {
        const { conversationId = directConversation(user.id, Number(input.receiverId)), content, clientMessageId } = input
        const membership = { conversationId_userId: { conversationId, userId: user.id } }
        const member = await prisma.member.findUnique({ where: membership, include: { user: true } })
        if (!member) throw new Error('not a member')
        const message = await prisma.message.create({
          data: { conversationId, senderId: user.id, content, messageType: 'text', clientKey: clientMessageId },
        })
        const event = eventOf(message, member.user)
        await pubsub.publish(conversationId, { events: event })
        return event.message
      },
    },
    Subscription: {
      events: {
        async subscribe(_root, _args, /** @type {any} */ { extra: { user } }) {
          const members = await prisma.member.findMany({ where: { userId: user.id } })
          return pubsub.asyncIterableIterator(members.map(({ conversationId }) => conversationId))
        },
      },
    },
    Event: { __resolveType: () => 'MessageSent' },
  },
})

/** In the form in which it can be published: JSON knows no bigint. */
function eventOf({ id, createdAt, content, conversationId }, sender) {
  const message = {
    id: String(id),
    content,
    sender: { id: sender.id, name: sender.name },
    conversation: { id: conversationId },
  }
  return { id: String(id), timestamp: createdAt.toISOString(), message }
}

const yoga = createYoga({ schema })
const server = createServer(yoga)
useServer(
  {
    onConnect(/** @type {any} */ { connectionParams, extra }) {
      extra.user = verify(connectionParams?.authorization?.slice('Bearer '.length))
    },
    execute: (/** @type {any} */ args) => args.rootValue.execute(args),
    subscribe: (/** @type {any} */ args) => args.rootValue.subscribe(args),
    async onSubscribe(context, _id, params) {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      })
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      }
      const errors = validate(args.schema, args.document)
      return errors.length > 0 ? errors : args
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
)

process.on('SIGTERM', () => process.exit(0))
const port = () => /** @type {import('node:net').AddressInfo} */ (server.address()).port
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`ready on http://127.0.0.1:${port()}\n`))
