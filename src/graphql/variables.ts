import { inspect } from 'node:util'
import {
  coerceInputValue,
  getLocation,
  isInputType,
  isNonNullType,
  typeFromAST,
  valueFromAST,
  type GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql'
import { cut, MAX_ERRORS, reworded, withShortValues } from './errors.ts'
import type { Variables } from './execute.ts'

/** The values that an operation is executed with, or what is wrong with those that came. */
export type Coerced = { values: Variables } | { errors: readonly GraphQLError[] }

const NONE: Variables = {}

/** Only those that the operation declares, so that nothing else of a request is kept; the same object where that is all. */
export function declaredOf({ variableDefinitions = [] }: OperationDefinitionNode, given: Variables): Variables {
  if (variableDefinitions.length === 0) return NONE
  const names = new Set(variableDefinitions.map(({ variable }) => variable.name.value))
  const keys = Object.keys(given)
  if (keys.every((key) => names.has(key))) return given
  return Object.fromEntries(keys.filter((key) => names.has(key)).map((key) => [key, given[key]]))
}

/** Thrown to stop a coercion that has found enough. */
const ENOUGH = new Error('enough errors')

/**
 * Makes of an operation's variables what execution makes of them: defaults where a variable is absent, null where it is null. At most ten
 * errors, in which values are cut: the library would repeat a large value in each.
 */
export function coerceVariables(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Variables,
  suggestions: boolean,
): Coerced {
  if (variableDefinitions.length === 0) return { values: NONE }
  const values: Record<string, unknown> = {}
  const errors: GraphQLError[] = []
  const refuse = (node: VariableDefinitionNode, message: string): void => {
    const locations = node.loc && [getLocation(node.loc.source, node.loc.start)]
    if (errors.push(reworded({ locations, path: undefined }, message, { code: 'BAD_USER_INPUT' })) === MAX_ERRORS) throw ENOUGH
  }
  try {
    for (const node of variableDefinitions) {
      const { name } = node.variable
      const type = typeFromAST(schema, node.type) as GraphQLInputType
      if (!isInputType(type)) continue
      if (!Object.hasOwn(given, name.value)) {
        if (node.defaultValue) values[name.value] = valueFromAST(node.defaultValue, type)
        else if (isNonNullType(type))
          refuse(node, `Variable "$${name.value}" of required type "${type.toString()}" was not provided.`)
        continue
      }
      const value = given[name.value]
      if (value === null && isNonNullType(type)) {
        refuse(node, `Variable "$${name.value}" of non-null type "${type.toString()}" must not be null.`)
        continue
      }
      const onError: Parameters<typeof coerceInputValue>[2] = (path, invalid, error) => {
        const place = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
        const at = place ? ` at "${cut(name.value + place)}"` : ''
        refuse(node, `Variable "$${name.value}" got invalid value ${shown(invalid)}${at}; ${withShortValues(error.message)}`)
      }
      values[name.value] = coerceInputValue(value, type, onError, !suggestions)
    }
  } catch (error) {
    if (error !== ENOUGH) throw error
  }
  return errors.length > 0 ? { errors } : { values }
}

/** A value as an error shows it, however large or deep it is. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value))
  return cut(inspect(value, { depth: 1, maxArrayLength: 10, maxStringLength: 100, breakLength: Infinity }))
}
