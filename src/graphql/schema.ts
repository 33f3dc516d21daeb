import { readFileSync } from 'node:fs'
import { makeExecutableSchema } from '@graphql-tools/schema'
import type { GraphQLSchema } from 'graphql'
import type { Resolvers } from './generated/resolvers.ts'
import { meter } from './metering.ts'
import { adminTypes } from './resolvers/admin-types.ts'
import { eventTypes } from './resolvers/event-types.ts'
import { mutations } from './resolvers/mutations.ts'
import { queries } from './resolvers/queries.ts'
import { scalars } from './resolvers/scalars.ts'
import { subscriptions } from './resolvers/subscriptions.ts'
import { types } from './resolvers/types.ts'

/** The executable schema: schema.graphql of the package's root with its resolvers. */
export function createSchema(): GraphQLSchema {
  const resolvers: Resolvers = {
    ...scalars,
    ...types,
    ...eventTypes,
    ...adminTypes,
    Query: queries,
    Mutation: mutations,
    Subscription: subscriptions,
  }
  const schema = makeExecutableSchema<unknown>({
    typeDefs: readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'),
    resolvers,
    inheritResolversFromInterfaces: false,
  })
  return meter(schema)
}
