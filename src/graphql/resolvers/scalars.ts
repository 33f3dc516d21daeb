import { GraphQLError, GraphQLScalarType, Kind, valueFromASTUntyped } from 'graphql'
import { FIRST_TIME, LAST_TIME } from '../../ids.ts'
import type { Resolvers } from '../generated/resolvers.ts'

/** The last time that was formatted: the messages of a batch have the same, and an event shows it more than once. */
let lastTime: { time: number | string; text: string } | undefined

function isoText(time: number | string | Date): string {
  // A Date is mutable.
  if (typeof time === 'object') return time.toISOString()
  if (time !== lastTime?.time) lastTime = { time, text: new Date(time).toISOString() }
  return lastTime.text
}

export const scalars = {
  DateTime: new GraphQLScalarType<Date, string>({
    name: 'DateTime',
    serialize: (value) => isoText(value as number | string | Date),
    parseValue: (value) => parseDateTime(value),
    parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : undefined),
  }),

  JSON: new GraphQLScalarType({
    name: 'JSON',
    serialize: (value) => value,
    parseValue: (value) => value,
    parseLiteral: (node, variables) => valueFromASTUntyped(node, variables) as unknown,
  }),
} satisfies Partial<Resolvers>

function parseDateTime(value: unknown): Date {
  const date = typeof value === 'string' ? new Date(value) : undefined
  if (!date || !(date.getTime() >= FIRST_TIME && date.getTime() <= LAST_TIME))
    throw new GraphQLError('expected an ISO 8601 date and time such as "2023-07-15T10:30:00.000Z"')
  return date
}
