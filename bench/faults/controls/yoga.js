import { createServer } from 'node:http'
import { RedisPubSub } from 'graphql-redis-subscriptions'
import { useServer } from 'graphql-ws/use/ws'
import { createSchema, createYoga } from 'graphql-yoga'
import { Redis } from 'ioredis'
import { WebSocketServer } from 'ws'
import { conversationsOf, insertMessage, verify } from './store.js'

/** Yoga with graphql-ws and RedisPubSub, put together as their documentation shows. */
const connect = () => new Redis(process.env.REDIS_URL, { retryStrategy: (times) => Math.min(times * 50, 2000) })
const pubsub = new RedisPubSub({ publisher: connect(), subscriber: connect() })

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    type Message {
      id: ID!
      key: ID!
      conversation: ID!
      sender: ID!
      content: String!
    }
    type Query {
      viewer: ID!
    }
    type Mutation {
      sendMessage(key: ID!, conversation: ID!, content: String!): Boolean!
    }
    type Subscription {
      "Those of all conversations of the viewer"
      messageSent: Message!
    }
  `,
  resolvers: {
    Query: { viewer: (_root, _args, /** @type {any} */ { extra }) => extra.userId },
    Mutation: {
      async sendMessage(_root, args, /** @type {any} */ { extra }) {
        const message = await insertMessage({ ...args, sender: extra.userId })
        if (message) await pubsub.publish(message.conversation, { messageSent: message })
        return true
      },
    },
    Subscription: {
      messageSent: {
        subscribe: (_root, _args, /** @type {any} */ { extra }) => pubsub.asyncIterator(conversationsOf(extra.userId)),
      },
    },
  },
})

const yoga = createYoga({ schema })
const server = createServer(yoga)
const sockets = useServer(
  {
    onConnect(/** @type {any} */ { connectionParams, extra }) {
      extra.userId = verify(connectionParams?.token)
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

async function stop() {
  await sockets.dispose()
  server.close(() => process.exit(0))
}
process.on('SIGTERM', () => void stop())
const port = () => /** @type {import('node:net').AddressInfo} */ (server.address()).port
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`ready on http://127.0.0.1:${port()}\n`))
