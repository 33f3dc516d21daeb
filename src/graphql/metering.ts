import {
  getNamedType,
  getNullableType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type FieldNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql'
import type { OperationContext } from './context.ts'

/** Strings that may be long; all others are counted only when the answer is complete. */
export const LONG_TEXTS: Readonly<Record<string, readonly string[]>> = {
  Message: ['content', 'mediaUrl'],
  Group: ['announcement'],
  GroupUpdated: ['announcement'],
}

type Field = GraphQLField<unknown, OperationContext | undefined>

/**
 * Counts the items of every list, and long strings, while an answer grows: an item may hold much that its query does not show. The items of
 * a list are resolved when it is their viewer's turn.
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
      if (isListType(unwrapped)) settle(field, itemsInTurn)
      else if (LONG_TEXTS[type.name]?.includes(field.name)) settle(field, textCounted)
    }
  }
  return schema
}

const metered = new WeakSet<object>()

type Settle = (value: unknown, context: OperationContext | undefined, info: GraphQLResolveInfo) => unknown

/** Has `settled` decide what becomes of the field's value. */
function settle(field: Field, settled: Settle): void {
  const { name, resolve } = field
  field.resolve = (source, args, context, info) => {
    const value = resolve ? resolve(source, args, context, info) : (source as Record<string, unknown>)[name]
    return value instanceof Promise
      ? value.then((found: unknown) => settled(found, context, info))
      : settled(value, context, info)
  }
}

const textCounted: Settle = (value, context, { fieldName }) => {
  if (typeof value === 'string') context?.answer.addText(value, fieldName)
  return value
}

/** How many fields take as long as one unit of a turn. */
const FIELDS_PER_UNIT = 10
/** Items that take more than this have their turns in parts. */
const UNITS_AT_ONCE = 100

const itemsInTurn: Settle = (value, context, info) => {
  if (!context || !Array.isArray(value) || value.length === 0) return value
  context.answer.add(value.length * itemBytes(info), whatOf(info))
  const list = value as unknown[]
  const fields = sumOf(info, fieldCounts, (selections) => fieldsOf(selections, getNamedType(info.returnType), info, new Map()))
  context.answer.addFields(list.length * fields, whatOf(info))
  const each = unitsOfItem(fields, info)
  const units = Math.ceil(list.length * each)
  if (units === 0) return list
  if (units > UNITS_AT_ONCE && list.length > 1) return inParts(list, Math.max(1, Math.floor(UNITS_AT_ONCE / each)), each, context)
  const turn = context.turn(units)
  return turn ? turn.then(() => list) : list
}

function inParts(list: readonly unknown[], size: number, unitsOfEach: number, context: OperationContext): unknown[] {
  const items: unknown[] = []
  for (let start = 0; start < list.length; start += size) {
    const part = list.slice(start, start + size)
    const turn = context.turn(Math.ceil(part.length * unitsOfEach))
    for (const item of part) items.push(turn ? turn.then(() => item) : item)
  }
  return items
}

/** What resolving one item takes of a turn. A page has had a turn in which each of its items counted as a unit. */
function unitsOfItem(fields: number, info: GraphQLResolveInfo): number {
  const units = Math.max(1, fields) / FIELDS_PER_UNIT
  return info.fieldName === 'edges' ? Math.max(0, units - 1) : units
}

const fieldCounts = new WeakMap<FieldNode, number>()

/** The sum of what is found for the selections of a field, each of which is looked at once. */
function sumOf(
  { fieldNodes }: GraphQLResolveInfo,
  found: WeakMap<FieldNode, number>,
  find: (selections: SelectionSetNode) => number,
): number {
  let sum = 0
  for (const node of fieldNodes) {
    let part = found.get(node)
    if (part === undefined) found.set(node, (part = node.selectionSet ? find(node.selectionSet) : 0))
    sum += part
  }
  return sum
}

/** How many fields a selection has, without those of the lists in it, which are counted themselves. */
function fieldsOf(
  { selections }: SelectionSetNode,
  type: GraphQLNamedType | undefined,
  info: Pick<GraphQLResolveInfo, 'schema' | 'fragments'>,
  counted: Map<string, number>,
): number {
  let fields = 0
  for (const selection of selections) {
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const { value: name } = selection.name
      let found = counted.get(name)
      const fragment = info.fragments[name]
      if (found === undefined && fragment) {
        const condition = info.schema.getType(fragment.typeCondition.name.value)
        counted.set(name, (found = fieldsOf(fragment.selectionSet, condition, info, counted)))
      }
      fields += found ?? 0
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      const condition = selection.typeCondition ? info.schema.getType(selection.typeCondition.name.value) : type
      fields += fieldsOf(selection.selectionSet, condition, info, counted)
    } else {
      fields++
      const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[selection.name.value] : undefined
      if (!selection.selectionSet || !field || isListType(getNullableType(field.type))) continue
      fields += fieldsOf(selection.selectionSet, getNamedType(field.type), info, counted)
    }
  }
  return fields
}

/** The error names the page's field, which the query selects. */
const whatOf = ({ fieldName, path }: GraphQLResolveInfo): string =>
  fieldName === 'edges' ? String(path.prev?.key ?? fieldName).slice(0, 100) : fieldName

const known = new WeakMap<FieldNode, number>()

/** The minimum size of a list item: its keys, with a character for each value. */
function itemBytes(info: GraphQLResolveInfo): number {
  if (isLeafType(getNamedType(info.returnType))) return 2
  return 2 + sumOf(info, known, keysOf)
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
