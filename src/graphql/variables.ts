import { inspect } from 'node:util'
import {
  coerceInputValue,
  getLocation,
  GraphQLBoolean,
  GraphQLID,
  GraphQLInt,
  GraphQLString,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  typeFromAST,
  valueFromAST,
  type GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql'
import { NUL_OR_SURROGATE } from '../limits.ts'
import { cut, MAX_ERRORS, reworded, withShortValues } from './errors.ts'
import type { Variables } from './execute.ts'

/** The values that an operation is executed with, or what is wrong with the received ones. */
export type Coerced = { values: Variables } | { errors: readonly GraphQLError[] }

const NONE: Variables = {}

/** Only the declared variables, so that nothing else of a request is kept; the same object if there are no others. */
export function declaredOf({ variableDefinitions = [] }: OperationDefinitionNode, given: Variables): Variables {
  if (variableDefinitions.length === 0) return NONE
  const names = new Set(variableDefinitions.map(({ variable }) => variable.name.value))
  const keys = Object.keys(given)
  if (keys.every((key) => names.has(key))) return given
  return Object.fromEntries(keys.filter((key) => names.has(key)).map((key) => [key, given[key]]))
}

type Check = (value: unknown) => boolean

const never: Check = () => false
const isStorable: Check = (value) => typeof value === 'string' && !NUL_OR_SURROGATE.test(value)

/** Nothing is known of other scalars without calling them. */
const SCALARS: ReadonlyMap<GraphQLInputType, Check> = new Map<GraphQLInputType, Check>([
  [GraphQLString, isStorable],
  [GraphQLID, (value) => Number.isInteger(value) || isStorable(value)],
  [GraphQLInt, (value) => (value as number) === ((value as number) | 0)],
  [GraphQLBoolean, (value) => typeof value === 'boolean'],
])

/**
 * A check of an operation's variables that allocates nothing: true if they certainly have their declared types and contain no
 * text that can't be stored. If false, `coerceVariables` and `problemWithTexts` say what is wrong, if anything.
 */
export function checkOf(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
): (given: Variables) => boolean {
  const checks = variableDefinitions.map(({ variable, type: node, defaultValue }) => {
    const type = typeFromAST(schema, node) as GraphQLInputType
    const isRequired = isNonNullType(type) && !defaultValue
    return { name: variable.name.value, isRequired, check: isInputType(type) ? checkOfType(type) : never }
  })
  return (given) => {
    for (const { name, isRequired, check } of checks) {
      if (Object.hasOwn(given, name) ? !check(given[name]) : isRequired) return false
    }
    return true
  }
}

function checkOfType(type: GraphQLInputType): Check {
  if (isNonNullType(type)) return checkOfNonNull(type.ofType)
  const check = checkOfNonNull(type)
  return (value) => value === null || check(value)
}

function checkOfNonNull(type: GraphQLInputType): Check {
  if (isListType(type)) {
    const check = checkOfType(type.ofType)
    return (value) => Array.isArray(value) && value.every(check)
  }
  if (isEnumType(type)) return (value) => typeof value === 'string' && type.getValue(value) !== undefined
  if (!isInputObjectType(type)) return SCALARS.get(type) ?? never
  if (type.isOneOf) return never
  const fields = Object.values(type.getFields())
  const required = fields.filter(isRequiredInputField).map(({ name }) => name)
  /** Created on first use: a type may contain itself. */
  const checks = new Map<string, Check | undefined>(fields.map(({ name }) => [name, undefined]))
  const checkField = (name: string, value: unknown): boolean => {
    let check = checks.get(name)
    if (!check) {
      const field = type.getFields()[name]
      if (!field || !checks.has(name)) return false
      checks.set(name, (check = checkOfType(field.type)))
    }
    return check(value)
  }
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    for (const name in value) if (!checkField(name, (value as Record<string, unknown>)[name])) return false
    return required.every((name) => Object.hasOwn(value, name))
  }
}

/** Thrown to stop a coercion that has found enough errors. */
const ENOUGH = new Error('enough errors')

/**
 * Coerces an operation's variables as execution does: defaults for absent ones, null for null. At most ten errors, in which
 * values are cut: the library would repeat a large value in each.
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

/** A value as shown in an error, however large or deep it is. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value))
  return cut(inspect(value, { depth: 1, maxArrayLength: 10, maxStringLength: 100, breakLength: Infinity }))
}
