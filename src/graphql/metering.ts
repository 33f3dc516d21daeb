import {
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type FieldNode,
  type GraphQLField,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql'
import type { OperationContext } from './context.ts'

/** Strings that may be long; all others are counted only when the answer is complete. */
const LONG_TEXTS: Readonly<Record<string, readonly string[]>> = {
  Message: ['content', 'mediaUrl'],
  Group: ['announcement'],
  GroupUpdated: ['announcement'],
}

type Field = GraphQLField<unknown, OperationContext | undefined>

/**
 * Counts the items of every list, and long strings, while an answer grows: an item may hold much that its query does not show.
 */
export function meter(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    // graphql-js shares its own types between all schemas of a process.
    if (!isObjectType(type) || type === schema.getSubscriptionType()) continue
    if (type.name.startsWith('__')) {
      if (metered.has(type)) continue
      metered.add(type)
    }
    for (const field of Object.values(type.getFields()) as Field[]) {
      const unwrapped = isNonNullType(field.type) ? field.type.ofType : field.type
      if (isListType(unwrapped)) count(field, itemsCounted)
      else if (LONG_TEXTS[type.name]?.includes(field.name)) count(field, textCounted)
    }
  }
  return schema
}

const metered = new WeakSet<object>()

type Counter = (value: unknown, context: OperationContext | undefined, info: GraphQLResolveInfo) => void

function count(field: Field, counted: Counter): void {
  const { name, resolve } = field
  field.resolve = (source, args, context, info) => {
    const value = resolve ? resolve(source, args, context, info) : (source as Record<string, unknown>)[name]
    if (value instanceof Promise) {
      return value.then((settled: unknown) => {
        counted(settled, context, info)
        return settled
      })
    }
    counted(value, context, info)
    return value
  }
}

const textCounted: Counter = (value, context, { fieldName }) => {
  if (typeof value === 'string') context?.answer.addText(value, fieldName)
}

const itemsCounted: Counter = (value, context, info) => {
  if (Array.isArray(value)) context?.answer.add(value.length * itemBytes(info), whatOf(info))
}

/** The error names the page's field, which the query selects. */
const whatOf = ({ fieldName, path }: GraphQLResolveInfo): string =>
  fieldName === 'edges' ? String(path.prev?.key ?? fieldName).slice(0, 100) : fieldName

const known = new WeakMap<FieldNode, number>()

/** The minimum size of a list item: its keys, with a character for each value. */
function itemBytes(info: GraphQLResolveInfo): number {
  if (isLeafType(getNamedType(info.returnType))) return 2
  let bytes = 2
  for (const node of info.fieldNodes) {
    let found = known.get(node)
    if (found === undefined) known.set(node, (found = node.selectionSet ? keysOf(node.selectionSet) : 0))
    bytes += found
  }
  return bytes
}

/** Fragments are ignored: which of them apply depends on the item. */
function keysOf({ selections }: SelectionSetNode): number {
  let bytes = 0
  for (const selection of selections) {
    if (selection.kind !== Kind.FIELD || (selection.directives?.length ?? 0) > 0) continue
    bytes += (selection.alias ?? selection.name).value.length + 4
    if (selection.selectionSet) bytes += keysOf(selection.selectionSet)
  }
  return bytes
}
